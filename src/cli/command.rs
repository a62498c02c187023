//! What can be typed: the commands, their arguments, their help. Parses only; `cli` runs them.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use super::flags;

const STORE_SETTINGS: Option<&[&str]> = Some(&["data_dir", "database_url"]);
const TOKEN_SETTINGS: Option<&[&str]> = Some(&["data_dir", "jwt_secret", "jwt_issuer", "jwt_audience"]);

const EXAMPLES: &str = "\
Examples:
  parlor                                  serve on http://127.0.0.1:8080, data in ./data
  parlor --listen 0.0.0.0:80              serve everybody
  parlor token alice --name Alice         a token for the user alice, to try things with
  parlor user create alice --admin        a user who logs in with a password
  parlor config > parlor.toml             all settings, to change some

Environment:
  Every setting has a variable (parlor serve --help). PARLOR_CONFIG names the file of settings,
  PARLOR_LOG (or RUST_LOG) filters the log: PARLOR_LOG=warn,parlor::auth=debug

Exit codes:
  0 done · 1 failed · 2 wrong command line or settings (parlor verify: cannot tell)";

/// The whole command line.
pub(super) fn command() -> Command {
    let root = Command::new("parlor")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A self-hosted messaging engine: chat that never loses, doubles or reorders a message")
        .after_help(EXAMPLES)
        .subcommand(serve())
        .subcommand(token())
        .subcommand(user())
        .subcommand(migrate())
        .subcommand(verify())
        .subcommand(export())
        .subcommand(import())
        .subcommand(backup())
        .subcommand(config())
        .subcommand(webhook_secret());
    #[cfg(feature = "conformance")]
    let root = root.subcommand(super::conformance::command());
    // Shown with serve; the help of the root is about the commands.
    flags::add(root, Some(&["listen", "data_dir"]))
}

fn serve() -> Command {
    let serve = Command::new("serve")
        .about("Runs the server (the default)")
        .long_about("Runs the server until SIGINT or SIGTERM. It says on stdout where it listens.")
        .after_help(
            "Examples:\n  parlor serve --listen 0.0.0.0:8080 --registration closed\n  \
             PARLOR_JWKS=https://login.example/jwks.json PARLOR_JWT_AUDIENCE=chat parlor serve",
        );
    flags::add(serve, None)
}

fn token() -> Command {
    let token = Command::new("token")
        .about("Makes a token for a user and prints it")
        .long_about(
            "Makes a token (a JWT) for a user and prints it, and nothing else, to stdout. It is signed with the secret that the \
             server uses, which is made if there is none yet. A user who registered here is meant by their name; anybody \
             else by their id, and is recorded when the token is used first.",
        )
        .arg(Arg::new("user").value_name("USER").required(true).help("Whose: a user's id or name"))
        .arg(Arg::new("name").long("name").value_name("NAME").help("What the user is called (claim name)"))
        .arg(
            Arg::new("display-name")
                .long("display-name")
                .value_name("TEXT")
                .help("What others see (claim displayName)"),
        )
        .arg(admin("The token makes an admin (claim role)"))
        .arg(
            Arg::new("ttl")
                .long("ttl")
                .value_name("TIME")
                .help("How long it lives: 90s, 15m, 1h, 30d [default: token_ttl_seconds]"),
        )
        .after_help(
            "Examples:\n  parlor token alice --name alice --display-name Alice\n  parlor token ops --admin --ttl 10m\n  \
             curl -H \"Authorization: Bearer $(parlor token alice)\" http://127.0.0.1:8080/api/me",
        );
    flags::add(token, TOKEN_SETTINGS)
}

fn user() -> Command {
    let password_stdin = || {
        Arg::new("password-stdin")
            .long("password-stdin")
            .action(ArgAction::SetTrue)
            .help("Read the password from the first line of stdin, without asking")
    };
    let name = || {
        Arg::new("name")
            .value_name("NAME")
            .required(true)
            .help("The name to log in with")
    };
    let create = Command::new("create")
        .about("Makes a user who logs in with a password")
        .arg(name())
        .arg(
            Arg::new("display-name")
                .long("display-name")
                .value_name("TEXT")
                .help("What others see [default: the name]"),
        )
        .arg(admin("Make them an admin"))
        .arg(password_stdin())
        .after_help("Examples:\n  parlor user create alice --display-name Alice\n  parlor user create ops --admin --password-stdin < password.txt");
    let password = Command::new("password")
        .about("Sets a user's password")
        .arg(name())
        .arg(password_stdin())
        .after_help("Example:\n  parlor user password alice");
    let make_admin = Command::new("admin")
        .about("Makes a user an admin, or takes it away")
        .arg(
            Arg::new("name")
                .value_name("NAME|ID")
                .required(true)
                .help("Who: a login name or a user's id"),
        )
        .arg(
            Arg::new("revoke")
                .long("revoke")
                .action(ArgAction::SetTrue)
                .help("Take it away"),
        )
        .after_help("Examples:\n  parlor user admin alice\n  parlor user admin alice --revoke");
    let user = Command::new("user")
        .about("Makes users, sets their passwords, makes them admins")
        .long_about("Makes users, sets their passwords, makes them admins. The server may run meanwhile.")
        .subcommand_required(true)
        .subcommand(flags::add(create, STORE_SETTINGS))
        .subcommand(flags::add(password, STORE_SETTINGS))
        .subcommand(flags::add(make_admin, STORE_SETTINGS));
    flags::add(user, Some(&[]))
}

