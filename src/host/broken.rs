//! What stands where a script's answer should be: the words of sudo, of the login shell, or of whatever is in between.

use crate::error::{Error, Kind, quoted};
use crate::ssh::{Output, Session};

/// How a host that does not run our scripts says why: a part of its words, and what to do. `USER` is the login. The
/// words are those of sudo 1.9, Linux-PAM 1.5, OpenSSH 9.2 and shadow's `nologin`.
const CAUSES: [(&str, &str); 13] = [
    (
        "must have a tty",
        "sudo's `requiretty` is on. Let the login do without: `Defaults:USER !requiretty` in /etc/sudoers.d/USER.",
    ),
    (
        "password change required",
        "The password of USER has expired, and a login without a terminal cannot change it. On the host, as root: \
         chage -M -1 USER",
    ),
    ("password has expired", "The password of USER has expired. On the host, as root: chage -M -1 USER"),
    (
        "account or password is expired",
        "The account or the password of USER has expired, so sudo refuses it. `chage -l USER` on the host says which; \
         as root: chage -E -1 -M -1 USER",
    ),
    ("account has expired", "The account of USER has expired. On the host, as root: chage -E -1 USER"),
    (
        "account validation failure",
        "The account of USER is locked or has expired: `passwd -S USER` and `chage -l USER` on the host say which.",
    ),
    (
        "account is currently not available",
        "The login has no shell. On the host, as root: usermod -s /bin/sh USER",
    ),
    (
        "system is going down",
        "The host is shutting down, or /run/nologin was left over: try again when it is up.",
    ),
    ("system is booting up", "The host is still starting (/run/nologin is there): try again in a minute."),
    (
        "a password is required",
        "The login may not become root without a password. Let it: \
         `USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/USER, or log in as root (`user: root, sudo: false`).",
    ),
    (
        "a terminal is required",
        "The login may not become root without a password. Let it: \
         `USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/USER, or log in as root (`user: root, sudo: false`).",
    ),
    (
        "not in the sudoers file",
        "The login may not become root. Let it: `USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/USER, or log in as \
         root (`user: root, sudo: false`).",
    ),
    (
        "is not allowed to execute",
        "The login may become root only for some commands. Let it for all: `USER ALL=(ALL) NOPASSWD: ALL` in \
         /etc/sudoers.d/USER; scripts have no fixed command line.",
    ),
];

/// In so many bytes of what a login printed its cause is looked for.
const LOOKED_AT: usize = 64 * 1024;

/// Who asked.
#[derive(Debug, Clone)]
pub(super) struct Login {
    /// The name on the host.
    pub user: String,
    /// The command that tries it by hand.
    pub by_hand: String,
}

impl Login {
    pub(super) fn of(session: &Session) -> Self {
        Self { user: session.user().to_owned(), by_hand: session.by_hand() }
    }
}

