use insta::assert_snapshot;
use secrecy::ExposeSecret;

use super::super::testing::{identity, project, run, show, ssh_key, write};
use super::super::{outdated, rekey as rekey_all, set, view};
use super::*;

/// A project whose environments prod and staging have a secret each; Ann's own identity and public key.
fn desk() -> (tempfile::TempDir, Identity, String) {
    let (ann, key) = identity();
    let root = project(&["# who may deploy", &format!("{key} # ann")]);
    for environment in ["prod", "staging"] {
        set(root.path(), environment, &ann, &"a".parse().unwrap(), &"hunter2".into()).unwrap();
    }
    (root, ann, key)
}

fn files(root: &Path) -> Vec<Option<Vec<u8>>> {
    ["recipients.txt", "prod.recipients.txt", "prod.yml.age", "staging.yml.age"]
        .iter()
        .map(|name| std::fs::read(root.join("secrets").join(name)).ok())
        .collect()
}

fn opens(root: &Path, environment: &str, identity: &Identity) -> bool {
    view(root, environment, identity).is_ok_and(|text| text.expose_secret().contains("hunter2"))
}

#[test]
fn a_colleague_is_added_and_taken_off_again() {
    let (root, ann, key) = desk();
    let root = root.path();
    let (ben, bens) = identity();
    assert!(!opens(root, "prod", &ben));
    let listed = Roster::of(root, None).unwrap().add(&format!("{bens} # ben"), || Ok(ann)).unwrap();
    assert_eq!(
        listed.environments.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["prod", "staging"]
    );
    assert_eq!(listed.environments[0].1, ["a"]);
    assert!(opens(root, "prod", &ben) && opens(root, "staging", &ben));
    assert_eq!(outdated(root, "prod").unwrap(), None);
    let people = Roster::of(root, None).unwrap().people().unwrap();
    assert_eq!(people, [(key.clone(), "ann".to_owned()), (bens.clone(), "ben".to_owned())]);
    // Ben takes Ann off.
    let listed = Roster::of(root, None).unwrap().remove("ann", || Ok(ben)).unwrap();
    assert_eq!(listed.key, key);
    let text = std::fs::read_to_string(root.join("secrets/recipients.txt")).unwrap();
    assert_eq!(text, format!("# who may deploy\n{bens} # ben\n"));
}

#[test]
fn an_ssh_key_is_added_with_its_own_line() {
    let (root, ann, _) = desk();
    let folder = tempfile::tempdir().unwrap();
    let (path, public) = ssh_key(folder.path(), "ed25519", "");
    Roster::of(root.path(), None).unwrap().add(&public, || Ok(ann)).unwrap();
    let encrypted = std::fs::read(root.path().join("secrets/prod.yml.age")).unwrap();
    assert!(!run("age", &["-d", "-i", path.to_str().unwrap()], &encrypted).is_empty());
    let people = Roster::of(root.path(), None).unwrap().people().unwrap();
    assert_eq!(people[1].1, "someone");
}

#[test]
fn an_environments_own_list_begins_as_a_copy_of_the_shared_one() {
    let (root, ann, key) = desk();
    let root = root.path();
    let (ben, bens) = identity();
    let listed = Roster::of(root, Some("prod")).unwrap().add(&bens, || Ok(ann)).unwrap();
    assert_eq!((listed.list.as_str(), listed.environments.len()), ("secrets/prod.recipients.txt", 1));
    assert!(opens(root, "prod", &ben) && !opens(root, "staging", &ben));
    let text = std::fs::read_to_string(root.join("secrets/prod.recipients.txt")).unwrap();
    assert_eq!(text, format!("# who may deploy\n{key} # ann\n{bens}\n"));
    assert_eq!(Roster::of(root, None).unwrap().environments(), ["staging"]);
}

