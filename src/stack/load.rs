//! Reads a stack's folder and renders it into a release.

use std::collections::BTreeMap;
use std::path::Path;

use super::release::{File, Release, digest};
use super::{compose, render, variables};
use crate::dashboards;
use crate::error::{Error, Place, Problem, Result};
use crate::inventory::Environment;
use crate::secrets::token;
use crate::text;
use crate::yaml::{Document, Value};

/// A file larger than this does not belong into a stack (bytes).
const LARGEST: u64 = 8 * 1024 * 1024;

/// Renders the environment's stack.
///
/// # Errors
/// Usage: all mistakes in the stack and in the values that the inventory gives it, together.
pub fn load(environment: &Environment) -> Result<Release> {
    let folder = format!("stack/{}", environment.stack);
    let fail = |problems| Error::problems(format!("render {folder} for {}", environment.name), problems);
    let mut sources = BTreeMap::new();
    read_folder(&environment.root.join(&folder), "", &folder, &mut sources)
        .map_err(|problem| fail(vec![problem]))?;

    let declared = match sources.remove(variables::FILE) {
        Some(bytes) => {
            Document::parse(&format!("{folder}/{}", variables::FILE), &String::from_utf8_lossy(&bytes))
        }
        None => Document::parse(&format!("{folder}/{}", variables::FILE), "variables: {}"),
    }
    .map_err(fail)?;
    let community = dashboards::inspect(&folder, &mut sources, digest);
    let variables::Resolved { mut values, mut problems, mut sought, from_host, ports } =
        variables::resolve(&declared, &environment.variables, &environment.name)
            .map_err(|problem| fail(vec![problem]))?;
    problems.extend(community.problems);
    for (name, value) in [
        ("environment", environment.name.clone()),
        ("project", environment.project.clone()),
        ("remote_path", environment.live_dir()),
        ("secrets_dir", environment.secrets_dir()),
    ] {
        values.insert(name.to_owned(), Value::from(value));
    }

    if !problems.is_empty() {
        // Rendered with wrong values there would be mistakes that are none.
        let (templates, _, _) = split(&folder, sources);
        problems.extend(
            render::Templates::prepare(&folder, &templates, &values)
                .map_or_else(|problems| problems, render::Templates::problems),
        );
        return Err(fail(problems));
    }
    let files = rendered(environment, &folder, sources, &values).map_err(fail)?;
    let mut release = assemble(environment, &folder, files, &ports).map_err(fail)?;
    sought.retain(|_, network| release.networks.contains(network));
    release.sought = sought;
    release.from_host =
        from_host.into_iter().filter(|(_, variable)| stands_in(&release, &variable.value)).collect();
    release.remarks.extend(remark(&release, &community.missing));
    Ok(release)
}

/// Whether a text stands in one of the release's files.
fn stands_in(release: &Release, text: &str) -> bool {
    let mut files = release.files.values().chain(release.sealed.values());
    files.any(|file| String::from_utf8_lossy(&file.content).contains(text))
}

/// Says which dashboards of grafana.com are not here, where a service would show them.
fn remark(release: &Release, missing: &[u32]) -> Option<String> {
    let shown =
        |id: &u32| release.services.values().any(|service| service.mounts_file(&dashboards::path_of(*id)));
    let missing: Vec<String> = missing.iter().filter(|id| shown(id)).map(u32::to_string).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "dashboards of grafana.com that are wanted and not here: {}; `provision dashboards update` fetches them",
            missing.join(", ")
        )
    })
}

/// Whether a path ends with one of these extensions.
#[must_use]
pub fn has_extension(path: &str, extensions: &[&str]) -> bool {
    Path::new(path).extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
}

/// Whether a path says that its file is YAML.
#[must_use]
pub fn is_yaml(path: &str) -> bool {
    has_extension(path, &["yml", "yaml"])
}

