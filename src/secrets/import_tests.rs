use insta::assert_snapshot;

use super::super::testing::{identity, project, show};
use super::super::{Secrets, set as set_one, view};
use super::*;

/// `hunter2: é`, see vault.rs.
const VAULT: &str = include_str!("../../tests/fixtures/vault/string.vault");

struct Desk {
    root: tempfile::TempDir,
    identity: Identity,
}

impl Desk {
    fn new() -> Self {
        let (identity, recipient) = identity();
        Self { root: project(&[&recipient]), identity }
    }

    fn import(&self, text: &str, force: bool) -> Result<Imported> {
        let names = ["smtp_password".to_owned()];
        let root = self.root.path();
        Import { root, environment: "prod", identity: &self.identity, names: &names, force }.run(
            "vault.yml",
            text,
            &"correct horse".into(),
        )
    }

    fn value(&self, name: &str) -> String {
        let secrets = Secrets::load(self.root.path(), "prod", &self.identity).unwrap();
        secrets.get(name).unwrap().expose_secret().to_owned()
    }
}

/// The vault as a value at the end of a line, as `ansible-vault encrypt_string` prints it.
fn inline(vault: &str) -> String {
    let mut text = "!vault |".to_owned();
    for line in vault.lines() {
        text.push_str("\n          ");
        text.push_str(line);
    }
    text
}

#[test]
fn a_whole_file_is_taken_with_names_of_our_kind() {
    let desk = Desk::new();
    assert_snapshot!(show(&desk.import("a: 1\n", false).unwrap_err()), @r"
    [Usage] open vault.yml: it is no vault, and none of its values is one (`!vault`)
    → `provision secrets set ENVIRONMENT NAME` takes a value that is in the clear.
    ");
    let imported = desk.import(VAULT, false).unwrap();
    assert_eq!(imported.taken, [("hunter2".to_owned(), "hunter2".parse().unwrap())]);
    assert_eq!(desk.value("hunter2"), "é");
    // Once more: nothing to do, and nothing is written.
    let before = view(desk.root.path(), "prod", &desk.identity).unwrap().expose_secret().to_owned();
    let imported = desk.import(VAULT, false).unwrap();
    assert_eq!((imported.taken.len(), imported.unchanged.len()), (0, 1));
    assert_eq!(view(desk.root.path(), "prod", &desk.identity).unwrap().expose_secret(), before);
}

#[test]
fn single_values_are_taken_and_what_is_no_vault_is_not() {
    let desk = Desk::new();
    let vault = inline(VAULT);
    let text = format!(
        "plain: hunter2\nvault_smtp_password: {vault}\nMail:\n  Api-Key: {vault}\nlist: [{{a: b}}]\n"
    );
    let imported = desk.import(&text, false).unwrap();
    let taken: Vec<String> = imported.taken.iter().map(|(from, to)| format!("{from} → {to}")).collect();
    assert_eq!(taken, ["Mail.Api-Key → mail_api_key", "vault_smtp_password → smtp_password"]);
    assert_eq!(desk.value("smtp_password"), "hunter2: é\n");
    assert_eq!(imported.left, []);
}

#[test]
fn a_secret_that_is_there_is_replaced_only_by_force() {
    let desk = Desk::new();
    let set = |value: &str| {
        set_one(desk.root.path(), "prod", &desk.identity, &"hunter2".parse().unwrap(), &value.into()).unwrap()
    };
    set("mine");
    assert_snapshot!(show(&desk.import(VAULT, false).unwrap_err()), @r"
    [Usage] import vault.yml into prod: secrets/prod.yml.age has another value already for `hunter2`
    → Nothing was saved. `--force` replaces them.
    ");
    assert_eq!(desk.value("hunter2"), "mine");
    desk.import(VAULT, true).unwrap();
    assert_eq!(desk.value("hunter2"), "é");
}

#[test]
fn two_variables_for_one_secret_are_refused() {
    let desk = Desk::new();
    let vault = inline(VAULT);
    // The same value twice is one secret.
    desk.import(&format!("a-b: {vault}\na_b: {vault}\n"), false).unwrap();
    let other = inline(include_str!("../../tests/fixtures/vault/other.vault"));
    assert_snapshot!(show(&desk.import(&format!("a.b: {vault}\nA_B: {other}\n"), false).unwrap_err()), @r"
    [Usage] import vault.yml into prod; vault.yml: `a.b` and `A_B` would both be the secret `a_b`
    → Nothing was saved.
    → Rename one of them there, or take it over with `provision secrets set`.
    ");
}

#[test]
fn what_cannot_be_a_secret_is_left_out_with_the_reason() {
    let values = variables("a: ~\nb: [1]\nc: 0123\nd: {e: yes}\n_f: x\ng: ''\n").unwrap().unwrap();
    let shown: Vec<String> = values
        .into_iter()
        .map(|found| found.open(&"".into()).0)
        .map(|Variable { path, value }| match value {
            Ok(value) => format!("{path}={}", value.expose_secret()),
            Err(why) => format!("{path}: {why}"),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "a: it has no value",
            "b: it is a list or nested too deep",
            "c=0123",
            "d.e=yes",
            "_f=x",
            "g: it is empty"
        ]
    );
    let desk = Desk::new();
    let vault = inline(VAULT);
    let imported = desk.import(&format!("_own: {vault}\nété: {vault}\n1st: {vault}\n"), false).unwrap();
    assert_eq!(imported.taken, []);
    let left: Vec<String> = imported.left.iter().map(|(from, why)| format!("{from} {why}")).collect();
    assert_eq!(
        left,
        [
            "_own would be a name that starts with `_`: those belong to provision",
            "été would be a name that does not start with a letter a-z",
            "1st would be a name that does not start with a letter a-z"
        ]
    );
    assert!(!desk.root.path().join("secrets/prod.yml.age").exists(), "nothing to take makes no file");
}

#[test]
fn a_wrong_password_and_a_damaged_file_say_so() {
    let desk = Desk::new();
    let import = |text: &str, password: &str| {
        let root = desk.root.path();
        let import = Import { root, environment: "prod", identity: &desk.identity, names: &[], force: false };
        show(&import.run("vault.yml", text, &password.into()).unwrap_err())
    };
    assert_snapshot!(import(VAULT, "wrong"), @"[Usage] open vault.yml: the password is not that of the vault id `prod`, or the vault is damaged");
    assert_snapshot!(import(&format!("a: {}\n", inline(VAULT)), "wrong"), @"[Usage] open vault.yml: the password is not that of the vault id `prod`, or the vault is damaged");
    assert_snapshot!(import(&VAULT[..200], "correct horse"), @"[Usage] open vault.yml: a vault that is cut short or damaged: it is not what ansible-vault writes");
    assert_snapshot!(import("a: \"hunter2\nb: c\n", "x"), @r"
    [Usage] read vault.yml; vault.yml:1:4: not YAML
    → Correct it with `ansible-vault edit`.
    ");
}

#[test]
fn a_vault_below_a_mark_and_a_document_s_start_is_read() {
    for above in ["\u{feff}", "---\n", "\u{feff}---\r\n# ours\r\n"] {
        let desk = Desk::new();
        let imported = desk.import(&format!("{above}{VAULT}"), false).unwrap();
        assert_eq!(imported.taken.len(), 1, "{above:?}");
        assert_eq!(desk.value("hunter2"), "é");
    }
}
