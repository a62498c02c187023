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
        told -> Nullable<Text>,
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
        expired_seq -> BigInt,
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
        last_sent_at -> Nullable<BigInt>,
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
        mentions -> Nullable<Text>,
    }
}

diesel::table! {
    mentions (user_key, position) {
        user_key -> BigInt,
        position -> BigInt,
    }
}

diesel::table! {
    message_versions (message_position, change_position) {
        message_position -> BigInt,
        change_position -> BigInt,
        content -> Text,
        written_at -> BigInt,
    }
}

diesel::table! {
    reactions (message_position, emoji, user_key) {
        message_position -> BigInt,
        emoji -> Text,
        user_key -> BigInt,
        position -> BigInt,
        first_position -> BigInt,
    }
}

diesel::table! {
    read_marks (conversation_key, user_key, seq) {
        conversation_key -> BigInt,
        user_key -> BigInt,
        seq -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::UuidType;

    changes (position) {
        position -> BigInt,
        message_position -> BigInt,
        message_id -> UuidType,
        kind -> SmallInt,
        actor_key -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    uploads (name) {
        name -> Text,
        user_key -> BigInt,
        content_type -> Text,
        bytes -> BigInt,
        width -> Integer,
        height -> Integer,
        created_at -> BigInt,
        sweep_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    upload_uses (position) {
        position -> BigInt,
        name -> Text,
    }
}

diesel::table! {
    upload_endings (conversation_key) {
        conversation_key -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    users,
    conversations,
    heads,
    members,
    messages,
    mentions,
    message_versions,
    reactions,
    read_marks,
    changes,
);
