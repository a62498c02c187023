//! Builds the chat page (`web/`) with npm and leaves it, with compressed copies, where `src/http/web.rs` embeds it from:
//! `$OUT_DIR/page.rs`, a table of files, or the reason why there is none. Run by cargo before the server is compiled. Never fails
//! a build for want of Node or of a network, unless it is told to; never writes into the tree but what `web/.gitignore` names.
//!
//! `PARLOR_WEB=off` leaves the page out; `PARLOR_WEB=require` makes it an error when it cannot be built.
//! Why a build script: `docs/decisions/0010-the-page-is-built-along.md`.

use std::{
    env, fs,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What the page is made of: a change of any of it builds the page again. Names that are not there are passed over.
const SOURCES: &[&str] = &[
    "web/index.html",
    "web/package.json",
    "web/package-lock.json",
    "web/vite.config.ts",
    "web/tsconfig.json",
    "web/scripts",
    "web/public",
    "web/src",
    "clients/js/package.json",
    "clients/js/src",
];

/// What installed packages depend on.
const PACKAGES: &[&str] = &["web/package.json", "web/package-lock.json"];

/// Say what something was made from, so that it is not made again: several profiles and editors build side by side.
const BUILT_FROM: &str = "web/dist/.built-from";
const INSTALLED_FROM: &str = "web/node_modules/.installed-from";

/// The oldest Node that builds it.
const NODE: u32 = 20;

/// Writes what is smaller compressed beside the original. Node has both formats: no crate is needed for them.
const COMPRESS: &str = "
const [fs, path, zlib] = ['fs', 'path', 'zlib'].map((name) => require(name));
const root = process.argv[1];
for (const entry of fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\\.(html|js|css|svg|json|txt|webmanifest)$/.test(entry.name)) continue;
  const file = path.join(entry.parentPath ?? entry.path, entry.name);
  const plain = fs.readFileSync(file);
  const keep = (ending, packed) => packed.length < plain.length * 0.9 && fs.writeFileSync(file + ending, packed);
  keep('.gz', zlib.gzipSync(plain, { level: 9 }));
  keep('.br', zlib.brotliCompressSync(plain));
}";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PARLOR_WEB");
    let wanted = env::var("PARLOR_WEB").unwrap_or_default();
    let page = match wanted.as_str() {
        "off" => Err("it was built with PARLOR_WEB=off".to_owned()),
        "" | "on" | "require" => build(),
        other => stop(&format!("PARLOR_WEB={other}: there is off, on and require")),
    };
    if let Err(why) = &page
        && wanted != "off"
    {
        if wanted == "require" {
            stop(&format!("PARLOR_WEB=require, but the chat page cannot be built: {why}"));
        }
        warn(&format!("the server is built without its chat page: {why}"));
        warn("set it right, then build again after: touch build.rs (PARLOR_WEB=off silences this)");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo gives one"));
    let table = page.and_then(|()| embed(&out).map_err(|error| format!("web/dist could not be copied: {error}")));
    let table = match table {
        Ok(files) => format!("Ok(&[\n{files}])"),
        Err(why) => format!("Err({why:?})"),
    };
    fs::write(out.join("page.rs"), table).expect("the folder that cargo gives can be written to");
}

fn warn(line: &str) {
    println!("cargo::warning={line}");
}

fn stop(why: &str) -> ! {
    println!("cargo::error={why}");
    std::process::exit(1)
}

