//! Placeholder.
use actix_web::{App, web, dev::{ServiceFactory, ServiceRequest}};
use super::State;
pub fn app(state: web::Data<State>) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = actix_web::dev::ServiceResponse, Error = actix_web::Error, InitError = ()>> { App::new().app_data(state) }
