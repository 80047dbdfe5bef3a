//! The manifest of a release on a host: what its files and containers should be, in lines that a shell reads.

use std::fmt::Write as _;

use super::{Generated, role};
use crate::stack::Release;

/// Tab-separated lines: `owner PROJECT ENVIRONMENT`, `compose FILE`, `file DIGEST PATH`, `folder PATH` for each that
/// services mount as their configuration, `service NAME CONTAINER LABEL ONE_SHOT IMAGE`,
/// `validate NAME IMAGE USER MEMORY WORD…` and for each of its mounts `mount NAME SOURCE TARGET`,
/// `patience NAME SECONDS`, `secret SERVICE FILE OWNER`, `role SERVICE CONTAINER USER DATABASE ROLE SQL-FILE`, `fingerprint NAME VALUE`, `sealed DIGEST`, `port NUMBER SERVICE`.
#[must_use]
pub fn manifest(release: &Release, generated: &Generated) -> String {
    let mut text = format!("owner\t{}\t{}\n", release.project, release.environment);
    let _ = writeln!(text, "compose\t{}", release.compose_file);
    for (path, file) in &generated.files {
        let _ = writeln!(text, "file\t{}\t{path}", file.digest);
    }
    for folder in release.configuration() {
        let _ = writeln!(text, "folder\t{folder}");
    }
    for (name, service) in &release.services {
        let label = generated.labels.get(name).map_or("", String::as_str);
        let once = u8::from(service.one_shot);
        let _ = writeln!(text, "service\t{name}\t{}\t{label}\t{once}\t{}", service.container, service.image);
        let _ = writeln!(text, "patience\t{name}\t{}", service.patience);
        if let Some(validate) = &service.validate {
            let (user, memory) = (validate.user.as_deref(), validate.memory.as_deref());
            let _ = writeln!(
                text,
                "validate\t{name}\t{}\t{}\t{}\t{}",
                service.image,
                user.unwrap_or("-"),
                memory.unwrap_or("256m"),
                validate.command.join("\t")
            );
            for mount in &service.mounts {
                let _ = writeln!(text, "mount\t{name}\t{}\t{}", mount.source, mount.target);
            }
        }
        for port in &service.ports {
            let _ = writeln!(text, "port\t{port}\t{name}");
        }
        for file in service.secrets.keys() {
            let _ = writeln!(text, "secret\t{name}\t{file}\t{}", service.secrets_owner());
        }
    }
    for (service, database) in role::services(release) {
        let (folder, file) = role::sealed_file(&service.name);
        let _ = writeln!(text, "secret\t{folder}\t{file}\t0");
        let words = [&service.name, &database.container, &database.user, &database.name, &database.role];
        let _ = writeln!(text, "role\t{}\t{}", words.map(String::as_str).join("\t"), database.sql);
    }
    for (name, fingerprint) in &generated.fingerprints {
        let _ = writeln!(text, "fingerprint\t{name}\t{fingerprint}");
    }
    let _ = writeln!(text, "sealed\t{}", generated.sealed_digest);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{Sketch, database, generated, release};
    use super::*;
    use crate::stack::Validate;

    #[test]
    fn a_manifest_has_one_whole_line_for_each_thing() {
        let mut release = release(&[
            Sketch { reloads: true, secrets: BTreeSet::from(["a", "b"]), ..Sketch::default() },
            Sketch::default(),
        ]);
        release.services.get_mut("s0").unwrap().ports = vec![9090];
        release.services.get_mut("s1").unwrap().database = Some(database());
        release.services.get_mut("s0").unwrap().validate = Some(Validate {
            command: ["tool", "check", "/etc/x/conf.yml"].map(str::to_owned).to_vec(),
            user: None,
            memory: Some("64m".to_owned()),
        });
        let generated = generated(&release);
        let text = manifest(&release, &generated);
        assert!(
            text.contains(
                "secret\trole@s1\tverifier\t0\nrole\ts1\tapp-db\tapp\tapp_db\twatcher\ts1/role.sql\n"
            ),
            "{text}"
        );
        assert!(text.ends_with('\n'));
        let mut counts = std::collections::BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            assert!(
                fields.iter().all(|field| !field.is_empty() && !field.contains(char::is_control)),
                "{line:?}"
            );
            *counts.entry((fields[0].to_owned(), fields.len())).or_insert(0) += 1;
        }
        let counts: Vec<String> =
            counts.iter().map(|((word, fields), n)| format!("{word}/{fields} {n}")).collect();
        assert_eq!(
            counts,
            [
                "compose/2 1",
                "file/3 8",
                "fingerprint/3 2",
                "folder/2 2",
                "mount/4 1",
                "owner/3 1",
                "patience/3 2",
                "port/3 1",
                "role/7 1",
                "sealed/2 1",
                "secret/4 3",
                "service/6 2",
                "validate/8 1"
            ]
        );
        assert!(text.contains("\nvalidate\ts0\texample/s0:1\t-\t64m\ttool\tcheck\t/etc/x/conf.yml\n"));
    }
}
