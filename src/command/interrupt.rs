//! Ctrl-C: the first asks for the way back, the second leaves at once and says what the hosts will do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::event::{self, Event};
use crate::outcome::ExitCode;
use crate::report::{Format, Output, leave};

/// What becomes of each host if we leave now.
type Fates = Arc<Mutex<BTreeMap<String, String>>>;

/// Whether the operator asked to stop. Once asked it stays asked, for every host and every stage.
#[derive(Clone)]
pub(super) struct Interrupt {
    asked: watch::Receiver<bool>,
    fates: Fates,
}

impl Interrupt {
    /// Begins to listen.
    pub(super) fn listen(events: event::Sender, output: Output, format: Format) -> Self {
        let (asked, receiver) = watch::channel(false);
        let fates = Fates::default();
        let known = fates.clone();
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
                let fates = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                leave(&output, format, &fates, ExitCode::Interrupted);
                std::process::exit(ExitCode::Interrupted as i32);
            }
        });
        Self { asked: receiver, fates }
    }

    /// From now on this is what becomes of `host` if we leave.
    pub(super) fn fate(&self, host: &str, text: String) {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), text);
    }

    /// Returns when it was asked, at once if it was before.
    pub(super) async fn asked(&self) {
        let mut receiver = self.asked.clone();
        if receiver.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