/// Brings `web/dist` up to date. The error is for people, and stands in the program: it names nothing of this machine.
fn build() -> Result<(), String> {
    if !Path::new("web/package.json").exists() {
        return Err("there is no folder web/".to_owned());
    }
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    // Two builds at once, an editor's and a person's, would take each other's packages away.
    let _turn = File::open(PACKAGES[0])
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| format!("web/package.json: {error}"))?;
    let sources = fingerprint(SOURCES).map_err(|error| format!("web/ cannot be read: {error}"))?;
    if made_from(BUILT_FROM, &sources) {
        return Ok(());
    }
    need_node()?;
    let packages = fingerprint(PACKAGES).map_err(|error| format!("web/ cannot be read: {error}"))?;
    if !made_from(INSTALLED_FROM, &packages) {
        run("npm ci", npm(&["ci", "--include=dev", "--no-audit", "--no-fund"]))?;
        note(INSTALLED_FROM, &packages)?;
    }
    run("npm run build", npm(&["run", "build"]))?;
    let mut compress = Command::new("node");
    compress.args(["-e", COMPRESS, "web/dist"]);
    run("compressing the page", compress)?;
    note(BUILT_FROM, &sources)
}

fn need_node() -> Result<(), String> {
    let missing = || format!("Node {NODE} or newer with npm is needed: https://nodejs.org");
    let said = Command::new("node").arg("--version").output().map_err(|_| missing())?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse::<u32>().is_ok_and(|major| major >= NODE) {
        Ok(())
    } else {
        Err(format!("{}, not {version}", missing()))
    }
}

fn npm(arguments: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    // Cargo's DEBUG and whatever NODE_ENV says mean something else to what npm starts.
    npm.args(arguments)
        .current_dir("web")
        .env_remove("DEBUG")
        .env_remove("NODE_ENV");
    npm
}

fn run(what: &str, mut command: Command) -> Result<(), String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("{what}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in &lines[lines.len().saturating_sub(20)..] {
        warn(line);
    }
    Err(format!("{what} failed"))
}

fn made_from(stamp: &str, fingerprint: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|known| known == fingerprint)
}

fn note(stamp: &str, fingerprint: &str) -> Result<(), String> {
    fs::write(stamp, fingerprint).map_err(|error| format!("{stamp}: {error}"))
}

/// A hash of the names and contents of all files in `places`.
fn fingerprint(places: &[&str]) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    COMPRESS.hash(&mut hasher);
    for place in places.iter().filter(|place| Path::new(place).exists()) {
        for file in files(Path::new(place))? {
            file.hash(&mut hasher);
            fs::read(&file)?.hash(&mut hasher);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// All files below `place`, or itself, in the order of their names; without hidden ones.
fn files(place: &Path) -> io::Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(place)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    entries.retain(|path| {
        path.file_name()
            .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    });
    entries.sort();
    let inside: Vec<Vec<PathBuf>> = entries.iter().map(|path| files(path)).collect::<io::Result<_>>()?;
    Ok(inside.concat())
}

/// Copies `web/dist` to where cargo keeps it for this build; its files as rows of the table.
fn embed(out: &Path) -> io::Result<String> {
    let dist = Path::new("web/dist");
    let page = out.join("page");
    let _ = fs::remove_dir_all(&page);
    let mut rows = String::new();
    for file in files(dist)? {
        let name = file.strip_prefix(dist).unwrap_or(&file).to_string_lossy().into_owned();
        let copy = page.join(&name);
        fs::create_dir_all(copy.parent().unwrap_or(&page))?;
        let bytes = fs::read(&file)?;
        fs::write(&copy, &bytes)?;
        if name.ends_with(".gz") || name.ends_with(".br") {
            continue;
        }
        let mut tag = DefaultHasher::new();
        bytes.hash(&mut tag);
        let packed = |ending: &str| {
            let packed = PathBuf::from(format!("{}{ending}", file.display()));
            let copy = format!("{}{ending}", copy.display());
            if packed.exists() {
                format!("Some(include_bytes!({copy:?}))")
            } else {
                "None".to_owned()
            }
        };
        rows += &format!(
            "File {{ name: {name:?}, tag: \"{:016x}\", plain: include_bytes!({:?}), gzip: {}, brotli: {} }},\n",
            tag.finish(),
            copy.display().to_string(),
            packed(".gz"),
            packed(".br"),
        );
    }
    Ok(rows)
}
