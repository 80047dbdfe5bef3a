use std::path::Path;

use insta::assert_snapshot;
use secrecy::ExposeSecret;

use super::super::testing::{identity, project, run, show, ssh_key, write};
use super::super::{Secrets, passphrase};
use super::*;

const TEXT: &str = "_fingerprint_key: \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"\nsmtp_password: hunter2\n";
const NAME: &str = "secrets/prod.yml.age";

fn load(root: &Path, identity: &Identity) -> Result<Secrets> {
    Secrets::load(root, "prod", identity)
}

/// What loading `bytes` says; the value must be nowhere in it.
fn failure(root: &Path, identity: &Identity, bytes: &[u8]) -> String {
    write(root, NAME, bytes);
    let shown = show(&load(root, identity).unwrap_err());
    assert!(!shown.contains("hunter2"), "{shown}");
    shown
}

fn encrypted(root: &Path, text: &str) -> Vec<u8> {
    Recipients::load(root, "prod").unwrap().encrypt(text.as_bytes()).unwrap()
}

#[test]
fn the_age_command_and_we_read_each_others_files() {
    let folder = tempfile::tempdir().unwrap();
    let x25519 = folder.path().join("key.txt");
    let (_, public) = super::super::generate_identity(Some(&x25519)).unwrap();
    let keys = [(x25519, public), ssh_key(folder.path(), "ed25519", ""), ssh_key(folder.path(), "rsa", "")];
    let all: Vec<&str> = keys.iter().map(|(_, public)| public.as_str()).collect();
    let root = project(&all);
    let ours = encrypted(root.path(), TEXT);
    assert!(ours.starts_with(ARMOR_BEGIN.as_bytes()));
    let to_all = |armor: &[&str]| {
        let recipients = all.iter().flat_map(|public| ["-r", public]);
        run("age", &recipients.chain(armor.iter().copied()).collect::<Vec<_>>(), TEXT.as_bytes())
    };
    for (path, public) in &keys {
        let file = path.to_str().unwrap();
        assert_eq!(run("age", &["-d", "-i", file], &ours), TEXT.as_bytes());
        let identity = Identity::find(Some(path)).unwrap();
        for theirs in [
            run("age", &["-a", "-r", public], TEXT.as_bytes()),
            run("age", &["-r", public], TEXT.as_bytes()),
            to_all(&["-a"]),
            to_all(&[]),
        ] {
            write(root.path(), NAME, &theirs);
            let secrets = load(root.path(), &identity).unwrap();
            assert_eq!(secrets.get("smtp_password").unwrap().expose_secret(), "hunter2");
            assert_eq!(super::super::view(root.path(), "prod", &identity).unwrap().expose_secret(), TEXT);
        }
    }
}

#[test]
fn a_locked_ssh_key_is_unlocked_only_for_a_file_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["ed25519", "rsa"] {
        let (path, public) = ssh_key(folder.path(), kind, "correct horse");
        let text = std::fs::read_to_string(path).unwrap();
        let root = project(&[&public]);
        write(root.path(), NAME, &encrypted(root.path(), TEXT));
        let parse = |ask| Identity::parse("~/.ssh/id_ed25519", &text, ask).unwrap();
        let right = parse(|_| Ok("correct horse".into()));
        load(root.path(), &right).unwrap();
        let wrong = parse(|_| Ok("wrong".into()));
        let nobody = parse(|what| Err(Error::usage(format!("ask for {what}")).cause("there is no terminal")));
        insta::allow_duplicates! {
            assert_snapshot!(show(&load(root.path(), &wrong).unwrap_err()), @"[Usage] unlock the identity ~/.ssh/id_ed25519: the passphrase is not the right one");
            assert_snapshot!(show(&load(root.path(), &nobody).unwrap_err()), @r"
            [Usage] ask for the passphrase of ~/.ssh/id_ed25519: there is no terminal
            → The key ~/.ssh/id_ed25519 has a passphrase, and an SSH agent cannot decrypt; where nobody can type it, set PROVISION_IDENTITY to a key of its own.
            ");
        }

        let (_, stranger) = identity();
        write(root.path(), "secrets/recipients.txt", stranger.as_bytes());
        write(root.path(), NAME, &encrypted(root.path(), TEXT));
        let shown = show(&load(root.path(), &parse(|_| panic!("asked"))).unwrap_err());
        assert!(shown.contains("not encrypted to your identity"), "{shown}");
    }
}