#[test]
fn what_is_refused_changes_no_file() {
    let (root, _, key) = desk();
    let root = root.path();
    let before = files(root);
    let folder = tempfile::tempdir().unwrap();
    let (_, ecdsa) = ssh_key(folder.path(), "ecdsa", "");
    let (_, bens) = identity();
    let nobody = || Err(Error::usage("find your identity"));
    let add = |line: &str| show(&Roster::of(root, None).unwrap().add(line, nobody).unwrap_err());
    assert_snapshot!(add(&ecdsa), @r"
    [Usage] add a recipient to secrets/recipients.txt: ecdsa-sha2-nistp256: age can encrypt to ed25519 and RSA keys only
    → Use an ed25519 key, or one from `provision secrets keygen`.
    ");
    assert_snapshot!(add("sk-ssh-ed25519@openssh.com AAAA ann"), @r"
    [Usage] add a recipient to secrets/recipients.txt: sk-ssh-ed25519@openssh.com is a key in a security device, which can sign but not decrypt
    → Use an ed25519 key, or one from `provision secrets keygen`.
    ");
    assert_snapshot!(add(&key), @r"
    [Usage] add a recipient to secrets/recipients.txt: that key is there already
    → `provision secrets rekey` encrypts the secrets again to everyone who is there.
    ");
    assert_snapshot!(add(&bens), @"[Usage] find your identity");
    let remove = |who: &str, identity: Identity| {
        let error = Roster::of(root, None).unwrap().remove(who, || Ok(identity)).unwrap_err();
        show(&error).replace(&key, "ANNS")
    };
    assert_snapshot!(remove("carla", identity().0), @r"
    [Usage] take a recipient off secrets/recipients.txt: nobody there has that key or that comment
    → `provision secrets recipients list` shows who is there.
    ");
    let shown = remove("ann", identity().0);
    assert!(shown.contains("not encrypted to your identity"), "{shown}");
    assert_eq!(files(root), before);
}

#[test]
fn nobody_takes_off_their_own_last_key() {
    let (root, ann, key) = desk();
    let (_, bens) = identity();
    write(root.path(), "secrets/recipients.txt", format!("{key} # ann\n{bens} # ben\n").as_bytes());
    let before = files(root.path());
    let error = Roster::of(root.path(), None).unwrap().remove("ann", || Ok(ann)).unwrap_err();
    let shown = show(&error).replace(&key, "ANNS");
    assert!(shown.contains("you could not open the file again"), "{shown}");
    assert!(shown.contains("secrets/prod.yml.age") && shown.contains("secrets/staging.yml.age"), "{shown}");
    assert_eq!(files(root.path()), before);
}

#[test]
fn rekey_covers_all_environments_or_none() {
    let (root, ann, key) = desk();
    let root = root.path();
    let (ben, bens) = identity();
    write(root, "secrets/recipients.txt", format!("{key}\n{bens}\n").as_bytes());
    assert_snapshot!(outdated(root, "prod").unwrap().unwrap(), @"is encrypted to 1 key, and secrets/recipients.txt lists 2");
    assert_eq!(rekey_all(root, None, &ann).unwrap(), ["prod", "staging"]);
    assert!(opens(root, "prod", &ben) && opens(root, "staging", &ben));
    assert_eq!(outdated(root, "prod").unwrap(), None);
    // One that cannot be opened keeps the others from being written.
    write(root, "secrets/recipients.txt", key.as_bytes());
    write(root, "secrets/staging.yml.age", b"damaged");
    let before = files(root);
    assert_snapshot!(show(&rekey_all(root, None, &ann).unwrap_err()), @r"
    [Usage] open secrets/staging.yml.age: it is not an age file
    → If it is plain text: encrypt it with `age -a -R secrets/recipients.txt`, and change every secret that was ever committed that way.
    → No file was changed.
    ");
    assert_eq!(files(root), before);
    // Unless only the other is meant.
    assert_eq!(rekey_all(root, Some("prod"), &ann).unwrap(), ["prod"]);
    assert!(!opens(root, "prod", &ben));
    let before = files(root);
    write(root, "secrets/prod.yml.age", b"");
    let error = show(&rekey_all(root, None, &ann).unwrap_err());
    assert!(
        error.contains("secrets/prod.yml.age: failed to open")
            && error.contains("secrets/staging.yml.age: failed"),
        "{error}"
    );
    write(root, "secrets/prod.yml.age", before[2].as_ref().unwrap());
    assert_eq!(files(root), before);
    let empty = tempfile::tempdir().unwrap();
    assert_snapshot!(show(&rekey_all(empty.path(), None, &ben).unwrap_err()), @r"
    [Usage] encrypt the secrets again: no environment has a secrets file
    → `provision secrets edit ENVIRONMENT` makes one.
    ");
}

#[test]
fn a_list_saved_on_windows_takes_one_more() {
    let (_, first) = identity();
    let (_, second) = identity();
    let root = project(&[]);
    write(root.path(), "secrets/recipients.txt", format!("\u{feff}{first}\r\n").as_bytes());
    Roster::of(root.path(), None).unwrap().add(&second, || panic!("nothing is encrypted")).unwrap();
    let list = Roster::of(root.path(), None).unwrap();
    let keys: Vec<String> = list.people().unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [first, second]);
    // Its own list begins as a copy of it.
    assert_eq!(Roster::of(root.path(), Some("prod")).unwrap().people().unwrap().len(), 2);
}
