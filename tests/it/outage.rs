//! A PostgreSQL server that goes away in every way that one can: what is asked meanwhile is answered in time, nothing
//! acknowledged is lost, nothing is there twice, and all goes on by itself. Each test has a server of its own.

use std::{sync::Arc, time::Instant};

use crate::{
    failures::sends_until_acknowledged,
    harness::*,
    postgres::{Cluster, Database},
    proxy::Proxy,
};

/// Everything a test needs: a server of Parlor on a database that is reached through a proxy.
struct Scene {
    // In this order they end.
    server: Server,
    alice: Person,
    bob: Person,
    chat: Chat,
    proxy: Proxy,
}

async fn scene(cluster: &Cluster, database: &Database<'_>) -> Scene {
    let proxy = Proxy::to(cluster.dir()).await;
    let server = Server::on_sqlite()
        .env("DATABASE_URL", &proxy.url(database.name()))
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    Scene {
        server,
        alice,
        bob,
        chat,
        proxy,
    }
}

/// Waits until `/readyz` answers so.
async fn is_ready(server: &Server, status: u16) {
    let start = Instant::now();
    while server.call("GET", "/readyz").send().await.status != status {
        assert!(start.elapsed() < DEADLINE, "/readyz did not become {status}");
    }
}

/// Sends once; when it is refused, that is in time, and the same is sent until it is taken.
async fn sends_in_spite(tab: &Tab, chat: &Chat, client_id: &str) {
    let asked = Instant::now();
    let first = tab.sends_as(chat, client_id, client_id).await;
    assert!(
        asked.elapsed() < ANSWERED_WITHIN,
        "answered after {:?}",
        asked.elapsed()
    );
    if let Err(error) = first {
        assert_eq!(error["code"], "UNAVAILABLE", "{error}");
        sends_until_acknowledged(tab, chat, client_id, client_id).await;
    }
}

/// All texts are there, once each, and came to both once each, in order.
async fn holds(scene: &Scene, tabs: [&Tab; 2], texts: &[&str]) {
    for tab in tabs {
        tab.sees_message(&scene.chat, texts.last().expect("something was said"))
            .await;
        tab.catches_up().await;
        assert_eq!(tab.live_seqs(&scene.chat), (1..=texts.len() as u64).collect::<Vec<_>>());
    }
    assert_eq!(scene.bob.texts(&scene.chat).await, texts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_database_is_found_again() {
    let cluster = Cluster::start("", &[]);
    let database = cluster.database();
    let scene = scene(&cluster, &database).await;
    let (alice, bob) = (scene.alice.connect().await, scene.bob.connect().await);
    alice.sends(&scene.chat, "one").await;
    for (order, text) in [("stop", "two"), ("crash", "three")] {
        cluster.order(order);
        is_ready(&scene.server, 503).await;
        let asked = Instant::now();
        refused(alice.sends_as(&scene.chat, text, text).await, "UNAVAILABLE");
        assert!(asked.elapsed() < ANSWERED_WITHIN);
        assert_eq!(scene.server.call("GET", "/healthz").send().await.status, 200);
        cluster.order("start");
        sends_until_acknowledged(&alice, &scene.chat, text, text).await;
        is_ready(&scene.server, 200).await;
    }
    holds(&scene, [&alice, &bob], &["one", "two", "three"]).await;
}

#[tokio::test]
async fn a_connection_cut_before_the_answer_gives_the_message_once() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let scene = scene(cluster, &database).await;
    let (alice, bob) = (scene.alice.connect().await, scene.bob.connect().await);
    alice.sends(&scene.chat, "zero").await;
    let mut texts = vec!["zero".to_owned()];
    for number in 1..=12 {
        // Whatever is asked next is carried out, and its answer is lost.
        scene.proxy.cut_at_the_next_answer();
        let text = format!("text {number}");
        sends_in_spite(&alice, &scene.chat, &text).await;
        texts.push(text);
    }
    assert!(scene.proxy.cuts() >= 10, "{} connections were cut", scene.proxy.cuts());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    holds(&scene, [&alice, &bob], &texts).await;
}

#[tokio::test]
async fn a_silent_network_is_answered_in_time() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let scene = scene(cluster, &database).await;
    let (alice, bob) = (scene.alice.connect().await, scene.bob.connect().await);
    alice.sends(&scene.chat, "one").await;
    scene.proxy.stalls();
    let asked = Instant::now();
    let reading = scene.bob.call("GET", "/api/conversations").send();
    let (sent, read) = tokio::join!(alice.sends_as(&scene.chat, "two", "two"), reading);
    refused(sent, "UNAVAILABLE");
    let words = &read.body["error"]["message"];
    assert_eq!(words, "the server cannot do this right now: try again");
    read.refused(503, "UNAVAILABLE");
    assert!(
        asked.elapsed() < ANSWERED_WITHIN,
        "answered after {:?}",
        asked.elapsed()
    );
    scene.proxy.flows();
    sends_until_acknowledged(&alice, &scene.chat, "two", "two").await;
    holds(&scene, [&alice, &bob], &["one", "two"]).await;
}

