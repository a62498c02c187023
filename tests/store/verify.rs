//! `verify` finds nothing in a store that was only used, and each kind of damage that is planted in one.

use diesel::connection::SimpleConnection;
use parlor::{
    db::{
        Outcome,
        sqlite::{OpenError, verify::verify},
    },
    domain::Seq,
};
use tempfile::TempDir;

use crate::{
    failures::raw,
    world::{World, named, shows, words},
};

/// A closed store with a bit of everything: conversation 1 is a group with changes 1 to 6 (4 deletes 2), 2 is direct, 3 is
/// deleted, 4 is a channel, 5 a room, 6 has a picture.
/// In 7, message 1 by user 1 mentions user 2 and was edited by 2; 3 to 5 are reactions to it, of which 4 took one back.
async fn used() -> std::sync::Arc<TempDir> {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let room = world.group(&ann, &[&bob]).await;
    world.does(&room, world.send(&ann, named("one", "c-1"))).await.unwrap();
    let (id, _) = world.says(&room, &bob, "two").await;
    world.says(&room, &ann, "three").await;
    world.does(&room, world.delete(&bob, id, false)).await.unwrap();
    world.does(&room, world.add(&ann, &cem)).await.unwrap();
    let head = world
        .append(&room, vec![world.send(&cem, words("six")), world.read(&ann, 3)])
        .await
        .head;
    assert_eq!(head, Seq(6));
    world
        .store
        .find_or_create_direct(ann.key, bob.key, world.new_id(), world.now())
        .await
        .unwrap();
    let alone = world.group(&cem, &[]).await;
    world.does(&alone, world.remove(&cem, &cem, None)).await.unwrap();
    let channel = world.makes(world.channel_of(&ann, "Tea Room")).await;
    let hideout = world.makes(world.room_of(&bob, &[&ann])).await;
    let keys = [room, alone, channel, hideout].map(|made| made.key.0);
    assert_eq!(keys, [1, 3, 4, 5]);
    // 6 is bob's, with a picture of his; one of ann's was never posted.
    let pictures = world.group(&bob, &[&ann]).await;
    let name = world.uploads(&bob).await;
    world.does(&pictures, world.send(&bob, shows(&name))).await.unwrap();
    world.uploads(&ann).await;
    let lively = world.group(&ann, &[&bob]).await;
    let first = world.calls(&ann, words("hi"), &[&bob]);
    let Ok(Outcome::Sent { id, .. }) = world.does(&lively, first).await else {
        panic!("not sent")
    };
    let ops = vec![
        world.edit(&ann, id, "ho", &[&bob, &ann]),
        world.react(&bob, id, "heart", true),
        world.react(&bob, id, "heart", false),
        world.react(&ann, id, "fire", true),
        world.read(&ann, 5),
    ];
    assert_eq!((world.append(&lively, ops).await.head, lively.key.0), (Seq(5), 7));
    let endpoint = "https://product.example/hooks";
    world.store.webhook_endpoint(endpoint, world.now()).await.unwrap();
    world.close()
}

#[tokio::test]
async fn a_store_that_was_used_is_clean() {
    let dir = used().await;
    let mut lines = Vec::new();
    let report = verify(&dir.path().join("parlor.sqlite3"), &mut |line| lines.push(line)).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert!(report.is_clean() && report.more == 0);
    assert_eq!((report.users, report.conversations, report.members), (3, 7, 12));
    assert_eq!((report.messages, report.changes), (8, 5));
    assert_eq!(lines[0], "7 conversations, 8 messages");
}

#[tokio::test]
async fn a_running_store_can_be_verified() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    world.says(&room, &ann, "hi").await;
    assert!(verify(&world.path(), &mut |_| {}).unwrap().is_clean());
}

#[test]
fn what_is_no_store_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none");
    assert!(matches!(verify(&path, &mut |_| {}), Err(OpenError::Io { .. })));
    assert!(!path.exists());
    raw(&path).batch_execute("CREATE TABLE other (a)").unwrap();
    assert!(matches!(
        verify(&path, &mut |_| {}),
        Err(OpenError::Database(_) | OpenError::Pending(_))
    ));
}

