//! Reads the sources: who imports whom, which crates are known where, whether files open with what they are. Starts no
//! server. The table is the one in `docs/ARCHITECTURE.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Who may import whom. A part not listed may import nothing of ours.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("metrics", &[]),
    ("uploads", &["domain"]),
    ("protocol", &["domain"]),
    ("config", &["domain"]),
    ("db", &["domain", "protocol"]),
    ("auth", &["domain", "protocol", "config", "db"]),
    ("webhooks", &["domain", "metrics", "config", "db"]),
    (
        "actors",
        &["domain", "metrics", "uploads", "protocol", "db", "auth", "webhooks"],
    ),
    (
        "http",
        &[
            "domain", "metrics", "uploads", "protocol", "config", "db", "auth", "actors",
        ],
    ),
    (
        "app",
        &[
            "domain", "metrics", "uploads", "protocol", "config", "db", "auth", "webhooks", "actors", "http",
        ],
    ),
    ("cli", &["domain", "protocol", "config", "db", "auth", "app"]),
];

/// Crates that only some parts may know.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("diesel", &["db"]),
    ("diesel_migrations", &["db"]),
    ("libsqlite3_sys", &["db"]),
    ("actix_web", &["http", "app"]),
    ("actix_http", &["http"]),
    ("actix_server", &["http"]),
    ("actix_multipart", &["http"]),
    ("image", &["uploads"]),
    ("crc32fast", &["uploads"]),
    ("rustix", &["uploads"]),
    ("jsonwebtoken", &["auth"]),
    ("argon2", &["auth"]),
    ("ureq", &["auth", "webhooks"]),
    ("hmac", &["webhooks"]),
    ("sha2", &["webhooks"]),
    ("base64", &["webhooks", "config", "protocol", "http"]),
    ("unicode_normalization", &["domain"]),
    ("clap", &["cli"]),
    ("toml", &["config"]),
    ("prometheus_client", &["metrics", "http"]),
];

/// Lines in a file that reads in one sitting.
const LINES: usize = 450;

fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).expect("below src").to_path_buf();
                let part = inside
                    .iter()
                    .next()
                    .expect("a name")
                    .to_string_lossy()
                    .trim_end_matches(".rs")
                    .to_owned();
                let text = fs::read_to_string(&path).expect("readable");
                found.push((part, inside, text));
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// The first names behind every `crate::` of a text, also inside braces.
fn imports(text: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(inside) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut expecting = true;
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expecting = true,
                c if expecting && depth == 0 && c.is_ascii_lowercase() => {
                    names.insert(word(&inside[at..]));
                    expecting = false;
                }
                _ => {}
            }
        }
    }
    names
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{\n db::{Store, sqlite},\n domain::Seq, protocol,\n};\nfn f() { crate::auth::g() }";
    assert_eq!(
        imports(text).into_iter().collect::<Vec<_>>(),
        ["auth", "db", "domain", "protocol"]
    );
}

#[test]
fn every_part_imports_only_what_it_may() {
    let parts: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for (part, file, text) in sources() {
        if part == "main" || part == "lib" {
            continue;
        }
        let Some(allowed) = parts.get(part.as_str()) else {
            wrong.push(format!("{}: the part '{part}' has no row in the table", file.display()));
            continue;
        };
        for name in imports(&text) {
            if parts.contains_key(name.as_str()) && name != part && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: '{part}' may not import '{name}'", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    // Each row may name only rows above it (`cli` and `app` stand at the end).
    let mut above: BTreeSet<&str> = BTreeSet::new();
    for (part, allowed) in ALLOWED {
        for name in *allowed {
            assert!(
                above.contains(name),
                "'{part}' imports '{name}', which does not stand above it"
            );
        }
        above.insert(part);
    }
}

#[test]
fn crates_are_known_only_where_they_belong() {
    let mut wrong = Vec::new();
    for (part, file, text) in sources() {
        for (name, places) in KEPT_TO {
            let used = [
                format!("use {name}::"),
                format!("use {name}::{{"),
                format!(" {name}::"),
                format!("({name}::"),
            ];
            if !places.contains(&part.as_str()) && used.iter().any(|form| text.contains(form.as_str())) {
                wrong.push(format!("{}: '{name}' is known only to {places:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_reads_in_one_sitting() {
    let mut wrong = Vec::new();
    for (_, file, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not open with //!", file.display()));
        }
        let lines = text.lines().count();
        if lines > LINES {
            wrong.push(format!("{}: {lines} lines, more than {LINES}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