/// The error of a host that was asked for something by `login` and gave `output` instead of an answer.
pub(super) fn broken(doing: &str, login: &Login, output: &Output) -> Error {
    let user = &login.user;
    let error = Error::new(Kind::Unreachable, doing);
    let begin = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(LOOKED_AT)]).into_owned();
    let (stdout, stderr) = (begin(&output.stdout), begin(&output.stderr));
    let all = format!("{stderr}\n{stdout}");
    let lower = all.to_lowercase();
    let words = |text: &str| quoted(text).unwrap_or_else(|| "nothing".to_owned());
    if let Some((part, hint)) = CAUSES.iter().find(|(part, _)| lower.contains(part)) {
        let line = all.lines().find(|line| line.to_lowercase().contains(part)).unwrap_or_default();
        return error.cause(format!("the host said: {}", words(line))).hint(hint.replace("USER", user));
    }
    if output.status == 127 {
        return error
            .cause(format!("the host said: {}", words(&stderr)))
            .hint("The host needs sh, base64, gzip and coreutils or busybox; with `sudo: true` also sudo.");
    }
    let status = output.status;
    let Some(printed) = quoted(&stdout) else {
        return error
            .cause(format!("nothing came of it (exit status {status}); the host said: {}", words(&stderr)))
            .hint(format!("Try the login by hand; it must print nothing and end with 0: {}", login.by_hand));
    };
    let error =
        error.cause(format!("the answer of its login is not whole (exit status {status}): {printed}"));
    let error = match quoted(&stderr) {
        Some(said) => error.cause(format!("beside it the host said: {said}")),
        None => error,
    };
    error.hint(format!(
        "`{}` must print nothing. If it prints this text, a `.bashrc` or `.profile` there prints into \
         logins without a terminal; if it prints it instead of doing what it is told, a ForceCommand in sshd_config or a \
         `command=` in authorized_keys stands in the way.",
        login.by_hand
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stdout: &str, stderr: &str, status: u32) -> String {
        let output =
            Output { stdout: stdout.as_bytes().to_vec(), stderr: stderr.as_bytes().to_vec(), status };
        let login = Login { user: "deploy".to_owned(), by_hand: "ssh deploy@vps true".to_owned() };
        let error = broken("look at the host", &login, &output);
        let causes: Vec<String> = error.causes().iter().map(|cause| format!("  {cause}")).collect();
        let hints: Vec<String> = error.hints().iter().map(|hint| format!("hint: {hint}")).collect();
        [causes, hints].concat().join("\n")
    }

    #[test]
    fn sudos_refusals_are_told_apart() {
        insta::assert_snapshot!(told("", "sudo: unable to resolve host vps: Name or service not known\nsudo: a password is required\n", 1), @r#"
          the host said: "sudo: a password is required"
        hint: The login may not become root without a password. Let it: `deploy ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/deploy, or log in as root (`user: root, sudo: false`).
        "#);
        insta::assert_snapshot!(told("", "sudo: sorry, you must have a tty to run sudo\n", 1), @r#"
          the host said: "sudo: sorry, you must have a tty to run sudo"
        hint: sudo's `requiretty` is on. Let the login do without: `Defaults:deploy !requiretty` in /etc/sudoers.d/deploy.
        "#);
        insta::assert_snapshot!(told("", "sudo: Account or password is expired, reset your password and try again\n", 1), @r#"
          the host said: "sudo: Account or password is expired, reset your password and try again"
        hint: The account or the password of deploy has expired, so sudo refuses it. `chage -l deploy` on the host says which; as root: chage -E -1 -M -1 deploy
        "#);
        insta::assert_snapshot!(told("", "Sorry, user deploy is not allowed to execute '/bin/sh -c x' as root on vps.\n", 1), @r#"
          the host said: "Sorry, user deploy is not allowed to execute '/bin/sh -c x' as root on vps."
        hint: The login may become root only for some commands. Let it for all: `deploy ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/deploy; scripts have no fixed command line.
        "#);
        insta::assert_snapshot!(told("", "sh: 1: exec: sudo: not found\n", 127), @r#"
          the host said: "sh: 1: exec: sudo: not found"
        hint: The host needs sh, base64, gzip and coreutils or busybox; with `sudo: true` also sudo.
        "#);
    }

    #[test]
    fn an_account_that_may_not_log_in_is_named() {
        insta::assert_snapshot!(told("", "WARNING: Your password has expired.\nPassword change required but no TTY available.\n", 1), @r#"
          the host said: "Password change required but no TTY available."
        hint: The password of deploy has expired, and a login without a terminal cannot change it. On the host, as root: chage -M -1 deploy
        "#);
        insta::assert_snapshot!(told("This account is currently not available.\n", "", 1), @r#"
          the host said: "This account is currently not available."
        hint: The login has no shell. On the host, as root: usermod -s /bin/sh deploy
        "#);
        insta::assert_snapshot!(told("", "\"System is going down. Unprivileged users are not permitted to log in anymore.\"\n", 254), @r#"
          the host said: ""System is going down. Unprivileged users are not permitted to log in anymore.""
        hint: The host is shutting down, or /run/nologin was left over: try again when it is up.
        "#);
    }

    #[test]
    fn what_stands_in_place_of_an_answer_is_quoted() {
        insta::assert_snapshot!(told("Welcome to vps!\nprovision-probe 1\nsystemd yes\nend\n", "", 0), @r#"
          the answer of its login is not whole (exit status 0): "Welcome to vps! / provision-probe 1 / systemd yes / end"
        hint: `ssh deploy@vps true` must print nothing. If it prints this text, a `.bashrc` or `.profile` there prints into logins without a terminal; if it prints it instead of doing what it is told, a ForceCommand in sshd_config or a `command=` in authorized_keys stands in the way.
        "#);
        insta::assert_snapshot!(told("only backups here\n", "", 1), @r#"
          the answer of its login is not whole (exit status 1): "only backups here"
        hint: `ssh deploy@vps true` must print nothing. If it prints this text, a `.bashrc` or `.profile` there prints into logins without a terminal; if it prints it instead of doing what it is told, a ForceCommand in sshd_config or a `command=` in authorized_keys stands in the way.
        "#);
        insta::assert_snapshot!(told("", "mktemp: cannot create /tmp/x: no space\n", 1), @r#"
          nothing came of it (exit status 1); the host said: "mktemp: cannot create /tmp/x: no space"
        hint: Try the login by hand; it must print nothing and end with 0: ssh deploy@vps true
        "#);
        insta::assert_snapshot!(told("", "", 255), @r"
          nothing came of it (exit status 255); the host said: nothing
        hint: Try the login by hand; it must print nothing and end with 0: ssh deploy@vps true
        ");
    }
}
