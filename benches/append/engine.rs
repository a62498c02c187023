//! The store itself, through its seam: `Log::append` with client ids, awaited batch by batch.

use std::{sync::Arc, time::Instant};

use parlor::{
    db::{
        ConversationAppend, NewAccount, NewConversation, NewMessage, Op, Outcome,
        sqlite::{self, SqliteOptions},
    },
    domain::{
        ClientId, Content, ConversationId, ConversationKey, MessageType, Timestamp, User, UserId, message::Draft,
    },
};

use crate::{CONVERSATIONS, Round};

pub fn round(messages: usize, batch: usize) -> Round {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let opened = sqlite::open(SqliteOptions::new(dir.path().join("bench.sqlite3"))).expect("the store opens");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (store, mut log) = (opened.store, opened.log);
    let round = runtime.block_on(async {
        let (sender, rooms) = people(&*store).await;
        let mut waiting: Vec<Vec<ConversationAppend>> = (0..messages / batch)
            .map(|n| one_batch(n * batch, batch, &sender, &rooms))
            .collect();
        waiting.reverse();
        let mut batches = Vec::with_capacity(waiting.len());
        let (start, cpu, written) = (Instant::now(), crate::cpu(), crate::written());
        while let Some(next) = waiting.pop() {
            let begin = Instant::now();
            let answers = log.append(next).await;
            let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("a commit")).collect();
            batches.push(begin.elapsed());
            let sent = answers
                .iter()
                .flat_map(|a| &a.outcomes)
                .filter(|o| matches!(o, Ok(Outcome::Sent { .. })));
            assert_eq!(sent.count(), batch);
        }
        Round {
            messages: batches.len() * batch,
            took: start.elapsed(),
            cpu: crate::cpu() - cpu,
            written: crate::written() - written,
            batches,
        }
    });
    opened.closer.close();
    round
}

async fn people(store: &dyn parlor::db::Store) -> (Arc<User>, Vec<ConversationKey>) {
    let at = Timestamp::from_millis(1);
    let account = NewAccount {
        id: UserId::parse("ann").expect("an id"),
        name: "ann".to_owned(),
        folded: "ann".to_owned(),
        display_name: "Ann".to_owned(),
        password_hash: String::new(),
        admin: false,
        at,
    };
    let ann = store
        .create_account(account)
        .await
        .expect("a write")
        .expect("the name is free");
    let mut rooms = Vec::new();
    for n in 0..CONVERSATIONS {
        let id = ConversationId::generate(at, [n as u8; 10]);
        let group = NewConversation::group(id, format!("room {n}"), ann.key, at);
        let made = store.create_conversation(group).await.expect("a write");
        rooms.push(made.expect("a group").key);
    }
    (ann, rooms)
}

/// Messages in turn, those of one conversation together, as the persistence actor hands them over.
fn one_batch(from: usize, size: usize, sender: &Arc<User>, rooms: &[ConversationKey]) -> Vec<ConversationAppend> {
    let mut parts: Vec<ConversationAppend> = Vec::new();
    for n in from..from + size {
        let key = rooms[n % rooms.len()];
        let op = Op::Send(Arc::new(NewMessage {
            sender: sender.clone(),
            mentions: Vec::new(),
            draft: Draft {
                kind: MessageType::Text,
                content: Content::text(super::bare::WORDS).expect("words"),
                client_id: Some(ClientId::parse(&super::bare::client_id(n)).expect("a client id")),
                reply_to: None,
            },
            at: Timestamp::from_millis(1_768_693_477_120 + n as i64 / 50),
            random: (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            pause_seconds: None,
        }));
        match parts.iter_mut().find(|part| part.conversation == key) {
            Some(part) => part.ops.push(op),
            None => parts.push(ConversationAppend {
                conversation: key,
                ops: vec![op],
            }),
        }
    }
    parts
}
