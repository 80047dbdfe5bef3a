//! Opens the decrypted text in the user's editor and encrypts what comes back.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitStatus;

use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use super::document::{self, Document};
use super::file::SecretsFile;
use super::identity::Identity;
use super::recipients::Recipients;
use super::workspace::Workspace;
use super::{agreed, open, save};
use crate::child;
use crate::error::{Error, Kind, Result};
use crate::text;

/// What editing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// The text was left as it was, and so was the file.
    Unchanged,
    /// The file was encrypted again.
    Saved,
    /// The file is new.
    Created,
}

/// The command line of an editor, which a shell splits as it does for git: `code --wait`.
pub struct Editor(OsString);

impl Editor {
    /// `$VISUAL`, else `$EDITOR`, else `vi`.
    #[must_use]
    pub fn find() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self(set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into()))
    }

    /// This command line.
    #[must_use]
    pub fn new(command_line: impl Into<OsString>) -> Self {
        Self(command_line.into())
    }

    /// What keeps vim from writing copies to a disk: swap, backup and undo files may be elsewhere, and viminfo
    /// holds what was yanked.
    fn precautions(&self) -> &'static [&'static str] {
        let line = self.0.to_string_lossy();
        let Some(program) = line.split_whitespace().next() else { return &[] };
        let found = if program.contains('/') {
            Some(program.into())
        } else {
            std::env::var_os("PATH").and_then(|path| {
                std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
            })
        };
        // `vi` is often a link to vim, but a vi of another family would refuse the arguments.
        let real = found.and_then(|file| file.canonicalize().ok());
        let name = real.as_deref().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("vim") || name.starts_with("nvim") {
            &["-n", "-i", "NONE", "-c", "silent! set noswapfile nobackup nowritebackup noundofile viminfo="]
        } else {
            &[]
        }
    }

    fn command(&self, workspace: &Workspace, file: &Path) -> Command {
        let mut script = self.0.clone();
        script.push(" \"$@\"");
        let mut command = child::command("/bin/sh");
        command.arg("-c").arg(script).arg("sh").args(self.precautions()).arg(file);
        // Other programs' temporary files belong in memory too.
        command.env("TMPDIR", workspace.path());
        command
    }
}

/// One editing of an environment's secrets.
pub struct Edit<'a> {
    /// The project.
    pub root: &'a Path,
    /// The environment.
    pub environment: &'a str,
    /// Who edits.
    pub identity: &'a Identity,
    /// The names that the stack needs: a new file lists them.
    pub names: &'a [String],
    /// The editor.
    pub editor: Editor,
}

