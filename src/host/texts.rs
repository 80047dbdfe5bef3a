//! Files as they lie on a host.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use super::scripts;
use crate::error::{Error, Kind, Result};
use crate::inventory::{Environment, Host};
use crate::plan::ReleaseId;
use crate::ssh::Session;

/// The most that files of a host are together, in bytes, unpacked. A stack with a hundred dashboards has 20 MiB; gzip
/// makes a thousand times as much of what comes.
const MOST_UNPACKED: u64 = 64 * 1024 * 1024;

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
    let mut files = read(&output.stdout).map_err(|wrong| match wrong {
        Wrong::Packing(error) => broken().cause(error),
        Wrong::Format => broken().cause("the answer is not whole"),
        Wrong::TooLarge => broken()
            .cause(format!("its answer unpacks to more than {} MiB, which no files of ours have", MOST_UNPACKED >> 20))
            .hint(format!(
                "What answers may not be what it should be, or a file below {} was replaced by a huge one: look at it on the host.",
                environment.remote.path
            )),
    })?;
    // Only what was asked for.
    let paths: BTreeSet<&String> = paths.iter().collect();
    files.retain(|path, _| paths.contains(path));
    Ok(files)
}

/// What is wrong with the script's answer.
#[derive(Debug)]
pub(super) enum Wrong {
    Packing(std::io::Error),
    Format,
    TooLarge,
}

/// What the script answered.
pub(super) fn read(packed: &[u8]) -> std::result::Result<BTreeMap<String, Vec<u8>>, Wrong> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .take(MOST_UNPACKED + 1)
        .read_to_end(&mut unpacked)
        .map_err(Wrong::Packing)?;
    if unpacked.len() as u64 > MOST_UNPACKED {
        return Err(Wrong::TooLarge);
    }
    parse(&unpacked).ok_or(Wrong::Format)
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

    #[test]
    fn a_bomb_is_not_unpacked() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..200 {
            std::io::Write::write_all(&mut packer, &zeros).unwrap();
        }
        let bomb = packer.finish().unwrap();
        assert!(bomb.len() < 1 << 20);
        assert!(matches!(read(&bomb), Err(Wrong::TooLarge)));
    }
}
