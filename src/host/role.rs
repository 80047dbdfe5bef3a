//! Runs SQL in a database of the application.

use std::time::Duration;

use super::scripts;
use crate::error::{Error, Kind, Result};
use crate::inventory::Host;
use crate::plan::Role;
use crate::ssh::{Command, Session};

/// Applies a role; gives what psql said, line by line. The SQL goes over stdin, so nothing of it is seen in a
/// process list.
///
/// # Errors
/// Failed: no such container, no psql in it, a login or a statement that PostgreSQL refuses; then nothing of it
/// was done. Unreachable, when the session breaks.
pub async fn apply_role(session: &Session, host: &Host, role: &Role) -> Result<Vec<String>> {
    let database = &role.database;
    let command = Command::script(scripts::ROLE)
        .arg(&database.container)
        .arg(&database.user)
        .arg(&database.name)
        // A statement may wait for locks of the application.
        .silent_for(Duration::from_secs(300))
        .sudo(host.sudo);
    let output = scripts::exec(session, host, &command, role.script.as_bytes().to_vec()).await?;
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    };
    let said = lines(&output.stdout);
    if output.status == 0 {
        return Ok(said);
    }
    let complaint = lines(&output.stderr).join("; ");
    let error = Error::new(Kind::Failed, format!("set the role {} in {}", database.role, database.name))
        .host(host.name.to_string())
        .cause(if complaint.is_empty() { format!("exit status {}", output.status) } else { complaint })
        .hint(format!(
            "Container, user and database are those below `database:` of `{}` in the compose file; \
             docs/application.md says which variables set them.",
            role.service
        ));
    Err(match output.status {
        3 => error
            .hint("Nothing was changed: all statements are one transaction. The user must be a superuser."),
        4 => error
            .hint("The application's database has to run first: `docker ps` on the host shows what does."),
        _ => error,
    })
}
