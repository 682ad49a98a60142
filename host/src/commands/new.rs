//! `tidegate new`: a plugin's crate that builds, with a case, a pipeline file, a table and a gateway's file.
//! It never writes into a folder that holds anything.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::UNUSABLE;

/// What `tidegate new` is asked.
#[derive(Debug, Args)]
pub struct NewArguments {
    /// The plugin's name: lower-case letters, digits, `_` and `-`, beginning with a letter.
    pub name: String,
    /// The folder to write; NAME in the current one where it is left out.
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// The folder `guest-sdk` of a checkout of Tidegate, or the checkout.
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
}

/// The crate's files, with `{{name}}`, `{{file}}` (the name as the compiler writes it) and `{{sdk}}` to be filled in.
const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("../../templates/plugin/Cargo.toml.in")),
    (".cargo/config.toml", include_str!("../../templates/plugin/cargo-config.toml")),
    (".gitignore", include_str!("../../templates/plugin/gitignore")),
    // Plugins are built by what the gateway was built by.
    ("rust-toolchain.toml", include_str!("../../../rust-toolchain.toml")),
    ("src/lib.rs", include_str!("../../templates/plugin/src/lib.rs")),
    ("cases/first.toml", include_str!("../../templates/plugin/cases/first.toml")),
    ("{{name}}.toml", include_str!("../../templates/plugin/pipeline.toml")),
    ("gateway.toml", include_str!("../../templates/plugin/gateway.toml")),
    ("tables.sql", include_str!("../../templates/plugin/tables.sql")),
    ("README.md", include_str!("../../templates/plugin/README.md")),
];

/// Writes the crate. 0 where it stands, 64 where it cannot.
pub fn new(arguments: &NewArguments) -> ExitCode {
    match write(arguments) {
        Ok(folder) => {
            println!(
                "wrote the plugin `{}` to {}; README.md there says what comes next",
                arguments.name,
                folder.display()
            );
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn write(arguments: &NewArguments) -> anyhow::Result<PathBuf> {
    let NewArguments { name, path, sdk } = arguments;
    check_name(name)?;
    let folder = path.clone().unwrap_or_else(|| PathBuf::from(name));
    ensure!(is_free(&folder), "`{}` is there already and not empty; name another folder with --path", folder.display());
    let sdk = match sdk {
        Some(given) => sdk_in(given).with_context(|| {
            format!("`{}` is no SDK; expected the folder `guest-sdk` of a checkout of Tidegate", given.display())
        })?,
        None => find_sdk(&folder)?,
    };
    let sdk = sdk.to_str().with_context(|| format!("`{}` is not UTF-8", sdk.display()))?;
    for (file, template) in FILES {
        let file = folder.join(filled(file, name, sdk));
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("make the folder {}", parent.display()))?;
        }
        std::fs::write(&file, filled(template, name, sdk)).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(folder)
}

fn filled(template: &str, name: &str, sdk: &str) -> String {
    // As TOML writes a text: a path may hold what quotes do not.
    let sdk = toml::Value::from(sdk).to_string();
    template.replace("{{name}}", name).replace("{{file}}", &name.replace('-', "_")).replace("{{sdk}}", &sdk)
}

/// Cargo's rule, and lower case, since the name becomes that of a topic, a table and a file.
fn check_name(name: &str) -> anyhow::Result<()> {
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let hint = suggestion(name).map(|better| format!(", such as `{better}`")).unwrap_or_default();
    if TAKEN.contains(&name) {
        bail!("the name `{name}` is taken, by Rust or by a file of the crate; expected another{hint}");
    }
    ensure!(
        begins && name.len() <= LONGEST_NAME && name.chars().all(right),
        "`{name}` is no name for a plugin; a name has 1 to {LONGEST_NAME} lower-case letters, digits, `_` and `-` and \
         begins with a letter{hint}"
    );
    Ok(())
}

/// As long as a crate's name may be.
const LONGEST_NAME: usize = 64;

/// What Cargo refuses, what would hide a crate that the plugin needs, and other files of the crate that end in `.toml`.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "cargo",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gateway",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "rust-toolchain",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tidegate-plugin",
    "trait",
    "true",
    "type",
    "use",
];

/// The nearest name that would do.
fn suggestion(name: &str) -> Option<String> {
    let letter =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c.to_ascii_lowercase() } else { '-' };
    let better: String = name.chars().map(letter).collect();
    let better = better.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('-');
    let better: String = better.chars().take(LONGEST_NAME).collect();
    match TAKEN.contains(&better.as_str()) {
        true => Some(format!("{better}-plugin")),
        false => (!better.is_empty()).then_some(better),
    }
}

