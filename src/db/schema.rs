//! The tables as diesel sees them; the migrations are what makes them, and say what each column means. Read by the rest of
//! `db`; a test compares the columns with what the migrations made.

use super::types::UuidType;

diesel::table! {
    meta (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    webhook_endpoints (key) {
        key -> BigInt,
        url -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    webhook_cursors (endpoint_key, conversation_key) {
        endpoint_key -> BigInt,
        conversation_key -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    users (key) {
        key -> BigInt,
        id -> Text,
        name -> Text,
        name_folded -> Text,
        login -> Nullable<Text>,
        display_name -> Text,
        display_name_folded -> Text,
        avatar_url -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        is_admin -> Bool,
        created_at -> BigInt,
        last_seen_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    revoked_tokens (jti) {
        jti -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::UuidType;

    conversations (key) {
        key -> BigInt,
        id -> UuidType,
        kind -> SmallInt,
        name -> Nullable<Text>,
        slug -> Nullable<Text>,
        direct_low -> Nullable<BigInt>,
        direct_high -> Nullable<BigInt>,
        invite_code -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        max_members -> Nullable<Integer>,
        retention_seconds -> Nullable<Integer>,
        slow_mode_seconds -> Nullable<Integer>,
        created_by -> BigInt,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    heads (conversation_key) {
        conversation_key -> BigInt,
        seq -> BigInt,
        last_message_seq -> BigInt,
        active_at -> BigInt,
        member_count -> Integer,
        deleted -> Bool,
    }
}

diesel::table! {
    members (conversation_key, user_key) {
        conversation_key -> BigInt,
        user_key -> BigInt,
        role -> SmallInt,
        joined_at -> BigInt,
        last_read_seq -> BigInt,
        last_read_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::UuidType;

    messages (position) {
        position -> BigInt,
        change_position -> BigInt,
        id -> UuidType,
        kind -> SmallInt,
        sender_key -> BigInt,
        content -> Text,
        client_id -> Nullable<Text>,
        client_hash -> Nullable<BigInt>,
        reply_to -> Nullable<UuidType>,
        created_at -> BigInt,
        edited_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        deleted_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    changes (position) {
        position -> BigInt,
        message_position -> BigInt,
        kind -> SmallInt,
        actor_key -> BigInt,
        at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, conversations, heads, members, messages, changes);
