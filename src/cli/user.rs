//! `parlor user`: makes users who log in with a password, sets passwords, makes admins. Works beside a running server.

use clap::ArgMatches;

use super::{
    Failure, output, password,
    store::{find, with_store},
};
use crate::{
    auth::Passwords,
    config::Config,
    db::NewAccount,
    domain::{Clock, DisplayName, Entropy, Password, UserId, Username},
};

/// Runs the subcommand of `asked`.
pub(super) fn run(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    match asked.subcommand() {
        Some(("create", asked)) => create(config, asked),
        Some(("password", asked)) => set_password(config, asked),
        Some(("admin", asked)) => set_admin(config, asked),
        _ => Err(Failure::Usage("user: what is to be done? see --help".to_owned())),
    }
}

fn create(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let name = username(asked)?;
    let display_name = match asked.get_one::<String>("display-name") {
        Some(text) => {
            DisplayName::parse(text).map_err(|bad| Failure::Usage(format!("--display-name: {}", bad.reason)))?
        }
        None => DisplayName::parse(name.as_str()).map_err(|bad| Failure::Usage(bad.to_string()))?,
    };
    let password = password::ask(asked.get_flag("password-stdin"))?;
    let admin = asked.get_flag("admin");
    with_store(config, async |store| {
        let at = Clock::System.now();
        let made = store
            .create_account(NewAccount {
                id: UserId::generate(at, Entropy::system().bytes10()),
                name: name.as_str().to_owned(),
                folded: name.folded(),
                display_name: display_name.as_str().to_owned(),
                password_hash: hash(&password).await?,
                admin,
                at,
            })
            .await?;
        let user = made.ok_or_else(|| Failure::Failed(format!("the name {} is taken", name.as_str())))?;
        let role = if admin { ", an admin" } else { "" };
        output::print(&format!("made {} ({}){role}", user.name, user.id));
        Ok(())
    })
}

fn set_password(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let name = username(asked)?;
    let password = password::ask(asked.get_flag("password-stdin"))?;
    with_store(config, async |store| {
        let hash = hash(&password).await?;
        if !store.set_password(&name.folded(), &hash).await? {
            return Err(nobody(name.as_str()));
        }
        output::print(&format!("set the password of {}", name.as_str()));
        Ok(())
    })
}

fn set_admin(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let who = asked.get_one::<String>("name").map_or("", String::as_str);
    let admin = !asked.get_flag("revoke");
    with_store(config, async |store| {
        let account = find(&*store, who).await?.ok_or_else(|| nobody(who))?;
        let user = account.user;
        if !store.set_admin(&user.id, admin).await? {
            return Err(nobody(who));
        }
        let now = if admin { "is an admin" } else { "is no admin" };
        output::print(&format!("{} ({}) {now}", user.name, user.id));
        Ok(())
    })
}

fn username(asked: &ArgMatches) -> Result<Username, Failure> {
    let name = asked.get_one::<String>("name").map_or("", String::as_str);
    Username::parse(name).map_err(|bad| Failure::Usage(format!("NAME: {}", bad.reason)))
}

async fn hash(password: &Password) -> Result<String, Failure> {
    let passwords = Passwords::new(1)?;
    Ok(passwords.hash(password).await.map_err(|error| error.message)?)
}

fn nobody(who: &str) -> Failure {
    Failure::Failed(format!("there is no user {who}"))
}
