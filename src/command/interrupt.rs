//! Ctrl-C: the first asks for the way back, the second leaves at once.

use tokio::sync::watch;

use crate::event::{self, Event};
use crate::outcome::ExitCode;

/// Whether the operator asked to stop. Once asked it stays asked, for every host and every stage.
#[derive(Clone)]
pub(super) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Begins to listen.
    pub(super) fn listen(events: event::Sender) -> Self {
        let (asked, receiver) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                // Without a handler the signal ends us as usual.
                return;
            }
            let text = "interrupted: the host is asked to go back, and that is waited for. Ctrl-C again leaves at \
                        once; a host that is not confirmed goes back by itself.";
            let _ = events.send(Event::Warning { host: String::new(), text: text.to_owned() });
            let _ = asked.send(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(ExitCode::Interrupted as i32);
            }
        });
        Self(receiver)
    }

    /// Returns when it was asked, at once if it was before.
    pub(super) async fn asked(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
