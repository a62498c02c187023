//! Where a token may come from: the header, the cookie, the query; and from which pages the cookie is honoured. Pure functions
//! over what a request carries; `http` calls them. Never verifies the token.

use crate::protocol::{ApiError, ErrorCode};

/// The origins that the operator allows, in the form that browsers send (`config` has brought them into it).
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins(Vec<String>);

/// Where a token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer …`
    Header,
    /// The cookie `token`, from an origin that is allowed.
    Cookie,
    /// `?token=…`
    Query,
}

impl AllowedOrigins {
    /// From [`crate::config::Config::allowed_origins`].
    pub fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// Whether a page of `origin` (the `Origin` header) may act for its user on a server called `host` (the `Host` header):
    /// the operator says so, or it is the server's own page.
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
            || host.is_some_and(|host| is_own(origin, host))
    }
}

/// Whether `origin` is a page of the server called `host`. The scheme is not compared: behind a proxy that ends TLS we do not
/// know our own.
fn is_own(origin: &str, host: &str) -> bool {
    let (default_port, authority) = if let Some(authority) = origin.strip_prefix("https://") {
        (":443", authority)
    } else if let Some(authority) = origin.strip_prefix("http://") {
        (":80", authority)
    } else {
        return false;
    };
    let bare = |name: &str| name.strip_suffix(default_port).unwrap_or(name).to_ascii_lowercase();
    !authority.is_empty() && bare(authority) == bare(host)
}

/// The first token that a request carries: `Authorization: Bearer`, the cookie `token`, `?token=`. `header` looks a header up by its
/// lower-case name; `query` is the query string without `?`. A cookie from elsewhere counts as not there.
///
/// Errors: `UNAUTHORIZED` when there is none.
pub fn find_token<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    query: &'a str,
    allowed: &AllowedOrigins,
) -> Result<(&'a str, TokenSource), ApiError> {
    if let Some(token) = header("authorization").and_then(bearer) {
        return Ok((token, TokenSource::Header));
    }
    let cookie = header("cookie").and_then(token_cookie);
    if let Some(token) = cookie
        && cookie_is_honoured(&header, allowed)
    {
        return Ok((token, TokenSource::Cookie));
    }
    if let Some(token) = query.split('&').find_map(|pair| pair.strip_prefix("token="))
        && !token.is_empty()
    {
        return Ok((token, TokenSource::Query));
    }
    Err(ApiError::new(
        ErrorCode::Unauthorized,
        if cookie.is_some() {
            "the cookie is taken from an allowed origin only: see allowed_origins"
        } else {
            "a token is needed: Authorization: Bearer, the cookie token, or ?token="
        },
    ))
}

/// A page elsewhere can make a browser send the cookie along, but it cannot forge `Origin` and `Sec-Fetch-Site`.
fn cookie_is_honoured<'a>(header: &impl Fn(&str) -> Option<&'a str>, allowed: &AllowedOrigins) -> bool {
    match header("origin") {
        Some(origin) => allowed.allows(origin, header("host")),
        None => header("sec-fetch-site") == Some("same-origin"),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn token_cookie(header: &str) -> Option<&str> {
    header
        .split(';')
        .find_map(|pair| pair.trim().strip_prefix("token="))
        .map(|value| value.trim_matches('"'))
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(headers: &[(&'static str, &'static str)], query: &'static str) -> Option<(&'static str, TokenSource)> {
        let allowed = AllowedOrigins::new(vec!["https://chat.example".to_owned()]);
        let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        find_token(header, query, &allowed).ok()
    }

    #[test]
    fn the_first_that_is_there() {
        let same = ("sec-fetch-site", "same-origin");
        let all = [("authorization", "Bearer h"), ("cookie", "a=1; token=c"), same];
        assert_eq!(find(&all, "token=q"), Some(("h", TokenSource::Header)));
        assert_eq!(find(&all[1..], "token=q"), Some(("c", TokenSource::Cookie)));
        assert_eq!(find(&[], "a=1&token=q"), Some(("q", TokenSource::Query)));
        assert_eq!(find(&[], "xtoken=q&token="), None);
        assert_eq!(
            find(&[("authorization", "bearer  h ")], ""),
            Some(("h", TokenSource::Header))
        );
        assert_eq!(
            find(&[("authorization", "Basic dTpw"), ("cookie", "token=\"c\""), same], ""),
            Some(("c", TokenSource::Cookie))
        );
        assert_eq!(find(&[("authorization", "Bearer ")], ""), None);
        assert_eq!(find(&[("cookie", "xtoken=c; tokens=d"), same], ""), None);
    }

    #[test]
    fn a_cookie_counts_only_from_an_allowed_origin() {
        let honoured = |headers: &[(&'static str, &'static str)]| {
            let mut all = vec![("cookie", "token=c")];
            all.extend_from_slice(headers);
            find(&all, "").is_some()
        };
        for good in [
            &[("origin", "https://chat.example")][..],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
            &[("origin", "https://own.example"), ("host", "own.example")],
            &[("origin", "https://own.example"), ("host", "Own.Example:443")],
            &[("origin", "http://[::1]:8080"), ("host", "[::1]:8080")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert!(honoured(good), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("host", "own.example")],
            &[("origin", "https://evil.example"), ("host", "own.example")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://own.example:444"), ("host", "own.example")],
            &[("origin", "https://own.example.evil"), ("host", "own.example")],
            &[("origin", "http://chat.example")],
            &[("origin", "null"), ("host", "null")],
            &[("origin", "https://"), ("host", "")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!honoured(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_cookie_from_elsewhere_does_not_hide_the_query() {
        let found = find(&[("cookie", "token=c"), ("origin", "https://evil.example")], "token=q");
        assert_eq!(found, Some(("q", TokenSource::Query)));
    }
}
