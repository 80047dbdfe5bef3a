//! Why a host's sshd does not forward to the stack's ports: its settings are asked, so that the right one is named.

use std::collections::BTreeSet;

use crate::error::{Error, Kind, quoted};
use crate::inventory::Host;
use crate::ssh::{Command, Session};

/// Asks sshd for its settings.
const FORWARDING: &str = include_str!("scripts/forwarding.sh");

/// How to have a change of sshd's settings take effect.
const RELOAD: &str = "then on the host: sshd -t && systemctl reload ssh";

/// The error of a host that would not forward to `ports`. One more question to the host: its sshd's settings.
pub async fn prohibited(session: &Session, host: &Host, ports: &BTreeSet<u16>) -> Error {
    let command = Command::script(FORWARDING).arg(session.user()).sudo(host.sudo);
    let said = match session.exec(&command, Vec::new()).await {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(_) => String::new(),
    };
    explain(&said, session.user(), ports).host(host.name.to_string())
}

/// What the settings that `sshd -T` printed say.
fn explain(said: &str, user: &str, ports: &BTreeSet<u16>) -> Error {
    let value = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
    };
    let mut list: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let some = list.first().cloned().unwrap_or_default();
    let all = list.join(" ");
    list.truncate(3);
    let shown = if ports.len() > list.len() {
        format!("{} and {} more", list.join(", "), ports.len() - list.len())
    } else {
        list.join(", ")
    };
    let error = Error::new(Kind::Unreachable, "reach the stack's ports over SSH")
        .cause(format!("the host's sshd does not forward to {shown}, so the checks could not be asked"));
    let file = "/etc/ssh/sshd_config or a file of /etc/ssh/sshd_config.d";
    let error = if value("disableforwarding").as_deref() == Some("yes") {
        error
            .cause("its setting is `DisableForwarding yes`")
            .hint(format!("Remove `DisableForwarding yes` from {file}, {RELOAD}"))
    } else if let Some(forwarding) =
        value("allowtcpforwarding").filter(|value| ["no", "remote"].contains(&value.as_str()))
    {
        error.cause(format!("its setting is `AllowTcpForwarding {forwarding}`")).hint(format!(
            "Set `AllowTcpForwarding local` in {file}, or below a `Match User {user}` there; {RELOAD}"
        ))
    } else if let Some(open) = value("permitopen").filter(|value| value != "any") {
        let shown = quoted(&open).unwrap_or_default();
        error.cause(format!("its setting is `PermitOpen {}`", shown.trim_matches('"'))).hint(format!(
            "Add `{all}` to `PermitOpen` in {file}, or below a `Match User {user}` there; {RELOAD}"
        ))
    } else if value("allowtcpforwarding").is_some() {
        error
            .cause("its settings allow it, so an option in front of our key forbids it")
            .hint(format!(
                "In ~/.ssh/authorized_keys of {user} on the host: put `port-forwarding` behind `restrict`, remove \
                 `no-port-forwarding`, and let `permitopen=` name each port (`permitopen=\"{some}\"`)."
            ))
    } else {
        error.cause("which of its settings forbids it could not be asked").hint(format!(
            "On the host, `sshd -T | grep -iE 'forwarding|permitopen'` must show `allowtcpforwarding local` or `yes`, \
             `disableforwarding no`, `permitopen any`; and the key in ~/.ssh/authorized_keys of {user} must have \
             neither `restrict` without `port-forwarding`, nor `no-port-forwarding`, nor `permitopen=` without these ports."
        ))
    };
    error.cause("nothing was sent to the host, and nothing was changed there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(said: &str) -> String {
        let error = explain(said, "deploy", &[3000, 9090, 9093, 9187].into());
        let mut lines: Vec<String> = error.causes().iter().map(|cause| format!("  {cause}")).collect();
        lines.extend(error.hints().iter().map(|hint| format!("hint: {hint}")));
        lines.join("\n")
    }

    #[test]
    fn the_setting_that_forbids_forwarding_is_named_with_its_remedy() {
        insta::assert_snapshot!(told("allowtcpforwarding no\ndisableforwarding no\npermitopen any\n"), @r"
          the host's sshd does not forward to 127.0.0.1:3000, 127.0.0.1:9090, 127.0.0.1:9093 and 1 more, so the checks could not be asked
          its setting is `AllowTcpForwarding no`
          nothing was sent to the host, and nothing was changed there
        hint: Set `AllowTcpForwarding local` in /etc/ssh/sshd_config or a file of /etc/ssh/sshd_config.d, or below a `Match User deploy` there; then on the host: sshd -t && systemctl reload ssh
        ");
        insta::assert_snapshot!(told("allowtcpforwarding yes\ndisableforwarding yes\npermitopen any\n"), @r"
          the host's sshd does not forward to 127.0.0.1:3000, 127.0.0.1:9090, 127.0.0.1:9093 and 1 more, so the checks could not be asked
          its setting is `DisableForwarding yes`
          nothing was sent to the host, and nothing was changed there
        hint: Remove `DisableForwarding yes` from /etc/ssh/sshd_config or a file of /etc/ssh/sshd_config.d, then on the host: sshd -t && systemctl reload ssh
        ");
        insta::assert_snapshot!(told("allowtcpforwarding yes\ndisableforwarding no\npermitopen 127.0.0.1:5432\n"), @r"
          the host's sshd does not forward to 127.0.0.1:3000, 127.0.0.1:9090, 127.0.0.1:9093 and 1 more, so the checks could not be asked
          its setting is `PermitOpen 127.0.0.1:5432`
          nothing was sent to the host, and nothing was changed there
        hint: Add `127.0.0.1:3000 127.0.0.1:9090 127.0.0.1:9093 127.0.0.1:9187` to `PermitOpen` in /etc/ssh/sshd_config or a file of /etc/ssh/sshd_config.d, or below a `Match User deploy` there; then on the host: sshd -t && systemctl reload ssh
        ");
        insta::assert_snapshot!(told("allowtcpforwarding yes\ndisableforwarding no\npermitopen any\n"), @r#"
          the host's sshd does not forward to 127.0.0.1:3000, 127.0.0.1:9090, 127.0.0.1:9093 and 1 more, so the checks could not be asked
          its settings allow it, so an option in front of our key forbids it
          nothing was sent to the host, and nothing was changed there
        hint: In ~/.ssh/authorized_keys of deploy on the host: put `port-forwarding` behind `restrict`, remove `no-port-forwarding`, and let `permitopen=` name each port (`permitopen="127.0.0.1:3000"`).
        "#);
        insta::assert_snapshot!(told(""), @r"
          the host's sshd does not forward to 127.0.0.1:3000, 127.0.0.1:9090, 127.0.0.1:9093 and 1 more, so the checks could not be asked
          which of its settings forbids it could not be asked
          nothing was sent to the host, and nothing was changed there
        hint: On the host, `sshd -T | grep -iE 'forwarding|permitopen'` must show `allowtcpforwarding local` or `yes`, `disableforwarding no`, `permitopen any`; and the key in ~/.ssh/authorized_keys of deploy must have neither `restrict` without `port-forwarding`, nor `no-port-forwarding`, nor `permitopen=` without these ports.
        ");
    }
}