#[test]
fn a_terminal_is_not_waited_for_where_there_is_none() {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() && !std::io::stderr().is_terminal() {
        assert_snapshot!(show(&passphrase::ask("the passphrase of key.txt").unwrap_err()), @"[Usage] ask for the passphrase of key.txt: there is no terminal to ask on");
    }
}

#[test]
fn a_stranger_is_told_what_to_ask_for() {
    let (ours, our_key) = identity();
    let (theirs, their_key) = identity();
    let root = project(&[&their_key]);
    let bytes = encrypted(root.path(), TEXT);
    let named = |text: String| text.replace(&our_key, "OURS").replace(&their_key, "THEIRS");
    assert_snapshot!(named(failure(root.path(), &ours, &bytes)), @r"
    [Usage] open secrets/prod.yml.age: it is not encrypted to your identity key.txt (public key: OURS)
    → Ask a colleague who can open it to run: provision secrets recipients add OURS
    → If you have another key that is meant for it, name it with --identity.
    ");
    // Listed since, but the file is older.
    write(root.path(), "secrets/recipients.txt", format!("{their_key}\n{our_key}").as_bytes());
    assert_snapshot!(named(failure(root.path(), &ours, &bytes)), @r"
    [Usage] open secrets/prod.yml.age: it is not encrypted to your identity key.txt (public key: OURS)
    → secrets/recipients.txt has your key, but the file was not encrypted again since: ask a colleague who can open it to run `provision secrets rekey`.
    ");
    // An identity for one environment does not open another's.
    write(root.path(), "secrets/staging.recipients.txt", our_key.as_bytes());
    let staging = Recipients::load(root.path(), "staging").unwrap().encrypt(TEXT.as_bytes()).unwrap();
    write(root.path(), "secrets/staging.yml.age", &staging);
    Secrets::load(root.path(), "staging", &ours).unwrap();
    let shown = show(&Secrets::load(root.path(), "staging", &theirs).unwrap_err());
    assert!(
        shown.contains("secrets/staging.yml.age")
            && shown.contains("recipients add --environment staging age1"),
        "{shown}"
    );
}

#[test]
fn what_is_no_age_file_says_so() {
    let (identity, recipient) = identity();
    let root = project(&[&recipient]);
    let missing = show(&load(root.path(), &identity).unwrap_err());
    assert_snapshot!(missing, @r"
    [Usage] read secrets/prod.yml.age: there is no such file
    → Run `provision secrets edit prod`: it makes one.
    ");
    let said = |bytes: &[u8]| failure(root.path(), &identity, bytes);
    assert_snapshot!(said(b" \n"), @r"
    [Usage] open secrets/prod.yml.age: it is empty
    → Take it from git again, or remove it to begin a new one.
    ");
    assert_snapshot!(said(TEXT.as_bytes()), @r"
    [Usage] open secrets/prod.yml.age: it is not an age file
    → If it is plain text: encrypt it with `age -a -R secrets/recipients.txt`, and change every secret that was ever committed that way.
    ");
    let conflict = format!("<<<<<<< HEAD\n{ARMOR_BEGIN}\n=======\n{ARMOR_BEGIN}\n>>>>>>> other\n");
    assert_snapshot!(said(conflict.as_bytes()), @r"
    [Usage] open secrets/prod.yml.age: it holds git's conflict markers: two encrypted files cannot be merged
    → Take one side (`git checkout --ours` or `--theirs`) and make the other's change with `provision secrets edit`.
    ");
    assert_snapshot!(said(b"age-encryption.org/v9\n-> X25519 abc\n---\n"), @r"
    [Usage] open secrets/prod.yml.age: it is a version of age files that this program does not know
    → Update provision.
    ");
    let mut passphrase = age::scrypt::Recipient::new("x".into());
    passphrase.set_work_factor(2);
    let one = || std::iter::once(&passphrase as &dyn age::Recipient);
    assert_snapshot!(said(&encrypt(b"x", one(), Format::AsciiArmor).unwrap()), @r"
    [Usage] open secrets/prod.yml.age: it is encrypted with a passphrase, not to keys
    → Decrypt it with `age -d` and encrypt it again with `age -a -R secrets/recipients.txt`.
    ");
    let x25519: age::x25519::Recipient = recipient.parse().unwrap();
    let one = || std::iter::once(&x25519 as &dyn age::Recipient);
    assert_snapshot!(said(&encrypt(b"\xff\xfe", one(), Format::AsciiArmor).unwrap()), @"[Usage] open secrets/prod.yml.age: what it holds is UTF-16 text, not UTF-8");
}

#[test]
fn what_was_cut_short_says_so_wherever_it_was_cut() {
    let (identity, recipient) = identity();
    let root = project(&[&recipient]);
    let armored = encrypted(root.path(), TEXT);
    assert_snapshot!(failure(root.path(), &identity, &armored[..armored.len() / 2]), @r"
    [Usage] open secrets/prod.yml.age: it is cut short: its last line (END AGE ENCRYPTED FILE) is missing
    → Take it from git again: `git checkout -- secrets/prod.yml.age`.
    ");
    let binary = dearmor(&armored).unwrap();
    assert_snapshot!(failure(root.path(), &identity, &binary[..100]), @r"
    [Usage] open secrets/prod.yml.age: it is cut short: it ends within its header
    → Take it from git again: `git checkout -- secrets/prod.yml.age`.
    ");
    for length in ARMOR_BEGIN.len()..armored.len() - 1 {
        let shown = failure(root.path(), &identity, &armored[..length]);
        assert!(shown.contains("cut short"), "{length}: {shown}");
    }
    for length in BINARY_BEGIN.len()..binary.len() {
        let shown = failure(root.path(), &identity, &binary[..length]);
        assert!(shown.contains("cut"), "{length}: {shown}");
    }
    let padded = [armored.as_slice(), b"hello\n"].concat();
    assert_snapshot!(failure(root.path(), &identity, &padded), @r"
    [Usage] open secrets/prod.yml.age: it is damaged: there is something after its last line
    → Take it from git again: `git checkout -- secrets/prod.yml.age`.
    ");
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let (identity, recipient) = identity();
    let root = project(&[&recipient]);
    let armored = encrypted(root.path(), TEXT);
    let binary = dearmor(&armored).unwrap();
    let mut said = std::collections::BTreeSet::new();
    for whole in [&armored, &binary] {
        for offset in 0..whole.len() - 1 {
            let mut bytes = whole.clone();
            bytes[offset] ^= 1;
            if dearmor(&bytes).is_ok_and(|changed| changed == binary) {
                continue;
            }
            let shown = failure(root.path(), &identity, &bytes).replace(&recipient, "OURS");
            said.insert(shown.lines().next().unwrap().to_owned());
        }
    }
    assert_snapshot!(said.into_iter().collect::<Vec<_>>().join("\n"), @r"
    [Usage] open secrets/prod.yml.age: it is a version of age files that this program does not know
    [Usage] open secrets/prod.yml.age: it is cut short: it ends within its header
    [Usage] open secrets/prod.yml.age: it is cut short: its last line (END AGE ENCRYPTED FILE) is missing
    [Usage] open secrets/prod.yml.age: it is damaged: a part of it was cut off or changed after it was encrypted
    [Usage] open secrets/prod.yml.age: it is damaged: its header is not what age writes
    [Usage] open secrets/prod.yml.age: it is damaged: its header was changed after it was encrypted
    [Usage] open secrets/prod.yml.age: it is damaged: its text is not what age writes (base64 in lines of 64)
    [Usage] open secrets/prod.yml.age: it is not an age file
    [Usage] open secrets/prod.yml.age: it is not encrypted to your identity key.txt (public key: OURS)
    ");
}

#[test]
fn a_decrypted_text_with_mistakes_is_not_shown() {
    let (identity, recipient) = identity();
    let root = project(&[&recipient]);
    let said = |text: &str| failure(root.path(), &identity, &encrypted(root.path(), text));
    assert_snapshot!(said("a: hunter2\na: hunter2\nb: [hunter2]\n"), @r"
    [Usage] read secrets/prod.yml.age; secrets/prod.yml.age (decrypted):2:1: a second value for `a`; secrets/prod.yml.age (decrypted):3:4: a value that is a list or a map
    → Remove one of the two.
    → A secret is one text; write a long one as a block (`name: |`).
    ");
    assert_snapshot!(said("a: hunter2\n"), @r"
    [Usage] read secrets/prod.yml.age: `_fingerprint_key` is missing: without it a changed secret would go unnoticed
    → Run `provision secrets edit prod` and save: it is added.
    ");
    assert_snapshot!(said("a: hunter2\n_fingerprint_key: hunter2\n"), @r"
    [Usage] read secrets/prod.yml.age: `_fingerprint_key` is not 64 hexadecimal digits
    → Remove its line with `provision secrets edit prod`: a new one is added when you save. The next deploy then takes every secret as changed.
    ");
}

#[test]
fn a_file_that_passed_through_windows_is_read() {
    let (ours, recipient) = identity();
    let root = project(&[&recipient]);
    let windows = format!("\u{feff}{TEXT}key: |\n  two\n  lines\n").replace('\n', "\r\n");
    let armored = String::from_utf8(encrypted(root.path(), &windows)).unwrap();
    write(root.path(), NAME, format!("\u{feff}{}", armored.replace('\n', "\r\n")).as_bytes());
    let secrets = load(root.path(), &ours).unwrap();
    assert_eq!(secrets.get("smtp_password").unwrap().expose_secret(), "hunter2");
    assert_eq!(secrets.get("key").unwrap().expose_secret(), "two\nlines\n");
    super::super::set(root.path(), "prod", &ours, &"smtp_password".parse().unwrap(), &"hunter3".into())
        .unwrap();
    let secrets = load(root.path(), &ours).unwrap();
    assert_eq!(secrets.get("smtp_password").unwrap().expose_secret(), "hunter3");
    assert_eq!(secrets.get("key").unwrap().expose_secret(), "two\nlines\n");
    let utf16: Vec<u8> = armored.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_snapshot!(failure(root.path(), &ours, &[b"\xff\xfe".as_slice(), &utf16].concat()), @r"
    [Usage] open secrets/prod.yml.age: it is UTF-16 text, not UTF-8
    → Take it from git again: `git checkout -- secrets/prod.yml.age`.
    ");
}

#[test]
fn a_key_of_a_plugin_is_named_where_the_others_do_not_fit() {
    let (_, recipient) = identity();
    let root = project(&[&recipient]);
    let key = age::x25519::Identity::generate();
    let text = format!("{}\nAGE-PLUGIN-YUBIKEY-1HUNTER2\n", key.to_string().expose_secret());
    let other = Identity::parse("key.txt", &text, |_| panic!("asked")).unwrap();
    let public = key.to_public().to_string();
    let shown = failure(root.path(), &other, &encrypted(root.path(), TEXT)).replace(&public, "age1…");
    assert_snapshot!(shown, @r"
    [Usage] open secrets/prod.yml.age: it is not encrypted to your identity key.txt (public key: age1…): line 2 of key.txt is a key of an age plugin, which provision cannot use; the other keys are used
    → Ask a colleague who can open it to run: provision secrets recipients add age1…
    → If you have another key that is meant for it, name it with --identity.
    ");
}
