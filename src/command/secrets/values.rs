//! Single values: make a key, show, edit, set, remove, list.

use std::io::{IsTerminal, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Around, Said};
use crate::error::{Error, Result};
use crate::secrets::{self, Edit, Edited, Editor, Identity, SecretName, Secrets};
use crate::text;
use crate::yaml::did_you_mean;

/// The largest value that is read from stdin, in bytes: a certificate chain fits many times.
const LARGEST: u64 = 1 << 20;

pub(super) fn keygen(file: Option<&Path>) -> Result<Said> {
    let (path, public) = secrets::generate_identity(file)?;
    Ok(Said::Text(format!(
        "Your new key is in {}. Keep it to yourself and keep a copy: without it you cannot open the secrets.\n\
         Its public half:\n{public}\n\
         In a new project: `provision secrets recipients add` with that line. Where there are secrets already, somebody\n\
         who can open them has to do it.",
        path.display()
    )))
}

pub(super) fn view(around: &Around<'_>, environment: &str, name: Option<&str>) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    let Some(name) = name else {
        return secrets::view(around.root, environment, &identity).map(Said::Secret);
    };
    let secrets = Secrets::load(around.root, environment, &identity)?;
    secrets.get(name).cloned().map(Said::Secret).ok_or_else(|| {
        let names: Vec<&str> = secrets.names().collect();
        Error::usage(format!("show the secret `{name}` of {environment}"))
            .cause("there is no such secret")
            .hint(format!("There are: {}.", names.join(", ")))
    })
}

pub(super) async fn edit(around: &mut Around<'_>, environment: &str) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    let edit = Edit {
        root: around.root,
        environment,
        identity: &identity,
        names: around.names,
        editor: Editor::find(),
    };
    let edited = edit.run(around.again).await?;
    Ok(Said::Text(match edited {
        Edited::Unchanged => "Nothing changed.".to_owned(),
        Edited::Saved => format!("Saved secrets/{environment}.yml.age."),
        Edited::Created => format!("Made secrets/{environment}.yml.age."),
    }))
}

pub(super) fn set(
    around: &Around<'_>,
    environment: &str,
    name: &SecretName,
    generate: Option<u16>,
    add: bool,
) -> Result<Said> {
    let known = || around.names.iter().map(String::as_str);
    let is_unknown = !around.names.is_empty() && !known().any(|known| known == name.as_str());
    // Said before anything is typed. A name that is like none may be that of a secret which the stack will need.
    if is_unknown
        && !add
        && let Some(near) = did_you_mean(name.as_str(), known())
    {
        return Err(Error::usage(format!("set the secret `{name}` of {environment}"))
            .cause("the stack needs no secret of that name")
            .hint(format!("Did you mean `{near}`? `provision secrets set {environment} {near}`"))
            .hint(format!("If the stack will need it: `provision secrets set {environment} {name} --new`")));
    }
    let identity = Identity::find(around.identity)?;
    let Value { value, remark } = match generate {
        Some(length) => {
            Value { value: secrets::generate_password(usize::from(length)), remark: String::new() }
        }
        None if std::io::stdin().is_terminal() => Value { value: ask_twice(name)?, remark: String::new() },
        None => read_value(std::io::stdin().lock(), &format!("the value of {name}"))?,
    };
    let is_new = secrets::set(around.root, environment, &identity, name, &value)?;
    let done = if is_new { "Added" } else { "Changed" };
    let mut text = format!("{done} `{name}` in secrets/{environment}.yml.age.");
    if !remark.is_empty() {
        text.push('\n');
        text.push_str(&remark);
    }
    if is_unknown {
        text.push_str("\nThe stack does not use it yet, which `provision check` refuses.");
    }
    Ok(Said::Text(text))
}

fn ask_twice(name: &SecretName) -> Result<SecretString> {
    let first = secrets::ask(&format!("the value of {name}"))?;
    let second = secrets::ask("the same again")?;
    if first.expose_secret() == second.expose_secret() {
        Ok(first)
    } else {
        Err(Error::usage(format!("set {name}"))
            .cause("the two values differ")
            .hint("Nothing was saved; try again."))
    }
}

/// A value that was read.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) value: SecretString,
    /// What was not taken as a part of it, or looks as if it should not be one: whole sentences, or nothing.
    pub(super) remark: String,
}

