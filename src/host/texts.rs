//! Files as they lie on a host.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::scripts;
use crate::error::{Error, Kind, Result};
use crate::inventory::{Environment, Host};
use crate::plan::ReleaseId;
use crate::ssh::Session;

/// The contents of the files at `paths`, those in place or, with `folder`, those below the folder of a kept release.
/// A path that the host does not have is left out.
///
/// # Errors
/// When the session breaks, or the answer is cut short.
pub async fn texts(
    session: &Session,
    host: &Host,
    environment: &Environment,
    folder: Option<&ReleaseId>,
    paths: &[String],
) -> Result<BTreeMap<String, Vec<u8>>> {
    let wanted = paths.iter().flat_map(|path| [path.as_str(), "\n"]).collect::<String>();
    let folder = folder.map_or("", |release| release.0.as_str());
    let output = scripts::TEXTS.exec(session, host, environment, &[folder], wanted.as_bytes()).await?;
    let broken = || {
        Error::new(Kind::Failed, "read files of the host")
            .host(host.name.to_string())
            .cause(String::from_utf8_lossy(&output.stderr).trim())
    };
    read(&output.stdout).map_err(|error| error.into_iter().fold(broken(), Error::cause))
}

/// What the script answered; an error is what is wrong with the packing, where that is it.
pub(super) fn read(packed: &[u8]) -> std::result::Result<BTreeMap<String, Vec<u8>>, Option<std::io::Error>> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut unpacked).map_err(Some)?;
    parse(&unpacked).ok_or(None)
}

/// "SIZE PATH", the content and a newline, for each file.
fn parse(mut text: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    while !text.is_empty() {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let (size, path) = std::str::from_utf8(&text[..end]).ok()?.trim_start().split_once(' ')?;
        let (content, rest) = text[end + 1..].split_at_checked(size.parse().ok()?)?;
        files.insert(path.to_owned(), content.to_vec());
        text = rest.strip_prefix(b"\n")?;
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_apart_again() {
        let files = parse(b"3 a b\nx\ny\n0 c\n\n").unwrap();
        assert_eq!(files["a b"], b"x\ny");
        assert_eq!(files["c"], b"");
        assert_eq!(parse(b""), Some(BTreeMap::new()));
        assert_eq!(parse(b"9 a\nx\n"), None, "cut short");
        assert_eq!(parse(b"1 a\nxy\n"), None);
    }
}
