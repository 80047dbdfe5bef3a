//! What an inventory that can be read may still not be: the example that was copied, or another environment's.

use std::net::IpAddr;
use std::path::Path;

use super::Host;
use super::environment::{self, Environment};
use crate::error::Problem;
use crate::yaml::Value;

/// What has to be edited before a server is connected to: names and addresses that belong to nobody, one server
/// under two names, and one server that another environment of the project has for the same folder or compose project.
#[must_use]
pub fn server_problems(root: &Path, environment: &Environment) -> Vec<Problem> {
    let mut problems = examples(environment);
    problems.extend(same_server(&environment.hosts, environment));
    for other in environment::names(root).iter().filter(|name| **name != environment.name) {
        // What is wrong in that one is said when it is checked itself.
        if let Ok(other) = Environment::load(root, other) {
            problems.extend(same_place(environment, &other));
        }
    }
    problems
}

fn place(environment: &Environment, host: &Host) -> crate::error::Place {
    environment.variables.over.place(&["hosts", &host.name.0, "address"])
}

/// Addresses and names that are set aside for documentation: RFC 5737, RFC 3849, RFC 2606.
fn examples(environment: &Environment) -> Vec<Problem> {
    let mut problems = Vec::new();
    for host in &environment.hosts {
        if is_example(&host.address) {
            problems.push(Problem::new(
                place(environment, host),
                format!("`{}` is an example, which no server has", host.address),
                "Put the address of your server in its place.",
            ));
        }
    }
    // A server of a private network may be a lab, where names are nobody's either.
    if environment.hosts.iter().all(|host| is_private(&host.address)) {
        return problems;
    }
    for (name, value) in &environment.variables.values {
        walk(value, &mut vec![name.clone()], &mut |path, text| {
            if is_example(named(text)) {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                problems.push(Problem::new(
                    environment.variables.place(&path),
                    format!("`{}` is `{text}`, an example that belongs to nobody", path.join(".")),
                    "Put your own in its place.",
                ));
            }
        });
    }
    problems
}

