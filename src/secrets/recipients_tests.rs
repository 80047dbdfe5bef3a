use insta::assert_snapshot;

use super::super::testing::{identity, project, show, ssh_key, write};
use super::*;

#[test]
fn an_environments_own_file_goes_before_the_shared_one() {
    let (_, one) = identity();
    let (_, two) = identity();
    let root = project(&["# everyone", "", &one, &format!("{one} # twice")]);
    let load = |environment| Recipients::load(root.path(), environment).unwrap();
    assert_eq!(load("prod").lines().collect::<Vec<_>>(), [one.as_str()]);
    write(root.path(), "secrets/prod.recipients.txt", two.as_bytes());
    assert_eq!(load("prod").source(), "secrets/prod.recipients.txt");
    assert!(load("prod").contains(&two) && !load("prod").contains(&one));
    assert!(load("staging").contains(&one));
}

#[test]
fn ssh_keys_are_known_by_their_key_not_their_comment() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ed25519) = ssh_key(folder.path(), "ed25519", "");
    let (_, rsa) = ssh_key(folder.path(), "rsa", "");
    let recipients = Recipients::parse("r.txt", &format!("{ed25519}\n{rsa}\n")).unwrap();
    assert_eq!(recipients.lines().count(), 2);
    assert!(recipients.contains(&ed25519.replace("someone", "other")) && recipients.contains(&rsa));
}

#[test]
fn all_lines_that_cannot_be_used_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ecdsa) = ssh_key(folder.path(), "ecdsa", "");
    let ecdsa = &ecdsa[..60];
    let (_, good) = identity();
    let last = if good.ends_with('x') { 'y' } else { 'x' };
    let text = format!(
        "# everyone\n{good}\n{ecdsa}\nsk-ssh-ed25519@openssh.com AAAA ann\nssh-ed25519 AAAA ben\n{}{last}\nage1yubikey1abc\n\
         AGE-SECRET-KEY-1HUNTER2\nssh-dss AAAA\nhello\n",
        &good[..good.len() - 1],
    );
    let error = Recipients::parse("secrets/recipients.txt", &text).unwrap_err();
    assert!(error.all_problems().iter().all(|problem| !problem.place.text.contains("HUNTER2")));
    assert!(error.all_problems().iter().any(|problem| problem.place.text == "hello"));
    assert_snapshot!(show(&error), @r"
    [Usage] read secrets/recipients.txt; secrets/recipients.txt:3: ecdsa-sha2-nistp256: age can encrypt to ed25519 and RSA keys only; secrets/recipients.txt:4: sk-ssh-ed25519@openssh.com is a key in a security device, which can sign but not decrypt; secrets/recipients.txt:5: an SSH public key that is cut short or mistyped; secrets/recipients.txt:6: a mistyped age public key: its checksum is wrong; secrets/recipients.txt:7: a key of an age plugin, or a mistyped one; secrets/recipients.txt:8: a private key; secrets/recipients.txt:9: ssh-dss: age can encrypt to ed25519 and RSA keys only; secrets/recipients.txt:10: no public key
    → Use an ed25519 key, or one from `provision secrets keygen`.
    → Use an ed25519 key, or one from `provision secrets keygen`.
    → Copy the whole line again.
    → Copy it again; `age-keygen -y FILE` prints it.
    → Only plain X25519 keys (age1 and 58 characters) and SSH keys are supported.
    → Take it out and make a new one: a private key that was in the repository is no secret any more.
    → Use an ed25519 key, or one from `provision secrets keygen`.
    → A line is `age1…`, `ssh-ed25519 …` or `ssh-rsa …`; comments begin with #.
    ");
}

#[test]
fn nobody_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot!(show(&Recipients::load(folder.path(), "prod").unwrap_err()), @r"
    [Usage] find out to whom the secrets are encrypted: there is no secrets/recipients.txt
    → Run `provision secrets keygen` if you have no key yet, and write its public line (`age1…`) into secrets/recipients.txt.
    → An SSH public key (ssh-ed25519, ssh-rsa) may stand there too; one line for everyone who may deploy.
    ");
    assert_snapshot!(show(&Recipients::parse("secrets/recipients.txt", "# x\n").unwrap_err()), @r"
    [Usage] read secrets/recipients.txt: it names nobody
    → Write at least your own public key into it; `provision secrets keygen` prints one.
    ");
}

#[test]
fn a_list_may_be_saved_on_windows() {
    let (_, recipient) = identity();
    let root = project(&[]);
    write(
        root.path(),
        "secrets/recipients.txt",
        format!("\u{feff}{recipient} someone\r\n# x\r\n").as_bytes(),
    );
    let list = Recipients::load(root.path(), "prod").unwrap();
    assert_eq!(list.lines().collect::<Vec<_>>(), [recipient.as_str()]);
    let utf16: Vec<u8> = recipient.encode_utf16().flat_map(u16::to_be_bytes).collect();
    write(root.path(), "secrets/recipients.txt", &[b"\xfe\xff".as_slice(), &utf16].concat());
    assert_snapshot!(show(&Recipients::load(root.path(), "prod").unwrap_err()), @r"
    [Usage] read secrets/recipients.txt; secrets/recipients.txt:1:1: it is UTF-16 text, not UTF-8
    → Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 secrets/recipients.txt > secrets/recipients.txt.new && mv secrets/recipients.txt.new secrets/recipients.txt`.
    ");
}