impl Edit<'_> {
    /// Edits. `again` is told of a mistake in the text and answers whether to open the editor once more; where
    /// there is nobody to ask it answers no.
    ///
    /// # Errors
    /// Usage: the file cannot be opened, there is no folder in memory, the editor failed, the text has mistakes
    /// and `again` said no, or the file was changed by somebody else meanwhile. Interrupted: by a signal.
    /// The old file is kept in all of these, and nothing is left of the plain text.
    pub async fn run(&self, again: &mut dyn FnMut(&Error) -> bool) -> Result<Edited> {
        let file = SecretsFile::new(self.root, self.environment)?;
        // Before the editor: nobody should lose their text for want of a recipient.
        let recipients = save::recipients(&file, self.identity)?;
        let before = file.read()?;
        let start = match &before {
            Some(bytes) => open::decrypt_file(&file, bytes, self.identity)?,
            None => self.template(recipients.source()),
        };
        // A file with mistakes can be opened, since this is where they are corrected.
        let former = document::parse(file.label(), &start).ok();
        if let (Some(_), Some(former)) = (&before, &former) {
            agreed::check(former, &recipients, &file)?;
        }
        let lacks_ours = before.is_some() && former.as_ref().is_some_and(|document| !document.is_complete());

        let workspace = Workspace::create()?;
        let doing = || format!("edit {}", file.label());
        let path = workspace
            .write(&format!("{}.yml", self.environment), &start)
            .map_err(|error| Error::usage(doing()).cause(error))?;
        let mut signals =
            Signals::listen().map_err(|error| Error::new(Kind::Internal, doing()).cause(error))?;
        let text = loop {
            self.open_editor(&workspace, &path, &mut signals, &doing()).await?;
            let text = std::fs::read(&path).map(Zeroizing::new).map_err(|error| {
                Error::usage(doing())
                    .cause("the file that the editor had cannot be read")
                    .cause(error)
                    .hint("The old file was kept.")
            })?;
            if text.as_slice() == start.as_bytes() && !lacks_ours {
                return Ok(Edited::Unchanged);
            }
            match read(&file, &text, former.as_ref(), &recipients) {
                Ok(text) => break text,
                Err(error) => {
                    signals.forget_interrupts().await;
                    if !again(&error) || signals.forget_interrupts().await {
                        return Err(error.hint("Nothing was saved; the old file was kept."));
                    }
                }
            }
        };
        drop(workspace);
        file.replace(before.as_deref(), &recipients.encrypt(text.as_bytes())?)?;
        Ok(if before.is_some() { Edited::Saved } else { Edited::Created })
    }

    async fn open_editor(
        &self,
        workspace: &Workspace,
        path: &Path,
        signals: &mut Signals,
        doing: &str,
    ) -> Result<()> {
        let editor = self.editor.0.to_string_lossy();
        let failed = |what: String| {
            Error::usage(doing)
                .cause(what)
                .hint("The old file was kept. $VISUAL or $EDITOR names the editor to use.")
        };
        let mut child = self
            .editor
            .command(workspace, path)
            .spawn()
            .map_err(|error| failed(format!("the editor `{editor}` did not start: {error}")))?;
        let status: ExitStatus = loop {
            tokio::select! {
                status = child.wait() => {
                    break status.map_err(|error| failed(format!("the editor `{editor}`: {error}")))?;
                }
                // Ctrl-C goes to the editor too, and what it means there is the editor's to say.
                _ = signals.interrupt.recv() => {}
                _ = signals.terminate.recv() => return Err(stop(child, doing).await),
                _ = signals.hang_up.recv() => return Err(stop(child, doing).await),
            }
        };
        if status.success() {
            Ok(())
        } else {
            Err(failed(format!("the editor `{editor}` ended with {status}")))
        }
    }

    fn template(&self, recipients: &str) -> Zeroizing<String> {
        let environment = self.environment;
        let mut text = format!(
            "# The secrets of {environment}: one `name: 'value'` a line.\n\
             # They are saved encrypted to everyone in {recipients}.\n"
        );
        if !self.names.is_empty() {
            text.push_str("# The stack needs these; take the `# ` away and fill them in:\n");
        }
        for name in self.names {
            text.push_str("# ");
            text.push_str(name);
            text.push_str(": ''\n");
        }
        Zeroizing::new(text)
    }
}

/// Ends the editor, since we are told to end.
async fn stop(mut editor: Child, doing: &str) -> Error {
    let _ = editor.kill().await;
    Error::new(Kind::Interrupted, doing).cause("ended by a signal; the old file was kept")
}

/// What the editor left, validated and completed.
fn read(
    file: &SecretsFile,
    bytes: &[u8],
    former: Option<&Document>,
    recipients: &Recipients,
) -> Result<Zeroizing<String>> {
    let doing = format!("read what you wrote for {}", file.label());
    let text = text::decode(bytes).map_err(|unreadable| Error::usage(&*doing).cause(unreadable.what()))?;
    if text.trim().is_empty() {
        return Err(Error::usage(doing).cause("it is empty"));
    }
    document::parse(file.label(), text).map_err(|problems| Error::problems(doing, problems))?;
    save::complete(file, text, former, recipients)
}

/// The signals that would otherwise end us with the plain text still in memory's file system.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Whether Ctrl-C was pressed since the last look.
    async fn forget_interrupts(&mut self) -> bool {
        let mut pressed = false;
        loop {
            tokio::select! {
                biased;
                _ = self.interrupt.recv() => pressed = true,
                () = tokio::task::yield_now() => return pressed,
            }
        }
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