fn is_free(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !folder.exists(),
    }
}

/// Upward from here and from the new crate's folder, then where this binary was built.
fn find_sdk(folder: &Path) -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("find the current folder")?;
    let new = here.join(folder);
    let built = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = here.ancestors().chain(new.ancestors()).chain(built.parent());
    folders.into_iter().find_map(sdk_in).with_context(|| {
        format!(
            "there is no SDK above {}; name the folder `guest-sdk` of a checkout of Tidegate with --sdk",
            here.display()
        )
    })
}

/// The SDK that is this folder or lies in it.
fn sdk_in(folder: &Path) -> Option<PathBuf> {
    let folders = [folder.to_owned(), folder.join("guest-sdk")];
    folders.into_iter().find(|folder| is_sdk(folder)).and_then(|folder| folder.canonicalize().ok())
}

fn is_sdk(folder: &Path) -> bool {
    let read = std::fs::read_to_string(folder.join("Cargo.toml")).ok();
    let package = read.and_then(|text| text.parse::<toml::Table>().ok());
    let name = package.as_ref().and_then(|package| package.get("package")?.get("name")?.as_str());
    name == Some("tidegate-plugin")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> String {
        check_name(name).unwrap_err().to_string()
    }

    #[test]
    fn names_are_those_of_crates_in_lower_case() {
        for name in ["hello", "h", "hello-world_2"] {
            check_name(name).unwrap();
        }
        assert!(
            refused("Hello World").ends_with("begins with a letter, such as `hello-world`"),
            "{}",
            refused("Hello World")
        );
        assert!(refused("1st").ends_with("such as `st`"));
        assert!(refused("../x").ends_with("such as `x`"));
        assert!(refused("").ends_with("begins with a letter"));
        assert!(refused("мёд").ends_with("begins with a letter"));
        assert!(refused("match").ends_with("such as `match-plugin`"));
        assert!(refused(&"a".repeat(65)).contains("1 to 64"));
    }

    #[test]
    fn a_folder_that_holds_anything_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let arguments = NewArguments { name: "hello".into(), path: Some(directory.path().to_owned()), sdk: None };
        std::fs::write(directory.path().join("mine"), "x").unwrap();
        let fault = write(&arguments).unwrap_err().to_string();
        assert!(fault.contains("is there already and not empty"), "{fault}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        std::fs::remove_file(directory.path().join("mine")).unwrap();
        write(&arguments).unwrap();
        assert!(directory.path().join("hello.toml").is_file());
    }

    #[test]
    fn the_sdk_is_named_or_found_and_a_wrong_one_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let path = Some(directory.path().join("new"));
        let wrong = NewArguments { name: "hello".into(), path: path.clone(), sdk: Some(directory.path().to_owned()) };
        assert!(write(&wrong).unwrap_err().to_string().contains("is no SDK; expected the folder `guest-sdk`"));
        write(&NewArguments { name: "hello".into(), path: path.clone(), sdk: Some(checkout.clone()) }).unwrap();
        let manifest: toml::Table =
            std::fs::read_to_string(directory.path().join("new/Cargo.toml")).unwrap().parse().unwrap();
        let sdk = manifest["dependencies"]["tidegate-plugin"]["path"].as_str().unwrap();
        assert_eq!(Path::new(sdk), checkout.join("guest-sdk").canonicalize().unwrap());
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for (file, template) in FILES {
            assert!(!filled(template, "a-b", "/sdk").contains("{{"), "{file}");
        }
    }
}