/// All files of a folder by their path in it. Names with control characters and links are refused.
fn read_folder(
    folder: &Path,
    prefix: &str,
    shown: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> std::result::Result<(), Problem> {
    let unreadable = |what: &str, error: &std::io::Error| {
        Problem::new(Place::file(what), format!("cannot be read: {error}"), "")
    };
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(shown, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(shown, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Editors' and systems' droppings.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let shown = format!("{shown}/{name}");
        if name.contains(|c: char| c.is_control() || c == '\u{fffd}' || c == '\\') {
            let place = Place::file(format!("{shown:?}"));
            let what = "the name has control characters, a backslash, or bytes that are no text";
            return Err(Problem::new(place, what, "Rename the file."));
        }
        let path = format!("{prefix}{name}");
        let kind = entry.metadata().map_err(|error| unreadable(&shown, &error))?;
        if kind.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), &shown, files)?;
        } else if !kind.is_file() {
            return Err(Problem::new(
                Place::file(shown),
                "is neither a file nor a folder",
                "Replace it by a copy.",
            ));
        } else if kind.len() > LARGEST {
            return Err(Problem::new(
                Place::file(shown),
                "is larger than 8 MB",
                "Data belongs into a volume.",
            ));
        } else {
            let bytes = std::fs::read(entry.path()).map_err(|error| unreadable(&shown, &error))?;
            files.insert(path, text::for_server(bytes).map_err(|unreadable| unreadable.problem(&shown))?);
        }
    }
    Ok(())
}