fn walk(value: &Value, path: &mut Vec<String>, found: &mut impl FnMut(&[String], &str)) {
    match value {
        Value::String(text) => found(path, text),
        Value::Mapping(map) => {
            for (key, value) in map {
                path.push(key.as_str().unwrap_or_default().to_owned());
                walk(value, path, found);
                path.pop();
            }
        }
        Value::Sequence(list) => {
            for (index, value) in list.iter().enumerate() {
                path.push(index.to_string());
                walk(value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The host name in a value: of an e-mail address, a URL, a name with a port, or the value itself.
fn named(text: &str) -> &str {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = text.split(['/', '?']).next().unwrap_or_default();
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    text.split([':', '>']).next().unwrap_or_default()
}

fn is_example(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(address)) => {
            matches!(address.octets(), [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _])
        }
        Ok(IpAddr::V6(address)) => address.segments()[..2] == [0x2001, 0xdb8],
        Err(_) => {
            let name = address.trim_end_matches('.').to_ascii_lowercase();
            let below = |zone: &str| {
                name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            ["example.com", "example.net", "example.org", "example", "invalid"].into_iter().any(below)
                && name.contains('.')
        }
    }
}

fn is_private(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(address)) => address.is_private() || address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => address == "localhost",
    }
}

/// Whether two hosts are reached at one address: the login does not matter.
fn is_same(one: &Host, other: &Host) -> bool {
    let port = |host: &Host| host.port.unwrap_or(22);
    one.address.eq_ignore_ascii_case(&other.address)
        && port(one) == port(other)
        && one.jump.as_deref().unwrap_or("none") == other.jump.as_deref().unwrap_or("none")
}

fn same_server(hosts: &[Host], environment: &Environment) -> Vec<Problem> {
    let twice = hosts.iter().enumerate().filter_map(|(index, host)| {
        let first = hosts[..index].iter().find(|first| is_same(first, host))?;
        Some(Problem::new(
            place(environment, host),
            format!("`{}` has the address of `{}`: they are one server", host.name, first.name),
            "Correct one of the addresses, or take one of the names away.",
        ))
    });
    twice.collect()
}

fn same_place(environment: &Environment, other: &Environment) -> Vec<Problem> {
    let what = if environment.remote.path == other.remote.path {
        format!("the folder {}", environment.remote.path)
    } else if environment.project == other.project {
        format!("the compose project {}", environment.project)
    } else {
        return Vec::new();
    };
    let shared =
        environment.hosts.iter().filter(|host| other.hosts.iter().any(|theirs| is_same(host, theirs)));
    shared
        .map(|host| {
            Problem::new(
                place(environment, host),
                format!("`{}` has {what} on this server as well", other.name),
                "Two environments need two servers, or a `project:` and a `remote: {path: …}` of their own each.",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn what_is_set_aside_for_documentation_is_known() {
        for example in [
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.10",
            "2001:db8::1",
            "example.com",
            "grafana.Example.org.",
            "vps.example",
            "x.invalid",
        ] {
            assert!(is_example(example), "{example}");
        }
        for real in
            ["192.0.3.1", "10.0.0.1", "2001:db9::1", "myexample.com", "example.com.au", "example", "vps"]
        {
            assert!(!is_example(real), "{real}");
        }
        for (text, name) in [
            ("Ops <ops@example.com>", "example.com"),
            ("https://u:p@example.com:8443/x?y", "example.com"),
            ("smtp.example.com:587", "smtp.example.com"),
            ("[{{ Prod }}]", "[{{ Prod }}]"),
        ] {
            assert_eq!(named(text), name);
        }
    }

    fn told(all: &str, files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("inventory")).unwrap();
        std::fs::create_dir_all(dir.path().join("stack/monitoring")).unwrap();
        std::fs::write(dir.path().join("inventory/all.yml"), all).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(format!("inventory/{name}.yml")), text).unwrap();
        }
        let environment = Environment::load(dir.path(), files[0].0).unwrap();
        let mut told = String::new();
        for problem in server_problems(dir.path(), &environment) {
            writeln!(told, "{}: {} | {}", problem.place, problem.what, problem.hint).unwrap();
        }
        told
    }

    #[test]
    fn the_example_is_refused_until_it_is_edited() {
        let example = include_str!("../../inventory/prod.yml");
        insta::assert_snapshot!(told("", &[("prod", example)]), @r"
        inventory/prod.yml:4:5: `203.0.113.10` is an example, which no server has | Put the address of your server in its place.
        inventory/prod.yml:15:3: `alert_email` is `ops@example.com`, an example that belongs to nobody | Put your own in its place.
        inventory/prod.yml:11:3: `domain` is `koprogo.example.com`, an example that belongs to nobody | Put your own in its place.
        ");
        let edited = example.replace("203.0.113.10", "koprogo.com");
        insta::assert_snapshot!(told("", &[("prod", &edited)]), @r"
        inventory/prod.yml:15:3: `alert_email` is `ops@example.com`, an example that belongs to nobody | Put your own in its place.
        inventory/prod.yml:11:3: `domain` is `koprogo.example.com`, an example that belongs to nobody | Put your own in its place.
        ");
        let private = example.replace("203.0.113.10", "10.1.2.3");
        assert_eq!(told("", &[("prod", &private)]), "");
    }

    #[test]
    fn one_server_under_two_names_is_refused() {
        let text = "hosts:\n  a: {address: koprogo.com}\n  b: {address: KoproGo.com, port: 22, user: ana}\n  \
                    c: {address: koprogo.com, port: 2222}\n";
        insta::assert_snapshot!(told("", &[("prod", text)]), @"inventory/prod.yml:3:7: `b` has the address of `a`: they are one server | Correct one of the addresses, or take one of the names away.");
    }

    #[test]
    fn two_environments_share_no_folder_and_no_project_of_a_server() {
        let prod = "hosts: {vps: {address: koprogo.com}}\n";
        insta::assert_snapshot!(told("", &[("staging", prod), ("prod", prod)]), @"inventory/staging.yml:1:15: `prod` has the folder /opt/koprogo-monitoring on this server as well | Two environments need two servers, or a `project:` and a `remote: {path: …}` of their own each.");
        let moved = format!("{prod}remote: {{path: /opt/other}}\n");
        insta::assert_snapshot!(told("", &[("staging", &moved), ("prod", prod)]), @"inventory/staging.yml:1:15: `prod` has the compose project koprogo-monitoring on this server as well | Two environments need two servers, or a `project:` and a `remote: {path: …}` of their own each.");
        let apart = format!("{moved}project: other\n");
        assert_eq!(told("", &[("staging", &apart), ("prod", prod)]), "");
        assert_eq!(told("", &[("staging", "hosts: {vps: {address: koprogo.org}}\n"), ("prod", prod)]), "");
        assert_eq!(
            told("", &[("staging", "hosts: {vps: {address: koprogo.org}}\n"), ("prod", "broken: [")]),
            ""
        );
    }
}
