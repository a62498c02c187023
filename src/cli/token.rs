//! `parlor token`: mints a token with the server's secret. Needs no server.

use std::time::Duration;

use clap::ArgMatches;

use super::{
    Failure, output,
    store::{find, with_store},
};
use crate::{
    auth::{Claims, Tokens, new_token_id},
    config::Config,
    domain::{Clock, DisplayName, UserId},
};

/// The longest life that can be asked for, in seconds: ten years.
const LONGEST: u64 = 3653 * 86_400;

/// Prints a token as `asked`.
pub(super) fn run(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let text = |name: &str| asked.get_one::<String>(name);
    let user = text("user").map_or("", String::as_str);
    let sub = whom(config, user)?;
    let ttl = match text("ttl") {
        Some(ttl) => parse_ttl(ttl).map_err(Failure::Usage)?,
        None => config.jwt.ttl,
    };
    let shown = |name: &'static str| {
        let parsed = text(name).map(|text| DisplayName::parse(text)).transpose();
        parsed
            .map(|parsed| parsed.map(|parsed| parsed.as_str().to_owned()))
            .map_err(|invalid| Failure::Usage(format!("--{name}: {}", invalid.reason)))
    };
    let clock = Clock::System;
    let claims = Claims {
        jti: Some(new_token_id().map_err(|error| error.message)?),
        name: shown("name")?,
        display_name: shown("display-name")?,
        admin: asked.get_flag("admin"),
        ..Claims::of(sub, clock.now().plus(ttl))
    };
    let tokens = Tokens::open(&config.jwt, &config.data_dir, clock)?;
    if !tokens.can_mint() {
        return Err(Failure::Failed(
            "only public keys are configured: tokens are made by who has the private key (or set jwt_secret)"
                .to_owned(),
        ));
    }
    output::print(&tokens.mint(&claims).map_err(|error| error.message)?);
    Ok(())
}

/// The id of whoever registered here under that name; of anybody else, the text is the id. A store that is not there or
/// cannot be opened knows nobody: tokens can be made without it.
fn whom(config: &Config, user: &str) -> Result<UserId, Failure> {
    if crate::app::location(config).exists() {
        let found = with_store(config, async |store| Ok(find(&*store, user).await?));
        match found {
            Ok(Some(account)) => return Ok(account.user.id.clone()),
            Ok(None) => {}
            Err(failure) => log::warn!(target: "parlor::cli", "{user} is taken for an id: {failure}"),
        }
    }
    UserId::parse(user).map_err(|invalid| Failure::Usage(format!("USER {user:?}: {}", invalid.reason)))
}

/// `90s`, `15m`, `1h`, `30d`; without a unit, seconds.
fn parse_ttl(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("--ttl: must be a time like 90s, 15m, 1h or 30d, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3600), ("30d", 2_592_000), ("7", 7)] {
            assert_eq!(parse_ttl(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "h",
            "0s",
            "-1h",
            "1.5h",
            "1w",
            "1 h",
            "99999999999999999999d",
            "4000d",
        ] {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
    }
}
