//! Questions on the terminal while something else draws on it: a progress bar would erase them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::child;

/// Runs what it is given while nothing is drawn.
type Pause = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// How to pause what draws at the moment.
static PAUSE: Mutex<Option<Pause>> = Mutex::new(None);

/// How many questions wait for an answer.
static ASKING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// From now on `pause` is what questions are asked in.
pub(crate) fn pause_with(pause: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) {
    *PAUSE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pause));
}

/// Nothing is drawn any more.
pub(crate) fn nothing_to_pause() {
    *PAUSE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// One question at a time: an SSH key may be locked as well as the key of the secrets, and both are read at once.
static QUESTION: Mutex<()> = Mutex::new(());

/// Asks while nothing is drawn and nothing else is asked. Blocks: for a thread that may.
pub(crate) fn alone<T>(ask: impl FnOnce() -> T) -> T {
    let _alone = QUESTION.lock().unwrap_or_else(PoisonError::into_inner);
    let pause = PAUSE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ASKING.send_modify(|asking| *asking += 1);
    let (mut ask, mut answer) = (Some(ask), None);
    let mut once = || answer = ask.take().map(|ask| ask());
    match &pause {
        Some(pause) => pause(&mut once),
        None => once(),
    }
    // What draws may have ended without running it.
    let answer = answer.or_else(|| ask.map(|ask| ask()));
    ASKING.send_modify(|asking| *asking -= 1);
    match answer {
        Some(answer) => answer,
        None => unreachable!("the question was asked by one of the two"),
    }
}

/// Asks for something that must not be seen. Blocks.
///
/// # Errors
/// There is no terminal, or it was closed.
pub(crate) fn secret(prompt: &str) -> std::io::Result<Zeroizing<String>> {
    alone(|| {
        HIDDEN.store(true, Ordering::SeqCst);
        let typed = rpassword::prompt_password(prompt);
        HIDDEN.store(false, Ordering::SeqCst);
        typed
    })
    .map(Zeroizing::new)
}

/// Whether something secret is being typed, so that the terminal does not show it.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// Has the terminal show what is typed again, where the program ends in the middle of a question.
pub(crate) fn give_up() {
    if HIDDEN.load(Ordering::SeqCst) {
        let _ = child::command("stty").into_std().arg("echo").status();
    }
}

/// Whether a question waits for an answer.
pub(crate) fn is_asking() -> bool {
    *ASKING.borrow() > 0
}

/// Resolves when no question waits for an answer: what is to be drawn then does not block a thread.
pub(crate) async fn answered() {
    let mut asking = ASKING.subscribe();
    let _ = asking.wait_for(|asking| *asking == 0).await;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What pauses is one for the whole process: a test that sets it holds this.
    pub(crate) fn one_at_a_time() -> std::sync::MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        ONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn what_draws_pauses_while_somebody_is_asked_and_what_follows_waits() {
        let _alone = one_at_a_time();
        tokio::runtime::Runtime::new().unwrap().block_on(asked());
    }

    async fn asked() {
        static PAUSED: AtomicBool = AtomicBool::new(false);
        pause_with(|ask| {
            PAUSED.store(true, Ordering::SeqCst);
            ask();
            PAUSED.store(false, Ordering::SeqCst);
        });
        let (answer, answers) = std::sync::mpsc::channel::<&str>();
        let asked = tokio::task::spawn_blocking(move || {
            alone(|| {
                assert!(PAUSED.load(Ordering::SeqCst));
                answers.recv().unwrap()
            })
        });
        while *ASKING.borrow() == 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), answered()).await;
        assert!(waiting.is_err(), "drawn over the question");
        answer.send("secret").unwrap();
        assert_eq!(asked.await.unwrap(), "secret");
        answered().await;
        assert!(!PAUSED.load(Ordering::SeqCst));
        nothing_to_pause();
        assert_eq!(alone(|| 7), 7);
    }
}
