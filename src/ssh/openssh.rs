//! OpenSSH's client, asked for its configuration: `ssh -G`.

use std::time::Duration;

use super::surroundings::Surroundings;
use crate::child;
use crate::error::{Error, Result, quoted};
use crate::inventory::Host;

/// `ssh -G` answers in milliseconds; a `Match exec` in it may hang.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is not as OpenSSH does it: the setting, and the value that means that it is not used.
const NOT_USED: [(&str, &str, &[&str]); 7] = [
    ("knownhostscommand", "KnownHostsCommand", &[]),
    ("pkcs11provider", "PKCS11Provider", &[]),
    ("bindaddress", "BindAddress", &[]),
    ("bindinterface", "BindInterface", &[]),
    ("addressfamily", "AddressFamily", &["any"]),
    ("proxyusefdpass", "ProxyUseFdpass", &["no"]),
    ("verifyhostkeydns", "VerifyHostKeyDNS", &["no", "false"]),
];

/// What `ssh -G` printed: one setting a line, its name in lower case.
#[derive(Debug, Default)]
pub(super) struct Settings(pub String);

impl Settings {
    /// The first value of `key`, `none` being none.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.values(key).next()
    }

    /// All values of `key`.
    pub(super) fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0
            .lines()
            .filter_map(move |line| line.split_once(' ').filter(|(name, _)| *name == key))
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("none"))
    }

    /// The settings that are set and that provision passes over, each as one would write it.
    pub(super) fn not_used(&self) -> Vec<String> {
        NOT_USED
            .iter()
            .filter_map(|(key, name, usual)| {
                let value = self.value(key).filter(|value| !usual.contains(value))?;
                Some(format!("{name} {value}"))
            })
            .collect()
    }
}

/// Asks the client about `host`; none where there is no client.
///
/// # Errors
/// Usage: the client refuses its configuration, or does not answer.
pub(super) async fn ask(host: &Host, around: &Surroundings) -> Result<Option<Settings>> {
    let Some(client) = &around.client else { return Ok(None) };
    let mut command = child::command(client);
    command.arg("-G");
    if let Some(config) = &around.config {
        command.arg("-F").arg(config);
    }
    if let Some(user) = &host.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = host.port {
        command.arg("-p").arg(port.to_string());
    }
    command.arg("--").arg(&host.address);
    let doing = || format!("ask `ssh -G {}` for the SSH configuration", host.address);
    let output = match child::output(command, CLIENT_TIMEOUT).await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let failed = Error::usage(doing()).cause(&error).host(&host.name.0);
            return Err(match error.kind() {
                std::io::ErrorKind::TimedOut => failed.hint("A `Match exec` in ~/.ssh/config may hang."),
                std::io::ErrorKind::FileTooLarge => failed
                    .hint("A configuration has some KiB: what is found as `ssh` here may be something else."),
                _ => failed,
            });
        }
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::usage(doing())
            .host(&host.name.0)
            .cause(quoted(&said).unwrap_or_else(|| "it said nothing".to_owned()))
            .hint("Correct ~/.ssh/config, or the host's address in the inventory."));
    }
    Ok(Some(Settings(String::from_utf8_lossy(&output.stdout).into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_over_is_named() {
        let settings = Settings("addressfamily any\nproxyusefdpass no\nbindaddress 10.0.0.2\n".to_owned());
        assert_eq!(settings.not_used(), ["BindAddress 10.0.0.2"]);
    }
}
