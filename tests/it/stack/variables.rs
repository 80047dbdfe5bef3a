//! docs/stack.md has every variable as stack/monitoring/variables.yml declares it. `UPDATE_DOCS=1` writes the tables.

use std::fmt::Write as _;
use std::path::Path;

use serde_yaml::Value;

/// The tables stand between these two headings, after the words that introduce them.
const HEADING: &str = "\n## Variables\n";
const NEXT: &str = "\n## Tuning\n";

#[test]
fn the_tables_of_variables_are_those_of_the_declarations() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/stack.md")).unwrap();
    let declarations = std::fs::read_to_string(root.join("stack/monitoring/variables.yml")).unwrap();
    let start = page.find(HEADING).unwrap();
    let start = start + page[start..].find("\n### ").unwrap();
    let end = page.find(NEXT).unwrap();
    let wanted = tables(&declarations);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = format!("{}{wanted}{}", &page[..start], &page[end..]);
        std::fs::write(root.join("docs/stack.md"), page).unwrap();
        return;
    }
    assert!(
        page[start..end] == wanted,
        "docs/stack.md has other variables than variables.yml: `UPDATE_DOCS=1 cargo test --test it stack::variables`"
    );
}

/// A heading and a table for each `# --- title ---` of the declarations.
fn tables(declarations: &str) -> String {
    let parsed: Value = serde_yaml::from_str(declarations).unwrap();
    let mut text = String::new();
    for line in declarations.lines() {
        if let Some(title) = line.trim().strip_prefix("# --- ") {
            let title = title.split([':', '-']).next().unwrap().trim();
            let (first, rest) = title.split_at(1);
            write!(text, "\n### {}{rest}\n\n", first.to_uppercase()).unwrap();
            text.push_str("| variable | type | default | meaning |\n|---|---|---|---|\n");
        } else if let Some(name) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'))
            && !name.starts_with([' ', '#'])
        {
            rows(name, &parsed["variables"][name], &mut text);
        }
    }
    text
}

/// A variable's row, and one for each declared entry of a map.
fn rows(name: &str, declaration: &Value, text: &mut String) {
    let shown = match declaration.get("default") {
        None => format!("**`{name}`**"),
        Some(_) => format!("`{name}`"),
    };
    let help = declaration["help"].as_str().unwrap_or_else(|| panic!("{name} has no help"));
    let (kind, default) = (kind(declaration), default(declaration.get("default")));
    writeln!(text, "| {shown} | {kind} | {default} | {} |", help.replace('|', "\\|")).unwrap();
    for (key, entry) in declaration.get("keys").and_then(Value::as_mapping).into_iter().flatten() {
        rows(&format!("{name}.{}", key.as_str().unwrap()), entry, text);
    }
}

fn kind(declaration: &Value) -> String {
    let kind = declaration["type"].as_str().unwrap();
    if let Some(items) = declaration.get("items").and_then(Value::as_str) {
        return format!("{kind} of {items}");
    }
    let values = declaration.get("values").and_then(Value::as_sequence).into_iter().flatten();
    let values: Vec<String> = values.map(|value| format!("`{}`", value.as_str().unwrap())).collect();
    if values.is_empty() { kind.to_owned() } else { values.join(" or ") }
}

fn default(default: Option<&Value>) -> String {
    let scalar = |value: &Value| {
        let text = value.as_str().map_or_else(|| serde_yaml::to_string(value).unwrap(), str::to_owned);
        text.trim().replace('|', "\\|")
    };
    let listed = |parts: Vec<String>| if parts.is_empty() { "empty".to_owned() } else { parts.join(", ") };
    match default {
        None => "must be set".to_owned(),
        Some(Value::Null) => "none".to_owned(),
        Some(Value::Sequence(list)) => {
            listed(list.iter().map(|item| format!("`{}`", scalar(item))).collect())
        }
        Some(Value::Mapping(map)) => {
            listed(map.iter().map(|(key, value)| format!("`{}: {}`", scalar(key), scalar(value))).collect())
        }
        Some(value) => format!("`{}`", scalar(value)),
    }
}
