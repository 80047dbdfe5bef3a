//! A secrets file says inside for whom it was last written: a list of recipients that is another one since is named
//! before anything is encrypted to it. Who can write to the repository, but not open the file, changes the list alone.

use secrecy::ExposeSecret as _;

use super::document::Document;
use super::file::SecretsFile;
use super::name::RECIPIENTS;
use super::recipients::{self, Recipients};
use crate::error::{Error, Result};

/// What stands above the entry in the file.
pub(super) const COMMENT: &str =
    "# Made by provision: who could open the file when it was last written. Another list is asked about.\n";

/// The entry's value: a line for each recipient, with its comment.
pub(super) fn entry(recipients: &Recipients) -> String {
    recipients.described().collect::<Vec<_>>().join("\n")
}

/// How `recipients` differ from those that the entry `listed` has: the key, and a lower-case fragment about it.
pub(super) fn differences(listed: &str, recipients: &Recipients) -> Vec<(String, String)> {
    let source = recipients.source();
    let before: Vec<(String, &str)> =
        listed.lines().filter_map(|line| Some((recipients::key_of(line).ok()?, line))).collect();
    let added = recipients.described().zip(recipients.lines()).filter_map(|(described, key)| {
        let known = before.iter().any(|(before, _)| before == key);
        (!known).then(|| {
            (key.to_owned(), format!("{source} has {described}, who could not open the file before"))
        })
    });
    let removed = before.iter().filter(|(key, _)| !recipients.contains(key)).map(|(key, line)| {
        (key.clone(), format!("{source} does not have {line}, who could open the file before"))
    });
    added.chain(removed).collect()
}

/// The same for the entry of `document`; nothing for a file that was written before there was such an entry.
pub(super) fn differences_of(document: &Document, recipients: &Recipients) -> Vec<(String, String)> {
    let listed = document.get(RECIPIENTS).map(|value| value.expose_secret().to_owned());
    listed.map_or_else(Vec::new, |listed| differences(&listed, recipients))
}

/// Whether `file`, which reads as `document`, may be encrypted to `recipients` without a word.
///
/// # Errors
/// Usage: who is on the list since the last writing, and who is not any more.
pub(super) fn check(document: &Document, recipients: &Recipients, file: &SecretsFile) -> Result<()> {
    let found = differences_of(document, recipients);
    if found.is_empty() { Ok(()) } else { Err(refusal(file, found.into_iter().map(|(_, what)| what))) }
}

/// The error about a list that nobody agreed to.
pub(super) fn refusal(file: &SecretsFile, found: impl Iterator<Item = String>) -> Error {
    let error = Error::usage(format!("encrypt {}", file.label()));
    found.fold(error, Error::cause).hint(format!(
        "Where that is meant: `provision secrets rekey {}`, which asks. Else take the list from git again, \
         and find out who changed it.",
        file.environment()
    ))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::testing::{identity, project, show, write};
    use super::super::{Roster, Secrets, rekey, set, unset};
    use super::*;

    #[test]
    fn nobody_is_added_to_or_taken_off_a_list_in_silence() {
        let (ann, anns) = identity();
        let ((_, bens), (_, eves)) = (identity(), identity());
        let root = project(&[&format!("{anns} # ann"), &format!("{bens} # ben")]);
        let root = root.path();
        let hide = |text: String| text.replace(&anns, "ANNS").replace(&bens, "BENS").replace(&eves, "EVES");
        set(root, "prod", &ann, &"a".parse().unwrap(), &"hunter2".into()).unwrap();
        let before = std::fs::read(root.join("secrets/prod.yml.age")).unwrap();
        // As many keys as before: the header of the file would not tell.
        write(root, "secrets/recipients.txt", format!("{anns} # ann\n{eves} # ben\n").as_bytes());
        let error = set(root, "prod", &ann, &"a".parse().unwrap(), &"other".into()).unwrap_err();
        assert_snapshot!(hide(show(&error)), @r"
        [Usage] encrypt secrets/prod.yml.age: secrets/recipients.txt has EVES # ben, who could not open the file before: secrets/recipients.txt does not have BENS # ben, who could open the file before
        → Where that is meant: `provision secrets rekey prod`, which asks. Else take the list from git again, and find out who changed it.
        ");
        unset(root, "prod", &ann, &"a".parse().unwrap()).unwrap_err();
        // Another change of the list does not bring the first one along.
        let error = Roster::of(root, None).unwrap().add(&identity().1, || Ok(identity().0)).unwrap_err();
        assert!(show(&error).contains("not encrypted to your identity"));
        assert_eq!(std::fs::read(root.join("secrets/prod.yml.age")).unwrap(), before);
        let secrets = Secrets::load(root, "prod", &ann).unwrap();
        let found = secrets.listed_anew(&Recipients::load(root, "prod").unwrap());
        assert_eq!(found.len(), 2);

        // Who was asked and agreed: rekey. From then on the list is the one that is known.
        rekey(root, None, &ann).unwrap();
        set(root, "prod", &ann, &"a".parse().unwrap(), &"other".into()).unwrap();
        let secrets = Secrets::load(root, "prod", &ann).unwrap();
        assert!(secrets.listed_anew(&Recipients::load(root, "prod").unwrap()).is_empty());
    }

    #[test]
    fn a_change_of_the_list_by_command_brings_no_other_one_along() {
        let (_, anns) = identity();
        let (ann, key) = identity();
        let (_, eves) = identity();
        let root = project(&[&key]);
        let root = root.path();
        set(root, "prod", &ann, &"a".parse().unwrap(), &"hunter2".into()).unwrap();
        write(root, "secrets/recipients.txt", format!("{key}\n{eves} # eve\n").as_bytes());
        let list = std::fs::read(root.join("secrets/recipients.txt")).unwrap();
        let error = Roster::of(root, None).unwrap().add(&anns, || Ok(ann)).unwrap_err();
        let shown = show(&error);
        assert!(shown.contains("# eve, who could not open") && !shown.contains(&anns), "{shown}");
        assert_eq!(std::fs::read(root.join("secrets/recipients.txt")).unwrap(), list);
    }

    #[test]
    fn a_comment_may_change_and_the_order_too() {
        let (ann, anns) = identity();
        let (_, bens) = identity();
        let root = project(&[&anns, &format!("{bens} # ben")]);
        let root = root.path();
        set(root, "prod", &ann, &"a".parse().unwrap(), &"hunter2".into()).unwrap();
        write(root, "secrets/recipients.txt", format!("{bens} # ben@work\n{anns}\n").as_bytes());
        set(root, "prod", &ann, &"a".parse().unwrap(), &"other".into()).unwrap();
    }
}
