//! What git shows of a secrets file: names and fingerprints.

use std::fmt::Write as _;
use std::path::Path;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::file::SecretsFile;
use super::identity::Identity;
use super::map::Secrets;
use super::name::ENVIRONMENT;
use super::{document, open};
use crate::error::{Error, Result};

/// The age file at `path`, whosever it is, as lines that git can compare: whose it is, and a keyed fingerprint for each
/// value. No line has anything of a value.
///
/// A file that cannot be opened is described instead: git would break off its whole diff over one.
///
/// # Errors
/// Usage: there is no such file.
pub fn textconv(path: &Path, identity: Result<Identity>) -> Result<String> {
    let file = SecretsFile::at(path);
    let bytes = file.read()?.ok_or_else(|| {
        Error::usage(format!("read {}", file.label()))
            .cause("there is no such file")
            .hint("git runs this command; by hand, give it the path of an age file.")
    })?;
    if bytes.is_empty() {
        return Ok(String::new());
    }
    Ok(fingerprints(&file, &bytes, identity).unwrap_or_else(|error| {
        let mut text = error.causes().first().map_or_else(|| error.to_string(), Clone::clone);
        let _ = write!(text, "\nSHA-256 {}\n", hex::encode(Sha256::digest(&bytes)));
        format!("cannot be shown: {text}")
    }))
}

fn fingerprints(file: &SecretsFile, bytes: &[u8], identity: Result<Identity>) -> Result<String> {
    let plain = open::decrypt_any(file, bytes, &identity?)?;
    let document = document::parse(file.label(), &plain).map_err(|_| {
        Error::usage("read it").cause("its text has mistakes; `provision secrets check` names them")
    })?;
    let whose = document.get(ENVIRONMENT).map(|value| value.expose_secret().to_owned());
    let secrets = Secrets::from_document(document, file.label(), "ENVIRONMENT")?;
    let mut text = String::new();
    if let Some(whose) = whose.filter(|name| SecretsFile::new(Path::new(""), name).is_ok()) {
        let _ = writeln!(text, "{ENVIRONMENT} {whose}");
    }
    for name in secrets.names() {
        let _ = writeln!(text, "{name} {}", secrets.fingerprint(name).unwrap_or_default());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::Recipients;
    use super::super::testing::{identity, project, write};
    use super::*;

    const TEXT: &str = "b: hunter2\na: |\n  hunter2\n_environment: prod\n_fingerprint_key: \
                        \"0707070707070707070707070707070707070707070707070707070707070707\"\n";

    #[test]
    fn names_and_fingerprints_are_shown_and_nothing_else() {
        let (ours, recipient) = identity();
        let root = project(&[&recipient]);
        let encrypt = |text: &str| {
            let bytes = Recipients::load(root.path(), "prod").unwrap().encrypt(text.as_bytes()).unwrap();
            write(root.path(), "secrets/x", &bytes);
        };
        let path = root.path().join("secrets/x");
        encrypt(TEXT);
        assert_snapshot!(textconv(&path, Ok(ours)).unwrap(), @r"
        _environment prod
        a 7be0269eed840a20
        b f328d6aede15282f
        ");
        encrypt("a: [hunter2]\n");
        let shown = textconv(&path, Ok(identity().0)).unwrap();
        let mut lines = shown.lines();
        assert!(
            lines.next().unwrap().starts_with("cannot be shown: it is not encrypted to your identity"),
            "{shown}"
        );
        assert!(lines.next().unwrap().starts_with("SHA-256 "), "{shown}");
        let missing = textconv(&root.path().join("nothing"), Err(Error::usage("x"))).unwrap_err();
        assert!(missing.to_string().contains("no such file"));
        let unfound =
            textconv(&path, Err(Error::usage("find your identity").cause("there is none"))).unwrap();
        assert!(unfound.starts_with("cannot be shown: there is none\nSHA-256 "), "{unfound}");
        assert!(!shown.contains("hunter2") && !unfound.contains("hunter2"));
    }
}
