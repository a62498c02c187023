//! From defaults, `parlor.toml`, environment and flags to one `Config`. `cli` calls it once, at the start. Prints nothing:
//! warnings are handed back, errors are one line that names the setting and where it came from.

use std::{
    collections::HashMap,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{Config, SETTINGS, Setting, file, settings::Draft, similar};

/// The file that is read when there is one and none is named.
const FILE: &str = "parlor.toml";
/// Variables of our prefix that are no settings of the table: the file's name, and env_logger's filter (`cli`).
const OTHER_VARIABLES: [&str; 2] = ["PARLOR_CONFIG", "PARLOR_LOG"];
/// Prefixes of variables that switch on failures and drive tests.
const FOREIGN_PREFIXES: [&str; 2] = ["PARLOR_FAULT_", "PARLOR_TEST_"];

/// Where settings come from.
#[derive(Default)]
pub struct Sources {
    /// The settings given as flags: key and text.
    pub flags: Vec<(&'static str, String)>,
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where `parlor.toml` is looked for; empty for the working directory.
    pub dir: PathBuf,
}

/// The configuration, and what the operator should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// What to run with.
    pub config: Config,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Where a value came from, for messages.
enum Place {
    Default,
    File { path: PathBuf, line: usize },
    Environment(&'static str),
    Flag(&'static str),
}

/// Reads the file, if there is one, and puts all sources together.
///
/// Errors: a line for the operator: the setting, where it came from, and what is allowed.
pub fn load(sources: Sources) -> Result<Loaded, String> {
    let env = Environment::new(sources.env);
    let mut values: HashMap<&str, (String, Place)> = SETTINGS
        .iter()
        .map(|setting| (setting.key, (setting.default.to_owned(), Place::Default)))
        .collect();
    if let Some((path, text)) = read_file(sources.file, &env, &sources.dir)? {
        for given in file::parse(&text, &path)? {
            let place = Place::File {
                path: path.clone(),
                line: given.line,
            };
            values.insert(given.setting.key, (given.text, place));
        }
    }
    for setting in SETTINGS {
        if let Some(text) = env.text(setting.env)? {
            values.insert(setting.key, (text, Place::Environment(setting.env)));
        }
    }
    for (key, text) in sources.flags {
        values.insert(key, (text, Place::Flag(key)));
    }
    let mut draft = Draft::blank();
    for setting in SETTINGS {
        if let Some((text, place)) = values.get(setting.key) {
            (setting.apply)(&mut draft, text).map_err(|allowed| refusal(setting, text, place, &allowed))?;
        }
    }
    Ok(Loaded {
        config: draft.finish()?,
        warnings: env.unknown(),
    })
}

fn refusal(setting: &Setting, text: &str, place: &Place, allowed: &str) -> String {
    if setting.secret {
        return format!("{}{place}: {allowed}", setting.key);
    }
    format!("{}{place}: {allowed}, not {text:?}", setting.key)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()),
            Self::File { path, line } => write!(f, " ({}, line {line})", path.display()),
            Self::Environment(name) => write!(f, " ({name})"),
            Self::Flag(key) => write!(f, " (--{})", key.replace('_', "-")),
        }
    }
}

/// The file and its text: the one that is named must exist, `parlor.toml` need not.
fn read_file(named: Option<PathBuf>, env: &Environment, dir: &Path) -> Result<Option<(PathBuf, String)>, String> {
    let (path, place, must_exist) = match (named, env.text("PARLOR_CONFIG")?) {
        (Some(path), _) => (path, "--config: ", true),
        (None, Some(path)) => (PathBuf::from(path), "PARLOR_CONFIG: ", true),
        (None, None) => (dir.join(FILE), "", false),
    };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(error) => Err(format!("{place}{}: {error}", path.display())),
    }
}

/// The environment variables that could concern us.
struct Environment(HashMap<String, OsString>);

impl Environment {
    fn new(variables: Vec<(OsString, OsString)>) -> Self {
        let ours = |name: &str| name.starts_with("PARLOR_") || SETTINGS.iter().any(|setting| setting.env == name);
        Self(
            variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .filter(|(name, _)| ours(name))
                .collect(),
        )
    }

    /// What the variable says; an empty one counts as not set, as container set-ups write it.
    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(text) => Ok(Some(text.to_owned()).filter(|text| !text.is_empty())),
                None => Err(format!("{name}: must be UTF-8")),
            },
        }
    }

    /// A warning for each variable of our prefix that means nothing.
    fn unknown(&self) -> Vec<String> {
        let known = || SETTINGS.iter().map(|setting| setting.env).chain(OTHER_VARIABLES);
        let mut names: Vec<&String> = (self.0.keys())
            .filter(|name| !known().any(|one| one == *name))
            .filter(|name| !FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
            .collect();
        names.sort();
        names
            .into_iter()
            .map(|name| match similar::nearest(name, known()) {
                Some(near) => format!("{name} is no setting of ours: did you mean {near}?"),
                None => format!("{name} is no setting of ours: it changes nothing"),
            })
            .collect()
    }
}
