//! The manifest of a release on a host: what its files and containers should be, in lines that a shell reads.

use std::fmt::Write as _;

use super::Generated;
use crate::stack::Release;

/// Tab-separated lines: `compose FILE`, `file DIGEST PATH`, `service NAME CONTAINER LABEL ONE_SHOT IMAGE`,
/// `secret SERVICE FILE UID`, `fingerprint NAME VALUE`, `sealed DIGEST`, `port NUMBER SERVICE`.
#[must_use]
pub fn manifest(release: &Release, generated: &Generated) -> String {
    let mut text = format!("compose\t{}\n", release.compose_file);
    for (path, file) in &generated.files {
        let _ = writeln!(text, "file\t{}\t{path}", file.digest);
    }
    for (name, service) in &release.services {
        let label = generated.labels.get(name).map_or("", String::as_str);
        let once = u8::from(service.one_shot);
        let _ = writeln!(text, "service\t{name}\t{}\t{label}\t{once}\t{}", service.container, service.image);
        for port in &service.ports {
            let _ = writeln!(text, "port\t{port}\t{name}");
        }
        for file in service.secrets.keys() {
            let _ = writeln!(text, "secret\t{name}\t{file}\t{}", service.uid);
        }
    }
    for (name, fingerprint) in &generated.fingerprints {
        let _ = writeln!(text, "fingerprint\t{name}\t{fingerprint}");
    }
    let _ = writeln!(text, "sealed\t{}", generated.sealed_digest);
    text
}
