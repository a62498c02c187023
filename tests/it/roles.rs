//! Roles and settings of a group: given by the owner, and what an admin may.

use serde_json::json;

use crate::{
    groups::{group, is_gone_for, message_path, roles},
    harness::*,
    messages::pair,
};

#[tokio::test]
async fn the_owner_gives_roles() {
    let g = group().await;
    let stranger = g.server.user("stranger").await;
    let seat = |person: &Person| g.chat.path(&format!("/members/{}", person.id));
    g.ann
        .patch(&seat(&g.ann), json!({"role": "admin"}))
        .await
        .refused(403, "FORBIDDEN");
    g.owner
        .patch(&seat(&stranger), json!({"role": "admin"}))
        .await
        .refused(404, "NOT_FOUND");
    for body in [json!({}), json!({"role": "king"}), json!({"role": 7})] {
        g.owner
            .patch(&seat(&g.ann), body)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
    g.owner.makes_admin(&g.chat, &g.ann).await;
    let expected = roles(&[("owner", &g.owner), ("admin", &g.ann), ("member", &g.ben)]);
    assert_eq!(g.ben.members(&g.chat).await, expected);
    g.ann
        .patch(&seat(&g.ben), json!({"role": "admin"}))
        .await
        .refused(403, "FORBIDDEN");
    g.owner.patch(&seat(&g.ann), json!({"role": "member"})).await.ok(200);
    let expected = roles(&[("owner", &g.owner), ("member", &g.ann), ("member", &g.ben)]);
    assert_eq!(g.ben.members(&g.chat).await, expected);
}

#[tokio::test]
async fn an_admin_removes_members_and_not_the_owner() {
    let g = group().await;
    let seat = |person: &Person| g.chat.path(&format!("/members/{}", person.id));
    g.owner.makes_admin(&g.chat, &g.ann).await;
    g.ann.delete(&seat(&g.owner)).await.refused(403, "FORBIDDEN");
    g.ann.removes(&g.chat, &g.ben).await;
    assert_eq!(
        g.owner.members(&g.chat).await,
        roles(&[("owner", &g.owner), ("admin", &g.ann)])
    );
}

#[tokio::test]
async fn an_admin_deletes_any_message() {
    let g = group().await;
    g.owner.makes_admin(&g.chat, &g.ann).await;
    for author in [&g.ben, &g.owner] {
        let sent = author.posts(&g.chat, "rude").await;
        g.ann.delete(&message_path(&g.chat, &sent)).await.ok(200);
    }
    assert!(
        g.ben
            .history(&g.chat)
            .await
            .iter()
            .all(|message| message["content"] != "rude")
    );
}

#[tokio::test]
async fn ownership_passes_to_an_admin_before_older_members() {
    let g = group().await;
    let carol = g.server.user("carol").await;
    g.owner.adds(&g.chat, &carol).await;
    g.owner.makes_admin(&g.chat, &carol).await;
    g.owner.leaves(&g.chat).await;
    let expected = roles(&[("owner", &carol), ("member", &g.ann), ("member", &g.ben)]);
    assert_eq!(carol.members(&g.chat).await, expected);
}

#[tokio::test]
async fn owner_and_admins_rename_a_group() {
    let g = group().await;
    let ben_tab = g.ben.connect().await;
    let before = g.owner.seq_of(&g.chat).await;
    g.ann
        .patch(&g.chat.path(""), json!({"name": "Coffee"}))
        .await
        .refused(403, "FORBIDDEN");
    let answer = g.owner.patch(&g.chat.path(""), json!({"name": "Coffee"})).await.ok(200);
    assert_has(&answer["conversation"], &json!({"id": g.chat.id, "name": "Coffee"}));
    let told = ben_tab.sees("conversation_updated", |_| true).await;
    assert_has(&told["conversation"], &json!({"id": g.chat.id, "name": "Coffee"}));
    assert_eq!(
        g.owner.seq_of(&g.chat).await,
        before + 1,
        "a settings change takes one seq"
    );
    g.owner.makes_admin(&g.chat, &g.ann).await;
    g.ann.patch(&g.chat.path(""), json!({"name": "Cocoa"})).await.ok(200);
    assert_eq!(g.ben.listed(&g.chat).await["name"], "Cocoa");
    for body in [
        json!({"name": ""}),
        json!({"name": 7}),
        json!({"name": "n".repeat(1000)}),
    ] {
        g.owner
            .patch(&g.chat.path(""), body)
            .await
            .refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn the_owner_deletes_a_group() {
    let g = group().await;
    let (ann_tab, ben_tab) = (g.ann.connect().await, g.ben.connect().await);
    g.owner.posts(&g.chat, "farewell").await;
    g.ann.delete(&g.chat.path("")).await.refused(403, "FORBIDDEN");
    g.owner.delete(&g.chat.path("")).await.ok(204);
    for tab in [&ann_tab, &ben_tab] {
        let told = tab.sees("conversation_removed", |_| true).await;
        assert_eq!(told, json!({"conversationId": g.chat.id, "reason": "deleted"}));
    }
    for person in [&g.owner, &g.ann] {
        is_gone_for(person, &g.chat).await;
        assert!(person.conversations().await.is_empty());
    }
    let data = json!({"conversationId": g.chat.id, "content": "anybody?"});
    refused(ann_tab.asks("send_message", data).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_direct_conversation_has_neither_a_name_nor_an_owner() {
    let (_server, alice, _bob, chat) = pair().await;
    alice.delete(&chat.path("")).await.refused(403, "FORBIDDEN");
    alice
        .patch(&chat.path(""), json!({"name": "us"}))
        .await
        .refused(403, "FORBIDDEN");
    assert_eq!(alice.members(&chat).await.len(), 2);
}