/// What is done to the file, and a finding that must come of it.
const DAMAGE: &[(&str, &str)] = &[
    (
        "UPDATE webhook_cursors SET seq = 7 WHERE conversation_key = 1",
        "endpoint 1 was told of conversation 1 up to 7, but it ends at 6",
    ),
    (
        "DELETE FROM webhook_endpoints",
        "conversation 2 was told to endpoint 1, which is missing",
    ),
    (
        "DELETE FROM messages WHERE position = (1 << 32) + 3",
        "conversation 1 lacks seq 3",
    ),
    (
        "DELETE FROM messages WHERE position IN ((1 << 32) + 3, (1 << 32) + 2)",
        "conversation 1 lacks seq 2 to 3",
    ),
    (
        "DELETE FROM messages WHERE position = (1 << 32) + 6",
        "conversation 1 ends at 5, but its counter says 6",
    ),
    (
        "DELETE FROM messages WHERE position >> 32 = 3",
        "conversation 3 should end at 1 with message 1, but has no changes",
    ),
    (
        "INSERT INTO changes SELECT position, position, id, 0, 1, 1 FROM messages WHERE position = (1 << 32) + 3",
        "conversation 1 has seq 3 twice",
    ),
    (
        "UPDATE messages SET position = 1 << 32, change_position = 1 << 32 WHERE position = (1 << 32) + 1",
        "conversation 1 has something at seq 0",
    ),
    (
        "UPDATE heads SET expired_seq = 1 WHERE conversation_key = 1",
        "conversation 1 has seq 1, which retention removed",
    ),
    (
        "UPDATE heads SET expired_seq = 9 WHERE conversation_key = 1",
        "conversation 1 is gone up to 9, but it ends at 6",
    ),
    (
        "INSERT OR REPLACE INTO search_progress VALUES (1, 6, 0);
         INSERT INTO message_index (message_index) VALUES ('delete-all')",
        "message 1 of conversation 1 is missing in the search index",
    ),
    (
        "INSERT OR REPLACE INTO search_progress VALUES (1, 6, 0);
         INSERT INTO message_index (message_index) VALUES ('delete-all');
         INSERT INTO message_index (rowid, content, sender) VALUES ((1 << 32) + 2, 'two', '')",
        "the search index has message 2 of conversation 1, which is not there to be found",
    ),
    (
        "INSERT OR REPLACE INTO search_progress VALUES (1, 7, 0)",
        "the search index of conversation 1 is ahead of its counter",
    ),
    (
        "INSERT INTO mentions VALUES (1, (1 << 32) + 4)",
        "a mention stands at 4 of conversation 1, where no message is",
    ),
    (
        "INSERT INTO reactions VALUES ((1 << 32) + 4, 'heart', 1, 0, 0)",
        "a reaction belongs to message 4 of conversation 1, which is missing",
    ),
    (
        "INSERT INTO message_versions VALUES ((1 << 32) + 4, 0, 'x', 0)",
        "a former version belongs to message 4 of conversation 1, which is missing",
    ),
    (
        "UPDATE heads SET seq = 9 WHERE conversation_key = 1",
        "conversation 1 ends at 6, but its counter says 9",
    ),
    (
        "UPDATE heads SET last_message_seq = 5 WHERE conversation_key = 1",
        "the newest message of conversation 1 is 6, but its counter says 5",
    ),
    (
        "UPDATE heads SET seq = 4 WHERE conversation_key = 2",
        "conversation 2 should end at 4 with message 0, but has no changes",
    ),
    (
        "DELETE FROM heads WHERE conversation_key = 1",
        "conversation 1 has no counter row",
    ),
    (
        "DELETE FROM heads WHERE conversation_key = 1",
        "6 changes belong to conversation 1, which has no counter row",
    ),
    (
        "DELETE FROM conversations WHERE key = 1",
        "the counter row 1 has no conversation",
    ),
    (
        "DELETE FROM conversations WHERE key = 1",
        "user 1 is a member of conversation 1, which is missing",
    ),
    (
        "UPDATE conversations SET deleted_at = NULL WHERE key = 3",
        "conversation 3 and its counter row differ on whether it is deleted",
    ),
    (
        "DELETE FROM users WHERE key = 2",
        "user 2, a member of conversation 1, is missing",
    ),
    (
        "DELETE FROM users WHERE key = 2",
        "the sender of message 2 of conversation 1 is missing",
    ),
    (
        "DELETE FROM users WHERE key = 2",
        "who deleted message 2 of conversation 1 is missing",
    ),
    (
        "UPDATE heads SET member_count = 7 WHERE conversation_key = 1",
        "conversation 1 counts 7 members, but has 3",
    ),
    (
        "UPDATE members SET last_read_seq = 7 WHERE conversation_key = 1 AND user_key = 1",
        "user 1 has read conversation 1 up to 7, but it ends at 6",
    ),
    (
        "DELETE FROM members WHERE conversation_key = 2 AND user_key = 1",
        "the direct conversation 2 is not between the two users of its pair",
    ),
    (
        "UPDATE members SET user_key = 3 WHERE conversation_key = 2 AND user_key = 1",
        "the direct conversation 2 is not between the two users of its pair",
    ),
    (
        "UPDATE messages SET client_id = 'c-1', sender_key = 1, client_hash =
         (SELECT client_hash FROM messages WHERE position = (1 << 32) + 1) WHERE position = (1 << 32) + 3",
        "messages 1 and 3 of conversation 1 have the same sender and client id",
    ),
    (
        "UPDATE messages SET client_hash = 5 WHERE position = (1 << 32) + 1",
        "the hash of the client id of message 1 of conversation 1 is wrong",
    ),
    (
        "UPDATE messages SET client_hash = NULL WHERE position = (1 << 32) + 1",
        "the hash of the client id of message 1 of conversation 1 is wrong",
    ),
    (
        "UPDATE messages SET id = (SELECT id FROM messages WHERE position = (1 << 32) + 1) WHERE position = (1 << 32) + 3",
        "the id of message 3 of conversation 1 carries another seq",
    ),
    (
        "UPDATE messages SET id = x'00' WHERE position = (1 << 32) + 3",
        "the id of message 3 of conversation 1 is no UUID",
    ),
    (
        "UPDATE messages SET change_position = (1 << 32) + 5 WHERE position = (1 << 32) + 3",
        "message 3 of conversation 1 says that its last change is 5, but that is 3",
    ),
    (
        "UPDATE messages SET change_position = position WHERE position = (1 << 32) + 2",
        "message 2 of conversation 1 says that its last change is 2, but that is 4",
    ),
    (
        "UPDATE changes SET message_position = 77 WHERE kind = 0",
        "change 4 of conversation 1 belongs to a message that is missing",
    ),
    (
        "UPDATE messages SET deleted_at = NULL WHERE position = (1 << 32) + 2",
        "change 4 of conversation 1 deletes a message that is not deleted",
    ),
    (
        "UPDATE members SET role = 2 WHERE conversation_key = 1 AND user_key = 2",
        "conversation 1 has no owner, or several",
    ),
    (
        "UPDATE members SET role = 1 WHERE conversation_key = 5 AND user_key = 2",
        "conversation 5 has no owner, or several",
    ),
    (
        "UPDATE conversations SET name = NULL WHERE key = 5",
        "conversation 5 has no name",
    ),
    (
        "UPDATE conversations SET slug = 'friends' WHERE key = 1",
        "conversation 1 has a slug, but is no channel",
    ),
    (
        "UPDATE conversations SET slug = 'teatime' WHERE key = 4",
        "the slug of channel 4 is not that of its name",
    ),
    (
        "UPDATE conversations SET slug = NULL WHERE key = 4",
        "the slug of channel 4 is not that of its name",
    ),
    (
        "UPDATE conversations SET invite_code = NULL",
        "room 5 has no invite code",
    ),
    (
        "UPDATE conversations SET invite_code = 'X' WHERE key = 3",
        "conversation 3 is deleted, but still holds its slug or invite code",
    ),
    (
        "UPDATE conversations SET max_members = 2 WHERE key = 2",
        "the direct conversation 2 has a name, a policy, a password or an invite code",
    ),
    (
        "WITH RECURSIVE n(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM n WHERE n < 29)
         INSERT INTO conversations (key, id, kind, created_by, created_at) SELECT n, randomblob(16), 3, 1, 1 FROM n;
         INSERT INTO members (conversation_key, user_key, role, joined_at, last_read_seq)
         SELECT key, 1, 0, 1, 0 FROM conversations WHERE key >= 10",
        "user 1 is in 21 rooms",
    ),
    (
        "UPDATE upload_uses SET position = (1 << 32) + 1",
        "message 1 of conversation 1 is noted to show an upload that it does not show",
    ),
    (
        "UPDATE upload_uses SET position = (1 << 32) + 1",
        "message 1 of conversation 6 shows an upload that does not know of it",
    ),
    (
        "DELETE FROM messages WHERE position >> 32 = 6",
        "message 1 of conversation 6 is noted to show an upload that it does not show",
    ),
    (
        "DELETE FROM uploads WHERE sweep_at IS NULL",
        "message 1 of conversation 6 shows an upload that is missing",
    ),
    (
        "UPDATE uploads SET user_key = 1",
        "message 1 of conversation 6 shows an upload of somebody else",
    ),
    (
        "UPDATE uploads SET sweep_at = 1",
        "an upload of user 2 that a message shows is to be swept",
    ),
    (
        "UPDATE uploads SET sweep_at = NULL",
        "an upload of user 1 that no message shows is never swept",
    ),
    (
        "UPDATE members SET last_read_seq = 4 WHERE conversation_key = 7 AND user_key = 1",
        "user 1 has read conversation 7 up to 4, but their last mark says 5",
    ),
    (
        "DELETE FROM read_marks",
        "user 3 has read conversation 1 up to 4, but their last mark says 0",
    ),
    (
        "DELETE FROM members WHERE conversation_key = 7 AND user_key = 1",
        "user 1 has read marks in conversation 7, but is no member",
    ),
    (
        "INSERT INTO mentions VALUES (1, (7 << 32) + 1)",
        "user 1 is counted as mentioned in message 1 of conversation 7, but is not",
    ),
    (
        "INSERT INTO mentions VALUES (1, (1 << 32) + 2)",
        "user 1 is counted as mentioned in message 2 of conversation 1, but is not",
    ),
    (
        "DELETE FROM mentions",
        "user 2 is mentioned in message 1 of conversation 7, but not counted",
    ),
    (
        "UPDATE messages SET mentions = '[' WHERE mentions IS NOT NULL",
        "the mentions of message 1 of conversation 7 cannot be read",
    ),
    (
        "UPDATE messages SET deleted_at = 1, deleted_by = 1 WHERE position = (7 << 32) + 1",
        "message 1 of conversation 7 has reactions, but is missing, deleted or the system's",
    ),
    (
        "UPDATE reactions SET user_key = 99",
        "who reacted to message 1 of conversation 7 is missing",
    ),
    (
        "UPDATE reactions SET position = position - 3",
        "a reaction to message 1 of conversation 7 came by no change",
    ),
    (
        "UPDATE reactions SET first_position = first_position + 1",
        "the reactions to message 1 of conversation 7 with one emoji have no one place",
    ),
    (
        "DELETE FROM message_versions",
        "edit 2 of conversation 7 kept no version",
    ),
    (
        "UPDATE message_versions SET change_position = change_position + 1",
        "a version of message 1 of conversation 7 belongs to no edit",
    ),
    (
        "UPDATE messages SET edited_at = NULL",
        "message 1 of conversation 7 and its versions differ on whether it was edited",
    ),
    ("DELETE FROM meta", "the store has no epoch"),
];

