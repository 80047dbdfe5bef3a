use insta::assert_snapshot;

use super::super::testing::{run, run_typing, show, ssh_key, write};
use super::*;

fn never(_: &str) -> Result<SecretString> {
    panic!("nobody should be asked")
}

fn key() -> (Zeroizing<String>, String) {
    let key = age::x25519::Identity::generate();
    (secret_text(&key), key.to_public().to_string())
}

fn refusal(text: &str) -> String {
    let shown = show(&Identity::parse("key.txt", text, never).unwrap_err());
    assert!(!shown.contains("HUNTER2"), "{shown}");
    shown
}

#[test]
fn the_first_of_flag_variable_and_home_is_taken() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let keys: Vec<_> = (0..3).map(|_| key()).collect();
    write(home, "flag.txt", format!("# mine\n\n{}\n", *keys[0].0).as_bytes());
    write(home, "variable.txt", keys[1].0.as_bytes());
    std::fs::create_dir(home.join(".ssh")).unwrap();
    let (path, public) = ssh_key(&home.join(".ssh"), "ed25519", "");
    assert_eq!(path, home.join(".ssh/id_ed25519"));
    let flag = home.join("flag.txt");
    let variable = home.join("variable.txt");
    let find = |flag, variable| Identity::find_in(flag, variable, Some(home), never).unwrap();

    assert_eq!(find(Some(&flag), Some(variable.as_os_str())).recipients(), [keys[0].1.clone()]);
    assert_eq!(find(None, Some(variable.as_os_str())).recipients(), [keys[1].1.clone()]);
    let text = format!("  {}\n", *keys[2].0);
    let found = find(None, Some(OsStr::new(&text)));
    assert_eq!((found.source(), found.recipients()), ("PROVISION_IDENTITY", vec![keys[2].1.clone()]));
    let ssh = find(None, None);
    assert_eq!(ssh.source(), "~/.ssh/id_ed25519");
    assert_eq!(ssh.recipients(), [public.strip_suffix(" someone").unwrap()]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(find(None, Some(OsStr::new(text.trim_end()))).recipients(), ssh.recipients());
    std::fs::create_dir_all(home.join(".config/provision")).unwrap();
    write(home, DEFAULT, keys[2].0.as_bytes());
    assert_eq!(find(None, None).recipients(), [keys[2].1.clone()]);
}

