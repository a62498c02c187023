//! Placeholder.
use super::State;
use actix_web::{
    App,
    dev::{ServiceFactory, ServiceRequest},
    web,
};
pub fn app(
    state: web::Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = actix_web::dev::ServiceResponse,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new().app_data(state)
}
