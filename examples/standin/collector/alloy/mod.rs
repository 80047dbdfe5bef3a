//! Alloy's command line and configuration.

mod graph;
mod syntax;

use std::path::{Path, PathBuf};

use super::{Flavour, Plan};
use crate::flags::Flags;

const VALUED: [&str; 8] = [
    "server.http.listen-addr",
    "server.http.ui-path-prefix",
    "server.http.memory-addr",
    "storage.path",
    "stability.level",
    "config.format",
    "cluster.enabled",
    "feature.prometheus.metric-validation-scheme",
];

/// Reads the command line and the file that it names; nothing where only a question was asked.
pub(super) fn plan(arguments: &[String]) -> Result<Option<Plan>, String> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err("usage: alloy run [FLAGS] PATH".to_owned());
    };
    let flags = match command.as_str() {
        "run" => Flags::parse(rest, &["disable-reporting", "server.http.enable-pprof"], &VALUED)?,
        "validate" | "fmt" => Flags::parse(rest, &["test", "t"], &["stability.level"])?,
        "--version" | "-v" => {
            println!(
                "alloy, version {} (branch: stand-in)\n  this is a STAND-IN for Alloy",
                Flavour::Alloy.version()
            );
            return Ok(None);
        }
        other => return Err(format!("unknown command {other:?} for \"alloy\"")),
    };
    let [path] = flags.rest.as_slice() else {
        return Err(format!("accepts 1 arg(s), received {}", flags.rest.len()));
    };
    let text = read(Path::new(path))?;
    let blocks = syntax::parse(&text).map_err(|cause| format!("Error: {path}:{cause}"))?;
    if command == "fmt" {
        return Ok(None);
    }
    let sources = graph::sources(&blocks).map_err(|cause| format!("Error: {path}:{cause}"))?;
    if command == "validate" {
        println!("valid (stand-in for Alloy)");
        return Ok(None);
    }
    let storage = PathBuf::from(flags.or("storage.path", "data-alloy/"));
    std::fs::create_dir_all(&storage)
        .map_err(|cause| format!("could not create the storage folder {}: {cause}", storage.display()))?;
    Ok(Some(Plan {
        flavour: Flavour::Alloy,
        address: flags.or("server.http.listen-addr", "127.0.0.1:12345").to_owned(),
        positions: storage.join("positions.yml"),
        sources,
    }))
}

/// A file, or all `.alloy` files of a folder.
fn read(path: &Path) -> Result<String, String> {
    let file =
        |path: &Path| std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", path.display()));
    if !path.is_dir() {
        return file(path);
    }
    let mut paths: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|cause| format!("{}: {cause}", path.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "alloy"))
        .collect();
    paths.sort();
    Ok(paths.iter().map(|path| file(path)).collect::<Result<Vec<_>, _>>()?.join("\n"))
}
