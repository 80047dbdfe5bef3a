//! What a service's own files declare, and its checks want to find running: rules, jobs, datasources, dashboards.

use super::check::SentRule;
use crate::error::Problem;
use crate::stack::{Release, Service, has_extension, is_yaml};
use crate::yaml::{Document, Value};

/// The values of flags in the service's `command:`, by what stands before them.
pub(super) fn flags<const N: usize>(
    release: &Release,
    service: &Service,
    prefixes: [&str; N],
) -> [Option<String>; N] {
    let file = release.files.get(&release.compose_file);
    let text = file.map(|file| String::from_utf8_lossy(&file.content)).unwrap_or_default();
    let document = Document::parse(&release.compose_file, &text).ok();
    let definition =
        document.as_ref().and_then(|document| document.value().get("services")?.get(service.name.as_str()));
    prefixes.map(|prefix| {
        sequence(definition?, "command")
            .filter_map(Value::as_str)
            .find_map(|word| word.strip_prefix(prefix).filter(|value| !value.is_empty()).map(str::to_owned))
    })
}

fn sequence<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_sequence).into_iter().flatten()
}

/// The names of the scrape jobs, sorted.
pub(super) fn jobs(document: &Document) -> Vec<String> {
    let mut jobs: Vec<String> = sequence(document.value(), "scrape_configs")
        .filter_map(|job| job.get("job_name").and_then(Value::as_str))
        .map(str::to_owned)
        .collect();
    jobs.sort();
    jobs
}

/// Rule groups with how many rules each has, and the rules.
pub(super) type Groups = (Vec<(String, usize)>, Vec<SentRule>);

/// The rule groups that the configuration's patterns find among the release's files, and their rules.
pub(super) fn rule_groups(
    release: &Release,
    service: &Service,
    config: &str,
    document: &Document,
) -> Result<Groups, Problem> {
    let folder = config.rsplit_once('/').map_or("", |(folder, _)| folder);
    let (mut groups, mut rules) = (Vec::new(), Vec::new());
    for (index, pattern) in sequence(document.value(), "rule_files").filter_map(Value::as_str).enumerate() {
        let in_stack = if pattern.starts_with('/') {
            service.mounts.iter().filter(|mount| !mount.source.starts_with('/')).find_map(|mount| {
                let rest = pattern.strip_prefix(&mount.target)?.strip_prefix('/')?;
                Some(format!("{}/{rest}", mount.source))
            })
        } else {
            Some(format!("{folder}/{pattern}"))
        };
        let nowhere = |why: &str| {
            document.problem(
                &["rule_files", &index.to_string()],
                format!("`{pattern}` {why}"),
                "Prometheus would start without these rules and not call that an error: correct the pattern or the mount.",
            )
        };
        let in_stack = in_stack.ok_or_else(|| nowhere("is in no folder that the service mounts"))?;
        let files: Vec<_> = release.files.iter().filter(|(path, _)| matches(&in_stack, path)).collect();
        if files.is_empty() {
            return Err(nowhere("matches no file of the stack"));
        }
        for (path, file) in files {
            let parsed = Document::parse(path, &String::from_utf8_lossy(&file.content))
                .map_err(|mut problems| problems.remove(0))?;
            for group in sequence(parsed.value(), "groups") {
                let name = group.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                rules.extend(sequence(group, "rules").map(|rule| sent_rule(&name, rule)));
                groups.push((name, sequence(group, "rules").count()));
            }
        }
    }
    groups.sort();
    Ok((groups, rules))
}

fn sent_rule(group: &str, rule: &Value) -> SentRule {
    // A number may stand where a text is meant: `expr: 1`.
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim().to_owned(),
    };
    let field = |key: &str| rule.get(key).map(text).unwrap_or_default();
    let labels = rule.get("labels").and_then(Value::as_mapping).into_iter().flatten();
    SentRule {
        group: group.to_owned(),
        name: rule.get("alert").or_else(|| rule.get("record")).map(text).unwrap_or_default(),
        expr: field("expr"),
        lasts: field("for"),
        labels: labels.map(|(key, value)| (text(key), text(value))).collect(),
    }
}

/// A path against a pattern with `*`, which matches inside one folder as in Prometheus.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(pattern, part)| matches_part(pattern, part))
}

fn matches_part(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches_part(after, &rest[at..]))
}

/// Uid and type of the datasources that the service's mounted files provision.
pub(super) fn datasources(release: &Release, service: &Service) -> Vec<(String, String)> {
    let mut uids = Vec::new();
    for (path, file) in release.files.iter().filter(|(path, _)| service.mounts_file(path)) {
        if !is_yaml(path) {
            continue;
        }
        let Ok(document) = Document::parse(path, &String::from_utf8_lossy(&file.content)) else { continue };
        uids.extend(sequence(document.value(), "datasources").filter_map(|source| {
            let text = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
            Some((text("uid")?, text("type").unwrap_or_default()))
        }));
    }
    uids.sort();
    uids
}

/// Uids of the dashboards in the folders that the service watches.
pub(super) fn dashboards(release: &Release, service: &Service) -> Vec<String> {
    let mut uids: Vec<String> = release
        .files
        .iter()
        .filter(|(path, _)| has_extension(path, &["json"]) && service.watches(path))
        .filter_map(|(_, file)| serde_json::from_slice::<serde_json::Value>(&file.content).ok())
        .filter_map(|dashboard| dashboard.get("uid").and_then(|uid| uid.as_str()).map(str::to_owned))
        .collect();
    uids.sort();
    uids
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stays_in_its_folder() {
        assert!(matches("prometheus/alerts/*.yml", "prometheus/alerts/koprogo.yml"));
        assert!(!matches("prometheus/alerts/*.yml", "prometheus/alerts/more/koprogo.yml"));
        assert!(!matches("prometheus/alerts/*.yml", "prometheus/alerts/koprogo.yaml"));
        assert!(matches("a/b*c*.yml", "a/bxcx.yml"));
    }
}
