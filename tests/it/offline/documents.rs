//! What the documents name is there.

use std::path::Path;

/// All Rust sources below a folder, in one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn each_test_that_the_threat_model_names_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in ["src", "tests"] {
        sources(&root.join(folder), &mut code);
    }
    let document = std::fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    // A name of several words; `keep_releases` and the like are shorter.
    let named: Vec<&str> = document
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.matches('_').count() >= 2 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        })
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let test = format!("fn {name}() {{");
        assert!(code.contains(&test), "docs/threat-model.md names {name}, and there is no such test");
    }
}
