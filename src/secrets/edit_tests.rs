use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use insta::assert_snapshot;
use secrecy::ExposeSecret;

use super::super::testing::{identity, project, show, write};
use super::super::{Secrets, set, view};
use super::*;

/// A project, its identity, and scripts that stand in for a person with an editor.
struct Desk {
    root: tempfile::TempDir,
    identity: Identity,
    recipient: String,
}

impl Desk {
    fn new() -> Self {
        let (identity, recipient) = identity();
        Self { root: project(&[&recipient]), identity, recipient }
    }

    fn with_secrets() -> Self {
        let desk = Self::new();
        set(desk.root.path(), "prod", &desk.identity, &"a".parse().unwrap(), &"hunter2".into()).unwrap();
        desk
    }

    fn script(&self, body: &str) -> Editor {
        let path: PathBuf = self.root.path().join("editor");
        std::fs::write(&path, format!("#!/bin/sh\nset -eu\ncd '{}'\n{body}\n", self.root.path().display()))
            .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Editor::new(format!("sh '{}'", path.display()))
    }

    async fn edit(&self, script: &str, again: &mut dyn FnMut(&Error) -> bool) -> Result<Edited> {
        let names = ["smtp_password".to_owned(), "admin_password".to_owned()];
        let editor = self.script(script);
        Edit { root: self.root.path(), environment: "prod", identity: &self.identity, names: &names, editor }
            .run(again)
            .await
    }

    async fn refused(&self, script: &str) -> String {
        let before = self.bytes();
        let shown = show(&self.edit(script, &mut |_| false).await.unwrap_err());
        assert_eq!(self.bytes(), before, "the old file is kept");
        assert!(!shown.contains("hunter2"), "{shown}");
        self.nothing_left();
        shown.replace(self.root.path().to_str().unwrap(), "ROOT").replace(&self.recipient, "OURS")
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        std::fs::read(self.root.path().join("secrets/prod.yml.age")).ok()
    }

    fn text(&self) -> String {
        view(self.root.path(), "prod", &self.identity).unwrap().expose_secret().to_owned()
    }

    /// The script wrote down where the plain text was; nothing may be there any more.
    fn nothing_left(&self) {
        if let Ok(folder) = std::fs::read_to_string(self.root.path().join("where")) {
            assert!(!Path::new(folder.trim()).exists(), "{folder} is left");
        }
    }
}

const NOTE: &str = "dirname \"$1\" > where";

#[tokio::test]
async fn a_changed_text_is_saved_and_the_key_stays() {
    let desk = Desk::with_secrets();
    let fingerprint = |desk: &Desk| {
        Secrets::load(desk.root.path(), "prod", &desk.identity).unwrap().fingerprint("a").unwrap()
    };
    let before = fingerprint(&desk);
    let script = format!(
        "{NOTE}; stat -c %a \"$1\" \"$(dirname \"$1\")\" > modes; stat -f -c %T \"$1\" > kind; cp \"$1\" \"$1~\"; echo 'b: new # why' >> \"$1\""
    );
    assert_eq!(desk.edit(&script, &mut |_| panic!("asked")).await.unwrap(), Edited::Saved);
    assert!(desk.text().contains("b: new # why\n"));
    assert_eq!(std::fs::read_to_string(desk.root.path().join("modes")).unwrap(), "600\n700\n");
    assert_eq!(std::fs::read_to_string(desk.root.path().join("kind")).unwrap(), "tmpfs\n");
    desk.nothing_left();
    assert_eq!(fingerprint(&desk), before);
    // Even where somebody removes it.
    desk.edit("sed -i '/fingerprint/d; /^#/d' \"$1\"", &mut |_| false).await.unwrap();
    assert_eq!(fingerprint(&desk), before);
}

#[tokio::test]
async fn an_unchanged_text_leaves_the_file_alone() {
    let desk = Desk::with_secrets();
    let before = desk.bytes();
    assert_eq!(desk.edit(NOTE, &mut |_| false).await.unwrap(), Edited::Unchanged);
    assert_eq!(desk.bytes(), before);
    desk.nothing_left();
    let desk = Desk::new();
    assert_eq!(desk.edit(NOTE, &mut |_| false).await.unwrap(), Edited::Unchanged);
    assert_eq!(desk.bytes(), None, "an untouched template makes no file");
}

