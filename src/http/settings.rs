//! What a conversation is like, and its end, over REST. Only parses and words: who may what is the room's to decide.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    State,
    conversations::OneConversation,
    error::ErrorBody,
    extract::{Auth, Body, given},
    openapi::MembersOnly,
};
use crate::{
    actors::commands,
    domain::{ConversationId, ConversationName, Invalid, Password, Settings, limits},
    protocol::ApiError,
};

/// What to change; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "Coffee", "maxMembers": 20, "slowModeSeconds": null}))]
pub struct SettingsPatch {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    name: Option<Option<String>>,
    /// What joining by oneself asks for; `null` for no password.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256, format = Password)]
    password: Option<Option<String>>,
    /// Most members; `null` for no policy.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 2, maximum = 5000)]
    max_members: Option<Option<u32>>,
    /// How long messages are kept; `null` for ever.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 60, maximum = 2147483647)]
    retention_seconds: Option<Option<u32>>,
    /// Pause between two messages of one user; `null` or 0 for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 3600)]
    slow_mode_seconds: Option<Option<u32>>,
}

impl SettingsPatch {
    /// The settings, and the password, which is still to be hashed.
    fn parse(self) -> Result<(Settings, Option<Option<Password>>), Invalid> {
        let password = match self.password {
            Some(Some(password)) => Some(Some(Password::shared(&password)?)),
            other => other.map(|_| None),
        };
        let name = match self.name {
            Some(None) => return Err(Invalid::new("name", "cannot be taken away")),
            Some(Some(name)) => Some(ConversationName::parse(&name)?),
            None => None,
        };
        check_policies(
            self.max_members.flatten(),
            self.retention_seconds.flatten(),
            self.slow_mode_seconds.flatten(),
        )?;
        let settings = Settings {
            name,
            max_members: self.max_members,
            retention_seconds: self.retention_seconds,
            slow_mode_seconds: self.slow_mode_seconds.map(pause),
            ..Settings::default()
        };
        Ok((settings, password))
    }
}

/// Whether the policies are in their bounds.
pub(super) fn check_policies(
    max_members: Option<u32>,
    retention_seconds: Option<u32>,
    slow_mode_seconds: Option<u32>,
) -> Result<(), Invalid> {
    let (fewest, most) = limits::MAX_MEMBERS;
    within("maxMembers", max_members, fewest, most)?;
    let (shortest, longest) = limits::RETENTION_SECONDS;
    within("retentionSeconds", retention_seconds, shortest, longest)?;
    within("slowModeSeconds", slow_mode_seconds, 0, limits::SLOW_MODE_SECONDS)
}

fn within(field: &'static str, value: Option<u32>, least: u32, most: u32) -> Result<(), Invalid> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Invalid::new(field, format!("must be {least} to {most}")))
        }
        _ => Ok(()),
    }
}

/// No pause is no policy.
pub(super) fn pause(seconds: Option<u32>) -> Option<u32> {
    seconds.filter(|seconds| *seconds > 0)
}

/// Change name and policies
///
/// For the owner and admins of what is not direct. Every member is told by a system message and `conversation_updated`; what
/// is so already changes nothing and tells nobody.
#[utoipa::path(patch, path = "/api/conversations/{id}", request_body = SettingsPatch,
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses(
        (status = 200, description = "As it is now", body = OneConversation),
        MembersOnly,
        (status = 409, description = "ROOM_FULL: it holds more members than maxMembers allows; CONFLICT: another channel \
            has this name", body = ErrorBody),
    ))]
pub async fn update_conversation(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
    body: Body<SettingsPatch>,
) -> Result<Json<OneConversation>, ApiError> {
    let (mut settings, password) = body.into_inner().parse()?;
    settings.password_hash = match password {
        Some(Some(password)) => {
            let hash = commands::password_hash(&state.node, &state.passwords, &auth.caller, *id, &password).await?;
            Some(Some(hash))
        }
        other => other.map(|_| None),
    };
    let conversation = commands::update_conversation(&state.node, &auth.caller, *id, settings).await?;
    Ok(Json(OneConversation { conversation }))
}

/// Delete a conversation
///
/// For the owner of what is not direct. Every member is told by `conversation_removed`; once answered, it exists for nobody.
#[utoipa::path(delete, path = "/api/conversations/{id}",
    params(("id" = ConversationId, Path, description = "Which conversation")),
    responses((status = 204, description = "Deleted"), MembersOnly))]
pub async fn delete_conversation(
    state: Data<State>,
    auth: Auth,
    id: Path<ConversationId>,
) -> Result<HttpResponse, ApiError> {
    commands::delete_conversation(&state.node, &auth.caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Parsed = (Settings, Option<Option<Password>>);

    fn parse(json: serde_json::Value) -> Result<Parsed, &'static str> {
        let patch: SettingsPatch = serde_json::from_value(json).unwrap();
        patch.parse().map_err(|invalid| invalid.field)
    }

    #[test]
    fn what_is_given_changes_and_null_turns_a_policy_off() {
        assert_eq!(parse(json!({})), Ok((Settings::default(), None)));
        let all = json!({"name": " Tea ", "maxMembers": 5000, "retentionSeconds": null, "slowModeSeconds": 0,
            "password": "x"});
        let expected = Settings {
            name: ConversationName::parse("Tea").ok(),
            max_members: Some(Some(5000)),
            retention_seconds: Some(None),
            slow_mode_seconds: Some(None),
            ..Settings::default()
        };
        assert_eq!(parse(all), Ok((expected, Some(Password::shared("x").ok()))));
        assert_eq!(parse(json!({"password": null})), Ok((Settings::default(), Some(None))));
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_name() {
        for (field, bad) in [
            ("name", json!({"name": null})),
            ("name", json!({"name": "\u{7}"})),
            ("password", json!({"password": ""})),
            ("password", json!({"password": "x".repeat(257)})),
            ("maxMembers", json!({"maxMembers": 1})),
            ("maxMembers", json!({"maxMembers": 5001})),
            ("retentionSeconds", json!({"retentionSeconds": 59})),
            ("retentionSeconds", json!({"retentionSeconds": 2147483648u32})),
            ("slowModeSeconds", json!({"slowModeSeconds": 3601})),
        ] {
            assert_eq!(parse(bad.clone()), Err(field), "{bad}");
        }
    }
}
