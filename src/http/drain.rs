//! What is left of a request's body when it was refused: read on, within bounds. A connection that is closed while its client
//! still sends is reset, and the client sees a broken pipe where it should have read why. Wrapped around all routes by
//! `routes`. Never keeps what it reads.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    middleware::Next,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

use crate::domain::limits;

/// What is read on at the most: a picture of the largest size and its form, twice. Beyond it the connection is closed.
const MOST: usize = 4 * limits::IMAGE_BYTES;
/// How long it may take, with the time that the answer took: whoever asks is answered within ten seconds.
const WITHIN: Duration = Duration::from_secs(8);
/// A client that sends nothing for so long waits for the answer.
const SILENCE: Duration = Duration::from_millis(500);

/// A body that the handler and the middleware hold together.
struct Shared(Rc<RefCell<Payload>>);

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// See the file's head.
pub async fn read_on<B: MessageBody>(mut request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let body = match request.take_payload() {
        Payload::None => return next.call(request).await,
        body => Rc::new(RefCell::new(body)),
    };
    request.set_payload(Payload::Stream {
        payload: Box::pin(Shared(body.clone())),
    });
    let began = Instant::now();
    let response = next.call(request).await?;
    if response.status().is_client_error() || response.status().is_server_error() {
        // Too much, too slow or broken: then it is closed all the same.
        let _ = timeout(WITHIN.saturating_sub(began.elapsed()), discard(Shared(body))).await;
    }
    Ok(response)
}

async fn discard(mut body: Shared) {
    let mut read = 0;
    while let Ok(Some(Ok(piece))) = timeout(SILENCE, body.next()).await
        && read <= MOST
    {
        read += piece.len();
    }
}