fn migrate() -> Command {
    let migrate = Command::new("migrate")
        .about("Brings the database's schema up to date")
        .long_about("Brings the database's schema up to date, as the server does when it starts.")
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Only print what would be applied"),
        )
        .after_help("Example:\n  parlor migrate --dry-run");
    flags::add(migrate, STORE_SETTINGS)
}

fn verify() -> Command {
    let verify = Command::new("verify")
        .about("Checks that the database holds what it must")
        .long_about(
            format!(
                "Checks that the database holds what it must: {}. Findings go to stdout, one a line, progress to stderr. It \
                 changes nothing; the server may run meanwhile.",
                crate::db::looked_at().collect::<Vec<_>>().join(", ")
            ),
        )
        .after_help("Exit codes:\n  0 sound · 1 damaged · 2 cannot tell\n\nExample:\n  parlor verify > findings.txt");
    flags::add(verify, STORE_SETTINGS)
}

fn export() -> Command {
    let export = Command::new("export")
        .about("Writes everything the database holds to a file")
        .long_about(
            "Writes everything the database holds, as it is at one moment, as lines of text with a checksum: to move between \
             SQLite and PostgreSQL. The server may run meanwhile; clients begin anew after an import then, so stop it first to \
             move house. Uploaded pictures stay where they are: copy the folder.",
        )
        .arg(file("Where to; - is stdout").default_value("-"))
        .after_help(
            "Example:\n  parlor export parlor.jsonl\n  \
             DATABASE_URL=postgres://parlor@db/parlor parlor import parlor.jsonl",
        );
    flags::add(export, STORE_SETTINGS)
}

fn import() -> Command {
    let epoch =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let import = Command::new("import")
        .about("Puts an export into an empty database")
        .long_about(
            "Puts what parlor export wrote into an empty database: all of it or, when the file is damaged, nothing. Users, \
             conversations and messages keep their ids and positions.",
        )
        .arg(file("Where from; - is stdin").required(true))
        .arg(epoch("keep-epoch", "Clients go on from what they have, whatever the export says").conflicts_with("new-epoch"))
        .arg(epoch("new-epoch", "Clients begin anew: after the export, something was said that is lost"))
        .after_help("Example:\n  DATABASE_URL=postgres://parlor@db/parlor parlor import parlor.jsonl");
    flags::add(import, STORE_SETTINGS)
}

fn backup() -> Command {
    let backup = Command::new("backup")
        .about("Copies the SQLite file while the server runs")
        .long_about(
            "Copies the SQLite file as it is at one moment; the server may run meanwhile. To restore it, stop the server and put \
             the copy where the file was, or start one elsewhere on it: what was said after the copy is lost, so clients begin \
             anew. Uploaded pictures are not in it: copy the folder as well.",
        )
        .arg(file("Where to; must not be there").required(true))
        .after_help("Example:\n  parlor backup /backups/parlor-$(date +%F).sqlite3");
    flags::add(backup, STORE_SETTINGS)
}

fn file(help: &'static str) -> Arg {
    Arg::new("file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn config() -> Command {
    let config = Command::new("config")
        .about("Prints all settings, explained, at their defaults")
        .long_about("Prints a parlor.toml with every setting explained and commented out at its default.")
        .after_help("Example:\n  parlor config > parlor.toml");
    flags::add(config, Some(&[]))
}

fn webhook_secret() -> Command {
    let secret = Command::new("webhook-secret")
        .about("Makes a secret for webhooks and prints it")
        .long_about("Makes a secret for webhook_secret and prints it: what webhooks are signed with. Nothing is kept.")
        .after_help("Example:\n  export PARLOR_WEBHOOK_SECRET=$(parlor webhook-secret)");
    flags::add(secret, Some(&[]))
}

fn admin(help: &'static str) -> Arg {
    Arg::new("admin").long("admin").action(ArgAction::SetTrue).help(help)
}
