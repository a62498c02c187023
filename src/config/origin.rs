//! Origins in the form in which browsers send them, so that comparing is comparing texts. The `settings` table calls it.

use std::net::Ipv6Addr;

const ALLOWED: &str = "must be origins like https://chat.example or http://localhost:3000, comma separated";

/// A comma-separated list of origins, brought into the browsers' form.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(origin)
        .collect()
}

/// `scheme://host[:port]`, in lower case, without a port that is the scheme's own and without a path.
fn origin(text: &str) -> Result<String, String> {
    if text.contains('*') {
        return Err(format!(
            "{ALLOWED}; * is not taken: any page could then act for whoever visits it"
        ));
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").ok_or(ALLOWED)?;
    let default_port = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return Err(ALLOWED.to_owned()),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = split_port(authority).ok_or(ALLOWED)?;
    if !is_host(host) {
        return Err(ALLOWED.to_owned());
    }
    match port {
        None => Ok(format!("{scheme}://{host}")),
        Some(port) if port == default_port => Ok(format!("{scheme}://{host}")),
        Some(port) if port.parse::<u16>().is_ok_and(|p| p > 0 && p.to_string() == port) => {
            Ok(format!("{scheme}://{host}:{port}"))
        }
        Some(_) => Err(ALLOWED.to_owned()),
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_at(authority.find(']')? + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    Some(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

/// A name (international ones as browsers send them: `xn--…`), an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == v6),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_take_the_form_of_browsers() {
        for (given, sent) in [
            ("https://Chat.Example", "https://chat.example"),
            ("https://chat.example/", "https://chat.example"),
            ("https://chat.example:443", "https://chat.example"),
            ("http://chat.example:80", "http://chat.example"),
            ("http://chat.example:443", "http://chat.example:443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origins(given).unwrap(), [sent]);
        }
        assert_eq!(origins(" http://a , http://b,").unwrap(), ["http://a", "http://b"]);
        assert!(origins("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in [
            "*",
            "https://*.example",
            "null",
            "chat.example",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:",
            "https://a:0",
            "https://a:080",
            "https://a:65536",
            "https://[::1",
            "https://ä.example",
            "https://a b",
        ] {
            assert!(origins(bad).is_err(), "{bad}");
        }
    }
}