/// The templates, the other files, and what cannot be either.
fn split(
    folder: &str,
    sources: BTreeMap<String, Vec<u8>>,
) -> (BTreeMap<String, String>, BTreeMap<String, File>, Vec<Problem>) {
    let (mut templates, mut files, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (path, bytes) in sources {
        if !path.ends_with(render::SUFFIX) {
            files.insert(path, File::new(bytes));
            continue;
        }
        match text::decode(&bytes) {
            Ok(text) => {
                templates.insert(path, text.to_owned());
            }
            Err(unreadable) => problems.push(unreadable.problem(&format!("{folder}/{path}"))),
        }
    }
    (templates, files, problems)
}

/// Renders the templates, copies the rest, and parses what says that it is YAML or JSON.
fn rendered(
    environment: &Environment,
    folder: &str,
    sources: BTreeMap<String, Vec<u8>>,
    values: &BTreeMap<String, Value>,
) -> std::result::Result<BTreeMap<String, File>, Vec<Problem>> {
    let (texts, mut files, mut problems) = split(folder, sources);
    match render::Templates::prepare(folder, &texts, values) {
        Ok(mut templates) => {
            let mut rendered = templates.render(render::is_compose_file, values);
            // The other files may name the services. Where the compose file is wrong they are rendered without,
            // so that their mistakes are found as well.
            let copied = |path: &String| files.get(path).map(|file| String::from_utf8_lossy(&file.content));
            let compose_file = rendered.values().next().map(|text| text.as_str().into());
            let compose_file = compose_file
                .or_else(|| files.keys().find(|path| render::is_compose_file(path)).and_then(copied));
            let services = compose::declared(&compose_file.unwrap_or_default(), &environment.project);
            let mut values = values.clone();
            values.insert(render::SERVICES.to_owned(), services);
            rendered.extend(templates.render(|path| !render::is_compose_file(path), &values));
            problems.extend(templates.problems());
            for (path, text) in rendered {
                // A template that renders to nothing belongs to a component that is switched off.
                if text.trim().is_empty() {
                    continue;
                }
                if files.contains_key(&path) {
                    let place = Place::file(format!("{folder}/{path}"));
                    problems.push(Problem::new(
                        place,
                        "stands beside a template of the same name",
                        "Keep one of the two.",
                    ));
                }
                files.insert(path, File::new(text.into_bytes()));
            }
        }
        Err(found) => problems.extend(found),
    }
    for (path, file) in &files {
        let shown = format!("{folder}/{path}");
        let text = String::from_utf8_lossy(&file.content);
        if let Some(offset) = token::mangled(&text) {
            let line = text[..offset].lines().count().max(1);
            problems.push(Problem::new(
                Place { file: format!("{shown} (rendered)"), line, column: 0, text: String::new() },
                "a filter changed the placeholder of a secret",
                "Use `secret(name=…)` without a filter; the value is put in only on the host.",
            ));
        }
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
        match extension {
            Some("yml" | "yaml") => {
                if let Err(found) = Document::parse(&format!("{shown} (rendered)"), &text) {
                    problems.extend(found);
                }
            }
            Some("json") => {
                if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&file.content) {
                    let place = Place::at(format!("{shown} (rendered)"), &text, error.line(), error.column());
                    // The place has line and column already.
                    let what = error.to_string();
                    let what = what.split(" at line ").next().unwrap_or(&what);
                    problems.push(Problem::new(place, what, ""));
                }
            }
            _ => {}
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// Finds the compose file, reads it, and splits off the sealed files.
fn assemble(
    environment: &Environment,
    folder: &str,
    mut files: BTreeMap<String, File>,
    ports: &[(String, u16, Option<Place>)],
) -> std::result::Result<Release, Vec<Problem>> {
    let candidates: Vec<String> =
        files.keys().filter(|path| render::is_compose_file(path)).cloned().collect();
    let [compose_file] = candidates.as_slice() else {
        let what =
            if candidates.is_empty() { "has no compose file" } else { "has more than one compose file" };
        let hint = "A stack has one docker-compose.<name>.yml (or .yml.tera) at its top.";
        return Err(vec![Problem::new(Place::file(folder), what, hint)]);
    };
    let text = String::from_utf8_lossy(&files[compose_file].content).into_owned();
    let document = Document::parse(&format!("{folder}/{compose_file} (rendered)"), &text)?;
    let compose = compose::read(
        &document,
        compose_file,
        &environment.project,
        (&environment.remote.path, &environment.secrets_dir()),
        &files,
        ports,
    )?;
    // Dashboards that were fetched are no templates, which could render to nothing: they go with the service
    // that shows them.
    files.retain(|path, _| {
        !path.starts_with(dashboards::FOLDER)
            || compose.services.values().any(|service| service.mounts_file(path))
    });

    let sealed: BTreeMap<String, File> = files
        .iter()
        .filter(|(_, file)| !token::names_in(&String::from_utf8_lossy(&file.content)).is_empty())
        .map(|(path, file)| (path.clone(), file.clone()))
        .collect();
    files.retain(|path, _| !sealed.contains_key(path));
    let release = Release {
        project: environment.project.clone(),
        environment: environment.name.clone(),
        compose_file: compose_file.clone(),
        files,
        sealed,
        services: compose.services,
        volumes: compose.volumes,
        networks: compose.networks,
        sought: BTreeMap::new(),
        from_host: BTreeMap::new(),
        remarks: Vec::new(),
    };
    let unclaimed = unclaimed(folder, &release);
    if unclaimed.is_empty() { Ok(release) } else { Err(unclaimed) }
}

/// A file with a placeholder that no service takes from its secrets folder would be nowhere.
fn unclaimed(folder: &str, release: &Release) -> Vec<Problem> {
    let claimed = |path: &str| {
        release.services.values().flat_map(|service| service.secrets.values()).any(
            |file| matches!(file, super::SecretFile::Template { path: template, .. } if template == path),
        )
    };
    release
        .sealed
        .keys()
        .filter(|path| !claimed(path))
        .map(|path| {
            Problem::new(
                Place::file(format!("{folder}/{path}")),
                "holds a secret, and no service takes it from its secrets folder",
                format!(
                    "Say in the service that reads it `x-provision: {{secrets: {{{}: {{template: {path}}}}}}}`, \
                     or let the program read the secret from a file.",
                    path.rsplit('/').next().unwrap_or(path)
                ),
            )
        })
        .collect()
}
