//! Modules import downwards only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::program::files_under;

/// Each module with the modules of ours that it may import.
const MAY_IMPORT: &[(&str, &str)] = &[
    ("hl7", ""),
    ("soap", ""),
    ("domain", "hl7"),
    ("validation", "domain hl7"),
    ("store", "domain"),
    ("client", "domain soap"),
    ("backends", "client domain hl7 soap"),
    ("conformance", "client domain hl7 soap validation"),
    ("gateway", "backends client domain hl7 store validation"),
    ("hooks", "client domain store"),
    ("mail", "domain store"),
    ("endpoint", "domain gateway hl7 paper soap store validation"),
    ("sites", "domain hl7 mail store validation"),
    ("paper", "domain"),
    ("send", "backends client domain hl7 soap validation"),
    ("portal", "domain gateway hl7 paper sites store validation"),
    ("conformance", "client domain hl7 soap validation"),
    ("loopback", "domain endpoint hl7 soap store validation"),
];

/// What puts the others together may know all of them.
const COMPOSITION: &[&str] = &["app", "cli", "config", "lib", "main", "server", "telemetry"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a module: `module.rs` or everything under `module/`.
fn rust_files(module: &str) -> Vec<PathBuf> {
    let (file, folder) = (source().join(format!("{module}.rs")), source().join(module));
    let mut files = if folder.is_dir() { files_under(&folder) } else { vec![] };
    files.extend(Some(file).filter(|file| file.is_file()));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// The word after `crate::`; a group of imports has none, and so is never allowed.
fn leading_word(after: &str) -> &str {
    let end = after.find(|one: char| !(one.is_ascii_alphanumeric() || one == '_'));
    &after[..end.unwrap_or(after.len())]
}

#[test]
fn imports_point_down() {
    let mut wrong = vec![];
    for (module, allowed) in MAY_IMPORT {
        let files = rust_files(module);
        assert!(!files.is_empty(), "no module {module}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for name in text.split("crate::").skip(1).map(leading_word) {
                if name != *module && !allowed.split(' ').any(|known| known == name) {
                    wrong.push(format!("{} imports {name:?}", file.display()));
                }
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_floor() {
    let mut unknown = vec![];
    for entry in fs::read_dir(source()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".rs");
        if !COMPOSITION.contains(&name) && !MAY_IMPORT.iter().any(|(module, _)| *module == name) {
            unknown.push(name.to_owned());
        }
    }

    assert!(unknown.is_empty(), "on no floor: {unknown:?}");
}

#[test]
fn no_module_is_allowed_to_import_one_that_may_import_it() {
    let allowed = |module: &str| {
        MAY_IMPORT.iter().find(|(name, _)| *name == module).map_or("", |(_, allowed)| allowed)
    };
    for (module, names) in MAY_IMPORT {
        let mut below: Vec<&str> = names.split_whitespace().collect();
        while let Some(name) = below.pop() {
            assert_ne!(name, *module, "{module} stands below itself");
            below.extend(allowed(name).split_whitespace());
        }
    }
}
