//! Every route, each once: its method, its path, its handler, who may call it and how fast. The app that `server` runs per
//! worker, the list that tests read and the paths of the OpenAPI document all come from this table. Decides nothing itself.

use std::rc::Rc;

use Access::{Admin, Open, Scraper, User};
use Pace::{Event, Free, Message, Upload};
use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::Method,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use utoipa::OpenApi;

use super::{
    State,
    access::{Access, Pace, guarded},
    admin, auth, conversations, drain, entry,
    error::{configure_extractors, no_such_path},
    figures::Meter,
    members, messages,
    observe::{Observer, cors, observe},
    operators, presence, reactions, receipts, search, settings, socketio, uploads, users, web as page,
};

/// A route, as tests and the OpenAPI document read it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, as OpenAPI writes it.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Whether it is in the OpenAPI document. What is for people is not.
    pub described: bool,
}

macro_rules! routes {
    (
        $($path:literal { $($method:ident $module:ident::$handler:ident $access:expr;)+ })+
        pages: $($page:literal { $($page_method:ident $page_handler:ident;)+ })+
    ) => {
        /// Every route, in the order of the table.
        pub const ROUTES: &[Route] = &[
            $($(Route { method: Method::$method, path: $path, access: $access, described: true },)+)+
            $($(Route { method: Method::$page_method, path: $page, access: Open, described: false },)+)+
        ];

        /// The routes with their handlers. Of two paths that fit, the one that stands first is taken.
        fn configure(config: &mut ServiceConfig) {
            $(config.service(
                web::resource($path)$(.route(guarded(web::method(Method::$method).to($module::$handler), $access)))+
            );)+
            $(config.service(
                web::resource($page)$(.route(guarded(web::method(Method::$page_method).to(page::$page_handler), Open)))+
            );)+
        }

        /// What the handlers say of themselves; `openapi` adds what the table says.
        #[derive(OpenApi)]
        #[openapi(paths($($($module::$handler),+),+))]
        pub(super) struct Described;
    };
}

routes! {
    "/api/auth/register" { POST auth::register Open; }
    "/api/auth/login" { POST auth::login Open; }
    "/api/auth/logout" { POST auth::logout User(Free); }
    "/api/me" {
        GET users::show_me User(Free);
        PATCH users::update_me User(Free);
    }
    "/api/users" { GET users::find_users User(Free); }
    "/api/users/{id}" {
        GET users::show_user User(Free);
        PUT users::put_user Admin(Free);
    }
    "/api/presence" { GET presence::show_presence User(Free); }
    "/api/conversations" {
        GET conversations::list_conversations User(Free);
        POST conversations::create_conversation User(Event);
    }
    "/api/conversations/find-or-create" { POST conversations::find_or_create User(Free); }
    "/api/conversations/join-by-code" { POST entry::join_by_code User(Message); }
    "/api/conversations/{id}" {
        GET conversations::show_conversation User(Free);
        PATCH settings::update_conversation User(Event);
        DELETE settings::delete_conversation User(Free);
    }
    "/api/conversations/{id}/messages" {
        GET messages::read_history User(Free);
        POST messages::send_message User(Message);
    }
    "/api/conversations/{id}/messages/{messageId}" {
        PATCH messages::edit_message User(Event);
        DELETE messages::delete_message User(Event);
    }
    "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}" {
        PUT reactions::add_reaction User(Event);
        DELETE reactions::remove_reaction User(Event);
    }
    "/api/conversations/{id}/messages/{messageId}/receipts" { GET receipts::show_receipts User(Free); }
    "/api/conversations/{id}/messages/{messageId}/versions" { GET receipts::show_versions Admin(Free); }
    "/api/conversations/{id}/read" { POST messages::mark_read User(Event); }
    "/api/conversations/{id}/members" {
        GET members::list_members User(Free);
        POST members::add_member User(Free);
    }
    "/api/conversations/{id}/members/{userId}" {
        PATCH members::set_role User(Free);
        DELETE members::remove_member User(Free);
    }
    "/api/conversations/{id}/leave" { POST members::leave_conversation User(Event); }
    "/api/conversations/{id}/join" { POST entry::join_conversation User(Message); }
    "/api/conversations/{id}/invite-code" {
        POST entry::new_invite_code User(Event);
        DELETE entry::take_invite_code User(Event);
    }
    "/api/channels" { GET entry::list_channels User(Free); }
    "/api/uploads" { POST uploads::upload_image User(Upload); }
    "/uploads/{name}" {
        GET uploads::show_upload Open;
        HEAD uploads::head_upload Open;
    }
    "/api/search" { GET search::search User(Event); }
    "/api/admin/sessions" { GET admin::list_sessions Admin(Free); }
    "/api/admin/sessions/{id}" { DELETE admin::disconnect_session Admin(Free); }
    "/api/admin/metrics" { GET admin::show_metrics Admin(Free); }
    "/api/openapi.json" { GET operators::show_openapi Open; }
    "/api/asyncapi.json" { GET operators::show_asyncapi Open; }
    "/metrics" { GET operators::show_prometheus Scraper; }
    "/healthz" {
        GET operators::show_health Open;
        HEAD operators::head_health Open;
    }
    "/readyz" {
        GET operators::show_readiness Open;
        HEAD operators::head_readiness Open;
    }
    pages:
    "/" { GET show_page; HEAD show_page; }
    "/admin" { GET show_page; HEAD show_page; }
    "/join/{code}" { GET show_page; HEAD show_page; }
    "/assets/{name}" { GET show_asset; HEAD show_asset; }
}

/// The REST side, to be made once per worker and, where there is a tokio runtime, inside of it.
pub fn app(
    state: web::Data<State>,
    socketio: Rc<socketio::Host>,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>,
> {
    let node = &state.node;
    let observer = Observer::new(node.clock.clone(), node.entropy.clone(), node.metrics.clone());
    App::new()
        .app_data(web::Data::new(observer))
        .app_data(web::Data::from(Meter::start(&node.metrics)))
        .app_data(state.clone())
        .configure(configure_extractors)
        .configure(configure)
        .app_data(web::ThinData(socketio))
        .service(web::resource(socketio::PATHS.to_vec()).route(web::route().to(socketio::handle)))
        .default_service(web::to(no_such_path))
        .wrap(from_fn(drain::read_on))
        .wrap(cors(state))
        .wrap(from_fn(observe))
}