#[tokio::test]
async fn a_database_that_became_read_only_is_unavailable_and_then_goes_on() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let scene = scene(cluster, &database).await;
    let (alice, bob) = (scene.alice.connect().await, scene.bob.connect().await);
    alice.sends(&scene.chat, "one").await;
    let name = database.name();
    let others = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    cluster.runs(
        "postgres",
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    );
    cluster.runs("postgres", &others);
    refused(alice.sends_as(&scene.chat, "two", "two").await, "UNAVAILABLE");
    is_ready(&scene.server, 503).await;
    cluster.runs(
        "postgres",
        &format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
    );
    sends_until_acknowledged(&alice, &scene.chat, "two", "two").await;
    holds(&scene, [&alice, &bob], &["one", "two"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_takes_over() {
    let primary = Cluster::start("", &[]);
    let database = primary.database();
    let dir = primary.dir().to_str().expect("plain text").to_owned();
    let standby = Cluster::start("", &[("PRIMARY", &dir)]);
    // Nothing is acknowledged that the other host does not have.
    primary.runs("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.runs("postgres", "SELECT pg_reload_conf()");
    let host = |cluster: &Cluster| cluster.dir().to_str().expect("plain text").replace('/', "%2F");
    let url = format!(
        "postgres://parlor@{},{}/{}",
        host(&standby),
        host(&primary),
        database.name()
    );
    let server = Server::on_sqlite().env("DATABASE_URL", &url).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let (alice_tab, bob_tab) = (alice.connect().await, bob.connect().await);
    alice_tab.sends(&chat, "one").await;
    primary.order("crash");
    refused(alice_tab.sends_as(&chat, "two", "two").await, "UNAVAILABLE");
    standby.runs("postgres", "SELECT pg_promote()");
    sends_until_acknowledged(&alice_tab, &chat, "two", "two").await;
    bob_tab.sees_message(&chat, "two").await;
    assert_eq!(bob_tab.live_seqs(&chat), [1, 2]);
    assert_eq!(bob.texts(&chat).await, ["one", "two"]);
    // Its server is gone, and with it the database.
    std::mem::forget(database);
}

/// Waits until a query on a server gives this.
fn comes_to(cluster: &Cluster, database: &str, query: &str, wanted: &str) {
    let start = Instant::now();
    while cluster.runs(database, query) != [wanted] {
        assert!(start.elapsed() < DEADLINE, "{query} does not become {wanted}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_that_lacks_what_was_said_ends_the_server_and_its_epoch() {
    let primary = Cluster::start("", &[]);
    let database = primary.database();
    let dir = primary.dir().to_str().expect("plain text").to_owned();
    let standby = Cluster::start("", &[("PRIMARY", &dir)]);
    let host = |cluster: &Cluster| cluster.dir().to_str().expect("plain text").replace('/', "%2F");
    let name = database.name();
    let setup = Server::on_sqlite();
    let alone = format!("postgres://parlor@{}/{name}", host(&standby));
    let ended = setup.clone().env("DATABASE_URL", &alone).ends().await;
    ended.failed_naming(&[name, "read-only", "standby", "DATABASE_URL", "primary"]);
    let both = format!("postgres://parlor@{},{}/{name}", host(&standby), host(&primary));
    let mut server = setup.env("DATABASE_URL", &both).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let tab = alice.connect().await;
    tab.sends(&chat, "one").await;
    comes_to(&standby, name, "SELECT count(*) FROM messages", "1");
    standby.runs("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
    standby.runs("postgres", "SELECT pg_reload_conf()");
    comes_to(&standby, "postgres", "SELECT count(*) FROM pg_stat_wal_receiver", "0");
    tab.sends(&chat, "two").await;
    primary.order("crash");
    standby.runs("postgres", "SELECT pg_promote()");
    // Nobody may be told of another second message under the same position and epoch.
    let status = server.exit(DEADLINE).await;
    assert!(!status.success());
    let (_, log) = server.output();
    assert!(log.contains("lacks 1 changes") && log.contains("start again"), "{log}");
    server.restart().await;
    let again = alice.connect().await;
    assert_ne!(again.ready["epoch"], tab.ready["epoch"]);
    again.sends(&chat, "three").await;
    assert_eq!(bob.texts(&chat).await, ["one", "three"]);
    // Its server is gone, and with it the database.
    std::mem::forget(database);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_and_sends_nothing() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let scene = scene(cluster, &database).await;
    let (alice, bob) = (scene.alice.connect().await, scene.bob.connect().await);
    alice.sends(&scene.chat, "one").await;
    database.runs(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; \
         CREATE TRIGGER dawdles BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION dawdle()",
    );
    let asked = Instant::now();
    refused(alice.sends_as(&scene.chat, "two", "two").await, "UNAVAILABLE");
    assert!(
        asked.elapsed() < ANSWERED_WITHIN,
        "answered after {:?}",
        asked.elapsed()
    );
    assert_eq!(scene.bob.texts(&scene.chat).await, ["one"], "reading goes on");
    database.runs("DROP TRIGGER dawdles ON messages");
    sends_until_acknowledged(&alice, &scene.chat, "two", "two").await;
    holds(&scene, [&alice, &bob], &["one", "two"]).await;
}

#[tokio::test]
async fn when_every_connection_is_busy_everybody_is_answered_in_time() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let server = Server::on_sqlite()
        .env("DATABASE_URL", &database.url())
        .set("database_connections", 1)
        .start()
        .await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let tab = alice.connect().await;
    tab.sends(&chat, "one").await;
    let held = Session::open(database.url());
    let mut held = Store::Postgres(held);
    held.runs("BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE");
    let asked = Instant::now();
    let messages = chat.path("/messages");
    let reads = (0..8).map(|_| bob.call("GET", &messages).send());
    let sends = async { (tab.sends_as(&chat, "two", "two").await, asked.elapsed()) };
    let (answers, (sent, took)) = tokio::join!(futures_util::future::join_all(reads), sends);
    refused(sent, "UNAVAILABLE");
    assert!(took < ANSWERED_WITHIN, "answered after {took:?}");
    for answer in answers {
        assert!(answer.took < ANSWERED_WITHIN, "answered after {:?}", answer.took);
        answer.refused(503, "UNAVAILABLE");
    }
    held.unlocks();
    sends_until_acknowledged(&tab, &chat, "two", "two").await;
    is_ready(&server, 200).await;
    assert_eq!(bob.texts(&chat).await, ["one", "two"]);
}

#[tokio::test]
async fn a_server_without_connections_to_spare_is_found_when_it_has_some() {
    const PLACES: usize = 12;
    let options = format!("-c max_connections={PLACES} -c superuser_reserved_connections=0 -c max_wal_senders=0");
    let cluster = Cluster::start(&options, &[]);
    let database = cluster.database();
    let setup = Server::on_sqlite().env("DATABASE_URL", &database.url());
    let server = setup.clone().start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    let tab = alice.connect().await;
    tab.sends(&chat, "one").await;
    // Others take every place as it becomes free.
    let mut others = Vec::new();
    while let Some(session) = Session::try_open(database.url()) {
        others.push(session);
    }
    let ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'parlor'";
    let mut first = Store::Postgres(others.remove(0));
    let start = Instant::now();
    while 1 + others.len() < PLACES {
        assert!(start.elapsed() < DEADLINE, "only {} places became free", others.len());
        match Session::try_open(database.url()) {
            Some(session) => others.push(session),
            // It has not ended yet, or was faster in taking it again.
            None => first.runs(ours),
        }
    }
    is_ready(&server, 503).await;
    let asked = Instant::now();
    refused(tab.sends_as(&chat, "two", "two").await, "UNAVAILABLE");
    assert!(asked.elapsed() < ANSWERED_WITHIN);
    setup
        .ends()
        .await
        .failed_naming(&["too many clients", "max_connections"]);
    drop((first, others));
    sends_until_acknowledged(&tab, &chat, "two", "two").await;
    is_ready(&server, 200).await;
    assert_eq!(bob.texts(&chat).await, ["one", "two"]);
}

#[tokio::test]
async fn a_password_is_needed_and_never_shown() {
    let access = "local all all trust\nhost all all all scram-sha-256";
    let cluster = Cluster::start_on_tcp("", &[("HBA", access)]);
    let socket = cluster.on_its_socket("postgres");
    crate::postgres::asks(&socket, "CREATE ROLE op LOGIN PASSWORD 'hid/den'");
    crate::postgres::asks(
        &socket,
        "CREATE DATABASE chat OWNER op TEMPLATE template0 ENCODING 'UTF8'",
    );
    let url = |user: &str| cluster.url("chat").replace("parlor@", user);
    let setup = |user: &str| {
        Server::on_sqlite()
            .env("DATABASE_URL", &url(user))
            .env("RUST_LOG", "trace")
    };
    for (user, says) in [
        ("op:hidden-%2F@", "authentication failed"),
        ("op@", "password missing"),
        ("hidden:hidden@", "authentication failed"),
    ] {
        let ended = setup(user)
            .ends()
            .await
            .failed_naming(&["chat at 127.0.0.1", says, "DATABASE_URL"]);
        assert!(!format!("{ended:?}").contains(":hidden"), "{ended:?}");
    }
    let server = setup("op:hid%2Fden@").start().await;
    let place = server.place();
    let env = [("DATABASE_URL", url("op:hid%2Fden@")), ("RUST_LOG", "trace".to_owned())];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let file = place.root().join("out.jsonl");
    let file = file.to_str().expect("plain text");
    for command in [
        &["verify"][..],
        &["migrate"],
        &["export", file],
        &["user", "admin", "nobody"],
    ] {
        let ended = place.bare(command, &env).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            !said.contains("hid%2Fden") && !said.contains("hid/den"),
            "{command:?}: {said}"
        );
    }
    server.user("alice").await;
    let (out, log) = server.output();
    for said in [out, log] {
        assert!(!said.contains("hid%2Fden") && !said.contains("hid/den"));
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    // No file above 20 MiB: the write-ahead log's have 16. Autovacuum would make room of what did not fit in any more.
    let cluster = Cluster::start("-c autovacuum=off", &[("FILE_MAX", "40960")]);
    let database = cluster.database();
    let scene = scene(&cluster, &database).await;
    let (alice, bob) = (scene.alice.connect().await, scene.bob.connect().await);
    alice.sends(&scene.chat, "one").await;
    // Until nothing fits in any more.
    database.runs(
        "DO $$ DECLARE next BIGINT := 9000000000000; size BIGINT := 1024; BEGIN WHILE size > 0 LOOP BEGIN \
         INSERT INTO messages (position, change_position, id, kind, sender_key, content, created_at) \
         SELECT next + n, next + n, gen_random_uuid(), 0, 1, repeat('x', 900), 0 FROM generate_series(1, size) AS n; \
         next := next + size; EXCEPTION WHEN OTHERS THEN size := size / 2; END; END LOOP; END $$",
    );
    let long = "y".repeat(1500);
    refused(alice.sends_as(&scene.chat, "two", &long).await, "UNAVAILABLE");
    assert_eq!(scene.bob.texts(&scene.chat).await, ["one"], "reading goes on");
    database.runs("DELETE FROM messages WHERE position > 9000000000000");
    let start = Instant::now();
    loop {
        // What somebody's snapshot still shows is room only when that is over.
        database.runs("VACUUM messages");
        match alice.sends_as(&scene.chat, "two", &long).await {
            Ok(_) => break,
            Err(error) => assert!(start.elapsed() < DEADLINE, "still no room: {error}"),
        }
    }
    holds(&scene, [&alice, &bob], &["one", &long]).await;
}

#[tokio::test]
async fn a_database_that_forgets_is_warned_of() {
    let cluster = Cluster::start("-c fsync=off -c synchronous_commit=off", &[]);
    let database = cluster.database();
    let server = Server::on_sqlite().env("DATABASE_URL", &database.url()).start().await;
    let (_, log) = server.output();
    for doubt in ["fsync=off", "synchronous_commit=off"] {
        assert!(log.contains(doubt), "{log}");
    }
}

#[tokio::test]
async fn servers_that_start_at_once_share_an_empty_database() {
    let cluster = Cluster::shared();
    let database = cluster.empty();
    let url = database.url();
    let setup = || Server::on_sqlite().env("DATABASE_URL", &url);
    setup()
        .flag("--migrate", "off")
        .ends()
        .await
        .failed_naming(&["parlor migrate"]);
    let (one, other) = tokio::join!(setup().start(), setup().start());
    let (alice, bob) = (one.user("alice").await, one.user("bob").await);
    let chat = alice.direct_with(&bob).await;
    alice.posts(&chat, "hello").await;
    let place: Arc<Place> = other.place().clone();
    assert_eq!(
        database.runs("SELECT count(*) FROM messages"),
        ["1"],
        "both are on the same database, and not on a file in {}",
        place.root().display()
    );
    let mut third = setup().start().await;
    third.stop().await;
    let (_, log) = third.output();
    assert!(log.contains("another server"), "{log}");
    database.runs("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    setup().ends().await.failed_naming(&["newer", "9999"]);
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_a_clear_error() {
    let nowhere = "postgres://parlor:hidden@127.0.0.1:1/x?connect_timeout=1";
    let ended = Server::on_sqlite().env("DATABASE_URL", nowhere).ends().await;
    let ended = ended.failed_naming(&["database"]);
    assert!(!format!("{ended:?}").contains("hidden"));
    let nobodys = Cluster::shared().url("nobodys");
    let ended = Server::on_sqlite().env("DATABASE_URL", &nobodys).ends().await;
    ended.failed_naming(&["nobodys", "does not exist"]);
}

#[tokio::test]
async fn tls_is_checked_as_the_url_asks() {
    let variables = [
        ("KEY", include_str!("fixtures/tls.key.pem")),
        ("CERTIFICATE", include_str!("fixtures/tls.crt.pem")),
    ];
    let cluster = Cluster::start_on_tcp("-c ssl=on", &variables);
    let database = cluster.database();
    let place = Place::on_sqlite();
    let root = place.write("root.pem", include_str!("fixtures/tls.crt.pem"));
    let root = root.display();
    let url = |host: &str, options: &str| {
        let url = database.url().replace("127.0.0.1", host);
        format!("{url}?{options}")
    };
    // The certificate is for localhost, signed by itself.
    for options in [
        "sslmode=require".to_owned(),
        format!("sslmode=verify-ca&sslrootcert={root}"),
        format!("sslmode=verify-full&sslrootcert={root}"),
    ] {
        let setup = Server::on_sqlite().env("DATABASE_URL", &url("localhost", &options));
        let server = setup.start().await;
        server.user("alice").await;
        let encrypted = database.runs(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'parlor' \
             AND datname = current_database()",
        );
        assert_eq!(encrypted, ["t"], "{options}");
    }
    for (host, options) in [
        ("localhost", "sslmode=verify-full".to_owned()),
        ("localhost", "sslmode=verify-ca".to_owned()),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={root}")),
    ] {
        let setup = Server::on_sqlite().env("DATABASE_URL", &url(host, &options));
        setup.ends().await.failed_naming(&["certificate"]);
    }
}