#[tokio::test]
async fn a_new_file_starts_from_a_template_of_the_names() {
    let desk = Desk::new();
    let script = "cp \"$1\" seen; sed -i \"s/^# smtp_password: ''/smtp_password: 's3cret'/\" \"$1\"";
    assert_eq!(desk.edit(script, &mut |_| false).await.unwrap(), Edited::Created);
    assert_snapshot!(std::fs::read_to_string(desk.root.path().join("seen")).unwrap(), @r"
    # The secrets of prod: one `name: 'value'` a line.
    # They are saved encrypted to everyone in secrets/recipients.txt.
    # The stack needs these; take the `# ` away and fill them in:
    # smtp_password: ''
    # admin_password: ''
    ");
    let secrets = Secrets::load(desk.root.path(), "prod", &desk.identity).unwrap();
    assert_eq!(secrets.names().collect::<Vec<_>>(), ["smtp_password"]);
    assert!(secrets.fingerprint("smtp_password").is_some());
}

#[tokio::test]
async fn a_file_without_a_fingerprint_key_gets_one_by_a_mere_look() {
    let desk = Desk::new();
    let recipients = super::super::Recipients::load(desk.root.path(), "prod").unwrap();
    write(desk.root.path(), "secrets/prod.yml.age", &recipients.encrypt(b"a: x\n").unwrap());
    Secrets::load(desk.root.path(), "prod", &desk.identity).unwrap_err();
    assert_eq!(desk.edit("true", &mut |_| false).await.unwrap(), Edited::Saved);
    Secrets::load(desk.root.path(), "prod", &desk.identity).unwrap();
}

#[tokio::test]
async fn a_mistake_opens_the_editor_again_where_somebody_says_so() {
    let desk = Desk::with_secrets();
    let script = "if [ -e twice ]; then sed -i '/^Bad/d' \"$1\"; else : > twice; echo 'Bad: hunter2' >> \"$1\"; echo 'c: 1' >> \"$1\"; fi";
    let mut asked = Vec::new();
    let mut again = |error: &Error| {
        asked.push(show(error));
        true
    };
    assert_eq!(desk.edit(script, &mut again).await.unwrap(), Edited::Saved);
    assert_snapshot!(asked.join("\n"), @r"
    [Usage] read what you wrote for secrets/prod.yml.age; secrets/prod.yml.age (decrypted):8:1: a name that does not start with a letter a-z
    → A name is lower-case letters, digits and `_`, and begins with a letter.
    ");
    assert!(desk.text().ends_with("c: 1\n"));
}

#[tokio::test]
async fn what_goes_wrong_keeps_the_old_file() {
    let desk = Desk::with_secrets();
    let fails = format!("{NOTE}; echo 'b: 1' >> \"$1\"; exit 3");
    assert_snapshot!(desk.refused(&fails).await, @r"
    [Usage] edit secrets/prod.yml.age: the editor `sh 'ROOT/editor'` ended with exit status: 3
    → The old file was kept. $VISUAL or $EDITOR names the editor to use.
    ");
    assert_snapshot!(desk.refused(&format!("{NOTE}; echo 'a: 1' >> \"$1\"")).await, @r"
    [Usage] read what you wrote for secrets/prod.yml.age; secrets/prod.yml.age (decrypted):8:1: a second value for `a`
    → Nothing was saved; the old file was kept.
    → Remove one of the two.
    ");
    assert_snapshot!(desk.refused(&format!("{NOTE}; : > \"$1\"")).await, @r"
    [Usage] read what you wrote for secrets/prod.yml.age: it is empty
    → Nothing was saved; the old file was kept.
    ");
    assert_snapshot!(desk.refused(&format!("{NOTE}; printf 'a: \\377\\n' > \"$1\"")).await, @r"
    [Usage] read what you wrote for secrets/prod.yml.age: it is not UTF-8 text
    → Nothing was saved; the old file was kept.
    ");
    assert_snapshot!(desk.refused(&format!("{NOTE}; rm \"$1\"")).await, @r"
    [Usage] edit secrets/prod.yml.age: the file that the editor had cannot be read: No such file or directory (os error 2)
    → The old file was kept.
    ");
}

#[tokio::test]
async fn somebody_elses_change_is_not_overwritten() {
    let desk = Desk::with_secrets();
    let script = format!("{NOTE}; echo 'b: 1' >> \"$1\"; echo theirs > secrets/prod.yml.age");
    let shown = show(&desk.edit(&script, &mut |_| false).await.unwrap_err());
    assert_snapshot!(shown, @r"
    [Usage] write secrets/prod.yml.age: the file changed meanwhile; it was left as it is now, and your change was not saved
    → Make your change again on top of the other one.
    ");
    assert_eq!(desk.bytes().unwrap(), b"theirs\n");
    desk.nothing_left();
    // The same for a file that appeared meanwhile.
    let desk = Desk::new();
    desk.edit(&script, &mut |_| false).await.unwrap_err();
    assert_eq!(desk.bytes().unwrap(), b"theirs\n");
}

#[tokio::test]
async fn nobody_locks_themselves_out() {
    let desk = Desk::with_secrets();
    let (_, stranger) = identity();
    write(desk.root.path(), "secrets/recipients.txt", stranger.as_bytes());
    assert_snapshot!(desk.refused("touch opened").await, @r"
    [Usage] encrypt secrets/prod.yml.age: secrets/recipients.txt does not have the key of your identity key.txt: you could not open the file again
    → Add this line to it: OURS
    ");
    assert!(!desk.root.path().join("opened").exists());
}

#[tokio::test]
async fn the_key_is_kept_from_the_editor_and_temporary_files_stay_in_memory() {
    let desk = Desk::with_secrets();
    desk.edit("env > environment; dirname \"$1\" > where", &mut |_| false).await.unwrap();
    let read = |name: &str| std::fs::read_to_string(desk.root.path().join(name)).unwrap();
    assert!(read("environment").contains(&format!("TMPDIR={}", read("where"))));
    assert!(!read("environment").contains("PROVISION_IDENTITY"));
}

#[test]
fn vim_is_told_to_keep_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, real, expected) in [("vi", "vim.tiny", true), ("ed", "busybox", false), ("nvim", "", true)] {
        let path = folder.join(name);
        if real.is_empty() {
            std::fs::write(&path, "").unwrap();
        } else {
            std::fs::write(folder.join(real), "").unwrap();
            std::os::unix::fs::symlink(folder.join(real), &path).unwrap();
        }
        let editor = Editor::new(format!("{} -x", path.display()));
        assert_eq!(!editor.precautions().is_empty(), expected, "{name}");
    }
}