#[tokio::test]
async fn every_kind_of_damage_is_found() {
    let dir = used().await;
    let whole = std::fs::read(dir.path().join("parlor.sqlite3")).unwrap();
    for (n, (damage, due)) in DAMAGE.iter().enumerate() {
        let path = dir.path().join(format!("damaged-{n}"));
        std::fs::write(&path, &whole).unwrap();
        raw(&path).batch_execute(damage).unwrap();
        let report = verify(&path, &mut |_| {}).unwrap();
        assert!(
            report.findings.iter().any(|found| found == due),
            "{damage}: {due}: {:?}",
            report.findings
        );
    }
}

#[tokio::test]
async fn a_torn_page_is_found() {
    let dir = used().await;
    let path = dir.path().join("parlor.sqlite3");
    let mut bytes = std::fs::read(&path).unwrap();
    // Every page but the first two: the schema must be there for anything to be said.
    for page in bytes.chunks_mut(4096).skip(8).step_by(2) {
        page[..64].fill(0xff);
    }
    std::fs::write(&path, bytes).unwrap();
    match verify(&path, &mut |_| {}) {
        Ok(report) => assert!(!report.is_clean()),
        Err(error) => assert!(matches!(error, OpenError::Database(_)), "{error}"),
    }
}

#[tokio::test]
async fn findings_are_bounded() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    world
        .append(
            &room,
            (0..500).map(|n| world.send(&ann, words(&format!("{n}")))).collect(),
        )
        .await;
    let path = world.path();
    let _dir = world.close();
    raw(&path)
        .batch_execute("DELETE FROM messages WHERE position % 2 = 0")
        .unwrap();
    let report = verify(&path, &mut |_| {}).unwrap();
    assert_eq!(report.findings.len(), parlor::db::sqlite::verify::FINDINGS_MAX);
    assert!(report.more > 100);
}