/// What is on `input`, without one line end at its end: `echo` and here-documents add it. What Windows adds besides is
/// taken off too, and said.
pub(super) fn read_value(input: impl Read, what: &str) -> Result<Value> {
    let failed = |found: String| Error::usage(format!("read {what} from stdin")).cause(found);
    let largest = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(largest + 1));
    input.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() > largest {
        return Err(failed("it is larger than 1 MiB".to_owned()));
    }
    let text = text::decode(&bytes).map_err(|unreadable| {
        failed(unreadable.what()).hint(match unreadable {
            text::Unreadable::Utf16(from) => {
                format!("Put `iconv -f {from} -t UTF-8 |` before the command; PowerShell writes text so.")
            }
            text::Unreadable::NotUtf8(..) => "Encode it first, for example with `base64`.".to_owned(),
        })
    })?;
    let mut remarks = Vec::new();
    if bytes.starts_with("\u{feff}".as_bytes()) {
        remarks.push("The byte order mark before it was left out.");
    }
    let text = if let Some(text) = text.strip_suffix("\r\n") {
        remarks.push("The line end of Windows (CR LF) behind it was left out.");
        text
    } else {
        text.strip_suffix('\n').unwrap_or(text)
    };
    if text.contains('\r') {
        remarks.push("It has carriage returns in it, which were kept; `tr -d '\\r'` takes them out.");
    }
    if text.is_empty() {
        return Err(
            failed("there is none".to_owned()).hint("Give it on stdin (`< FILE`), or type it on a terminal.")
        );
    }
    Ok(Value { value: SecretString::from(text), remark: remarks.join(" ") })
}

pub(super) fn unset(around: &Around<'_>, environment: &str, name: &SecretName) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    secrets::unset(around.root, environment, &identity, name)?;
    let mut text = format!("Removed `{name}` from secrets/{environment}.yml.age.");
    if around.names.iter().any(|needed| needed == name.as_str()) {
        text.push_str("\nThe stack still needs it: `provision check` will say so.");
    }
    Ok(Said::Text(text))
}

/// Each secret with a fingerprint that changes with its value, and what there is to say about it.
pub(super) fn list(around: &Around<'_>, environment: &str) -> Result<Said> {
    let secrets = Secrets::load(around.root, environment, &Identity::find(around.identity)?)?;
    let needed = |name: &str| around.names.is_empty() || around.names.iter().any(|known| known == name);
    let mut lines: Vec<(String, String)> = secrets
        .names()
        .map(|name| {
            let remark = if needed(name) { "" } else { "  used by nothing" };
            (name.to_owned(), format!("{}{remark}", secrets.fingerprint(name).unwrap_or_default()))
        })
        .collect();
    lines.extend(
        around
            .names
            .iter()
            .filter(|name| secrets.get(name).is_none())
            .map(|name| (name.clone(), "missing".to_owned())),
    );
    lines.sort();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> = lines.iter().map(|(name, rest)| format!("{name:width$}  {rest}")).collect();
    Ok(Said::Text(if lines.is_empty() { "There are none.".to_owned() } else { lines.join("\n") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_taken_from_stdin_s_value() {
        let read = |bytes: &[u8]| {
            read_value(bytes, "the value of a").map(|read| read.value.expose_secret().to_owned())
        };
        assert_eq!(read(b"hunter2\n").unwrap(), "hunter2");
        assert_eq!(read(b"hunter2").unwrap(), "hunter2");
        assert_eq!(read(b"two\nlines\n\n").unwrap(), "two\nlines\n");
        let refused = |bytes: &[u8]| {
            let error = read(bytes).unwrap_err();
            format!("{error} → {}", error.hints().join(" "))
        };
        insta::assert_snapshot!(refused(b"\n"), @"read the value of a from stdin: there is none → Give it on stdin (`< FILE`), or type it on a terminal.");
        insta::assert_snapshot!(refused(b"\xff"), @"read the value of a from stdin: it is not UTF-8 text → Encode it first, for example with `base64`.");
        insta::assert_snapshot!(refused(&vec![b'x'; (1 << 20) + 1]), @"read the value of a from stdin: it is larger than 1 MiB →");
    }

    #[test]
    fn what_windows_adds_to_a_value_is_taken_off_and_said() {
        let read = |bytes: &[u8]| {
            let read = read_value(bytes, "the value of a").unwrap();
            format!("{:?} {}", read.value.expose_secret(), read.remark)
        };
        insta::assert_snapshot!(read(b"hunter2\r\n"), @r#""hunter2" The line end of Windows (CR LF) behind it was left out."#);
        insta::assert_snapshot!(read(b"\xef\xbb\xbfhunter2\n"), @r#""hunter2" The byte order mark before it was left out."#);
        insta::assert_snapshot!(read(b"two\r\nlines\r\n"), @r#""two\r\nlines" The line end of Windows (CR LF) behind it was left out. It has carriage returns in it, which were kept; `tr -d '\r'` takes them out."#);
        insta::assert_snapshot!(read(b"hunter2\n"), @r#""hunter2""#);
        let error = read_value(&b"\xff\xfeh\0u\0"[..], "the value of a").unwrap_err();
        insta::assert_snapshot!(format!("{error} → {}", error.hints().join(" ")), @"read the value of a from stdin: it is UTF-16 text, not UTF-8 → Put `iconv -f UTF-16 -t UTF-8 |` before the command; PowerShell writes text so.");
        let error = read_value(&b"\xef\xbb\xbf\r\n"[..], "the value of a").unwrap_err();
        insta::assert_snapshot!(error, @"read the value of a from stdin: there is none");
    }
}