#[test]
fn what_cannot_be_found_says_where_it_was_looked_for() {
    let home = tempfile::tempdir().unwrap();
    let find = |flag: Option<&str>, variable: Option<&str>| {
        let found =
            Identity::find_in(flag.map(Path::new), variable.map(OsStr::new), Some(home.path()), never);
        show(&found.unwrap_err())
    };
    assert_snapshot!(find(None, None), @r"
    [Usage] find your identity, the key that opens secrets files: there is no --identity, no PROVISION_IDENTITY, no ~/.config/provision/identity.txt and no ~/.ssh/id_ed25519
    → Run `provision secrets keygen`. In a project that has secrets already, give the line that it prints to somebody who can open them; in a new one put it into secrets/recipients.txt.
    ");
    assert_snapshot!(find(Some("/nowhere/key.txt"), None), @r"
    [Usage] read the identity /nowhere/key.txt: there is no such file
    → `provision secrets keygen` makes one.
    ");
    assert_snapshot!(find(None, Some("")), @r"
    [Usage] read the identity in PROVISION_IDENTITY: the variable is set but empty
    → In CI: is the secret there, and is this job allowed to see it? Else unset the variable.
    ");
    let shown = find(None, Some("age-secret-key-1hunter2"));
    assert!(!shown.contains("hunter2"));
    assert_snapshot!(shown, @r"
    [Usage] read the identity in PROVISION_IDENTITY: it holds neither a key nor the path of a file (its text is not shown: it may be a key)
    → Set it to `AGE-SECRET-KEY-1…`, to the text of an SSH key, or to the path of an identity file.
    ");
}

#[test]
fn what_is_no_identity_is_named_without_its_text() {
    assert_snapshot!(refusal("# nothing\n"), @r"
    [Usage] read the identity key.txt: there is no key in it
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
    assert_snapshot!(refusal("# x\nAGE-SECRET-KEY-1HUNTER2\n"), @r"
    [Usage] read the identity key.txt: line 2 is not an age secret key
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
    assert_snapshot!(refusal("AGE-PLUGIN-YUBIKEY-1HUNTER2\n"), @r"
    [Usage] read the identity key.txt: line 1 is a key of an age plugin
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
    assert_snapshot!(refusal(&key().1), @r"
    [Usage] read the identity key.txt: line 1 is a public key; the private one is needed
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
    assert_snapshot!(refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nHUNTER2\n-----END OPENSSH PRIVATE KEY-----\n"), @r"
    [Usage] read the identity key.txt: it is not an SSH private key that age can read
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = ssh_key(folder.path(), "ecdsa", "");
    assert_snapshot!(refusal(&std::fs::read_to_string(path).unwrap()), @r"
    [Usage] read the identity key.txt: ecdsa-sha2-nistp256 keys can sign but not decrypt
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
    let (other, public) = key();
    drop(other);
    let not_for_passphrase = run("age", &["-a", "-r", &public], b"HUNTER2");
    assert_snapshot!(refusal(std::str::from_utf8(&not_for_passphrase).unwrap()), @r"
    [Usage] read the identity key.txt: it is an age file, but not one under a passphrase
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
}

#[test]
fn a_plugin_s_line_beside_a_plain_key_is_passed_over_and_said() {
    let (text, public) = key();
    let file = format!("\u{feff}# of age-plugin-yubikey\r\nAGE-PLUGIN-YUBIKEY-1HUNTER2\r\n{}\r\n", *text);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.txt");
    std::fs::write(&path, file).unwrap();
    let identity = Identity::read(&path, "key.txt", never).unwrap();
    assert_eq!(identity.recipients(), [public]);
    assert_snapshot!(identity.passed_over().unwrap(), @"line 2 of key.txt is a key of an age plugin, which provision cannot use; the other keys are used");
    assert_eq!(Identity::parse("key.txt", &text, never).unwrap().passed_over(), None);
    let marked = format!("\u{feff}{}", *text);
    let found = Identity::find_in(None, Some(OsStr::new(&marked)), None, never).unwrap();
    assert_eq!(found.recipients(), identity.recipients());
}

#[test]
fn an_identity_that_is_no_utf_8_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.txt");
    let said = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        show(&Identity::read(&path, "key.txt", never).unwrap_err())
    };
    let (text, _) = key();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_snapshot!(said(&[b"\xff\xfe".as_slice(), &utf16].concat()), @r"
    [Usage] read the identity key.txt; key.txt:1:1: it is UTF-16 text, not UTF-8
    → Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 key.txt > key.txt.new && mv key.txt.new key.txt`.
    ");
    assert_snapshot!(said(b"# caf\xe9\n"), @r"
    [Usage] read the identity key.txt; key.txt:1:6: it is not UTF-8 text
    → Save it as UTF-8, if it was saved on Windows: `iconv -f WINDOWS-1252 -t UTF-8 key.txt > key.txt.new && mv key.txt.new key.txt`.
    ");
}

#[test]
fn a_passphrase_is_asked_for_and_a_wrong_one_refused() {
    let (text, public) = key();
    let locked = |format| {
        let mut passphrase = age::scrypt::Recipient::new("correct horse".into());
        passphrase.set_work_factor(2);
        open::encrypt(text.as_bytes(), std::iter::once(&passphrase as &dyn age::Recipient), format).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    for format in [age::armor::Format::AsciiArmor, age::armor::Format::Binary] {
        write(folder.path(), "key.age", &locked(format));
        let path = folder.path().join("key.age");
        let read = |ask| Identity::read(&path, "key.age", ask);
        assert_eq!(read(|_| Ok("correct horse".into())).unwrap().recipients(), std::slice::from_ref(&public));
        insta::allow_duplicates! {
            assert_snapshot!(show(&read(|_| Ok("wrong".into())).unwrap_err()), @"[Usage] unlock the identity key.age: the passphrase is not the right one");
            assert_snapshot!(show(&read(|_| Err(Error::usage("ask").cause("no terminal"))).unwrap_err()), @r"
            [Usage] ask: no terminal
            → The identity key.age has a passphrase; where nobody can type it, set PROVISION_IDENTITY to a key of its own.
            ");
        }
    }
}

#[test]
fn a_passphrase_that_takes_too_much_work_is_not_called_wrong() {
    let (text, _) = key();
    let mut passphrase = age::scrypt::Recipient::new("correct horse".into());
    passphrase.set_work_factor(1);
    let one = std::iter::once(&passphrase as &dyn age::Recipient);
    let file = open::encrypt(text.as_bytes(), one, age::armor::Format::Binary).unwrap();
    // The header's last word but the body: `-> scrypt SALT 1`.
    let header = String::from_utf8_lossy(&file).into_owned();
    let line = header.lines().find(|line| line.starts_with("-> scrypt ")).unwrap().to_owned();
    let more = format!("{} 30", line.rsplit_once(' ').unwrap().0);
    let at = file.windows(line.len()).position(|window| window == line.as_bytes()).unwrap();
    let file = [&file[..at], more.as_bytes(), &file[at + line.len()..]].concat();
    let error = Identity::unlock("key.age", &file, |_| Ok("correct horse".into())).unwrap_err();
    assert_snapshot!(show(&error), @r"
    [Usage] read the identity key.age: its passphrase takes 2^30 rounds of scrypt, of at most 2^22
    → An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).
    ");
}

#[test]
fn the_age_command_and_we_open_each_others_files_under_a_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (text, public) = key();
    write(folder.path(), "key.txt", text.as_bytes());
    for armor in ["", "-a "] {
        run_typing(&format!("age -p {armor}-o {} {}", path("theirs.age"), path("key.txt")), "correct horse");
        let theirs =
            Identity::read(Path::new(&path("theirs.age")), "key", |_| Ok("correct horse".into())).unwrap();
        assert_eq!(theirs.recipients(), std::slice::from_ref(&public));
        std::fs::remove_file(path("theirs.age")).unwrap();
    }
    let passphrase = age::scrypt::Recipient::new("correct horse".into());
    let one = std::iter::once(&passphrase as &dyn age::Recipient);
    write(
        folder.path(),
        "ours.age",
        &open::encrypt(text.as_bytes(), one, age::armor::Format::AsciiArmor).unwrap(),
    );
    run_typing(&format!("age -d -o {} {}", path("opened"), path("ours.age")), "correct horse");
    assert_eq!(std::fs::read(path("opened")).unwrap(), text.as_bytes());
}

#[test]
fn debug_shows_public_halves_only() {
    let (text, public) = key();
    let identity = Identity::parse("key.txt", &text, never).unwrap();
    assert_eq!(
        format!("{identity:?}"),
        format!(r#"Identity {{ source: "key.txt", recipients: ["{public}"], .. }}"#)
    );
}
