//! One activation, from the bundle that is sent to the word that keeps it: what `deploy` and `rollback` have in common.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::interrupt::Interrupt;
use super::project::Loaded;
use super::reach::{self, Clock, OverSsh, Reached};
use super::returned;
use crate::error::{Error, Kind, Result};
use crate::event::{self, Event, Stage};
use crate::host::{self, Activation, Answer, Ended, Order, Span};
use crate::inventory::Host;
use crate::plan::check::Finding;
use crate::plan::{self, Plan, Step};
use crate::ssh::{Options, Session};
use crate::verify::Connections;

/// The pause before a lost connection is tried again: sshd counts connections that do not log in against us.
const RECONNECT_PAUSE: Duration = Duration::from_secs(5);

/// What an activation came to, where it did not fail.
pub(super) enum Came {
    /// The release runs, was proved and confirmed.
    Deployed,
    /// The host changed after it was looked at, and refused the plan; the error says so.
    Stale(Error),
    /// Somebody else was quicker; the error says who.
    Locked(Error),
}

/// What an activation on one host needs.
pub(super) struct Activate<'a> {
    pub loaded: &'a Arc<Loaded>,
    pub host: &'a Host,
    pub events: &'a event::Sender,
    pub actor: String,
    pub interrupt: Interrupt,
    /// What the checks found, where it got that far.
    pub findings: Vec<Finding>,
}

impl Activate<'_> {
    fn name(&self) -> String {
        self.host.name.to_string()
    }

    /// How long the host may take for `plan`, by its own limits.
    fn span(&self, plan: &Plan) -> Span {
        let steps = plan.forward.iter().chain(&plan.back);
        let pulls = steps.filter(|step| matches!(step, Step::Pull { .. })).count();
        let patience = self.loaded.release.services.values().map(|service| service.patience).sum();
        Span::of(&self.loaded.environment, pulls, Duration::from_secs(patience))
    }

    /// Sends the release, follows its activation, proves and confirms it.
    ///
    /// The connections that `reached` has must be to containers that stay.
    pub(super) async fn carry_out(&mut self, reached: Reached, plan: &Plan) -> Result<Came> {
        let Reached { session, state, connections } = reached;
        let clock = Clock::start(self.events, &self.name(), Stage::Send);
        let sealed = match (&state.host_key, plan.send_sealed) {
            (Some(key), true) => Some(plan::seal(&self.loaded.release, &self.loaded.secrets, key)?),
            _ => None,
        };
        let bundle = plan::archive(
            plan,
            &self.loaded.release,
            &self.loaded.generated,
            &self.loaded.checks,
            &host::installed(),
            &host::units(&self.loaded.environment),
            sealed.as_ref(),
        )?;
        let size = bundle.archive.len();
        let order = Order {
            environment: &self.loaded.environment,
            host: self.host,
            actor: self.actor.clone(),
            nonce: hex::encode(rand::random::<[u8; 8]>()),
            span: self.span(plan),
        };
        let patience =
            self.loaded.environment.deploy.verify_timeout + self.loaded.environment.deploy.confirm_timeout;
        self.interrupt.fate(
            &self.name(),
            format!(
                "it is not confirmed, and goes back by itself within {} s after the release is up",
                patience.as_secs()
            ),
        );
        let mut activation = host::start(&session, &order, plan, bundle).await?;
        clock.done(format!("{size} bytes"));
        let clock = Clock::start(self.events, &self.name(), Stage::Activate);
        let mut link = Link {
            loaded: self.loaded,
            host: self.host,
            events: self.events,
            session,
            connections,
            until: None,
        };
        if let Some(ended) = self.follow(&mut link, &mut activation, &order).await? {
            match ended.outcome.as_str() {
                "stale" => Ok(Came::Stale(returned::explain(&ended, &[]))),
                "locked" => Ok(Came::Locked(returned::explain(&ended, &[]))),
                _ => Err(self.ended(&link.session, &ended, plan, &[]).await),
            }
        } else {
            clock.done("the host waits for its confirmation");
            self.prove(&mut link, &mut activation, &order, plan).await
        }
    }

    /// Verifies what runs now, and confirms it over a new connection or asks the host to go back.
    async fn prove(
        &mut self,
        link: &mut Link<'_>,
        activation: &mut Activation,
        order: &Order<'_>,
        plan: &Plan,
    ) -> Result<Came> {
        let clock = Clock::start(self.events, &self.name(), Stage::Verify);
        let timeout = self.loaded.environment.deploy.verify_timeout;
        let name = self.name();
        let wanted = plan::after(&self.loaded.checks, plan, activation.begun());
        let (checks, state) = loop {
            let asked = async {
                let probe = host::probe(&link.session, self.host, &self.loaded.environment);
                let connections = &link.connections;
                let checks = reach::ask(self.loaded, &name, connections, &wanted, timeout, self.events);
                tokio::join!(checks, probe)
            };
            let (checks, state) = tokio::select! {
                both = asked => both,
                () = self.interrupt.asked() => {
                    let ended = self.follow(link, activation, order).await?;
                    let ended = ended.ok_or_else(|| broken("wait for the way back"))?;
                    return Err(self.ended(&link.session, &ended, plan, &[]).await);
                }
            };
            match state {
                Ok(state) => break (checks, state),
                // The connection is gone, so what was found over it says nothing: asked again over a new one.
                Err(error) => self.reconnect(link, activation, order, &error).await?,
            }
        };
        self.findings =
            reach::containers(self.loaded, self.host, &link.session, state, timeout, self.events).await;
        self.findings.extend(checks);
        if self.findings.iter().any(Finding::fails) {
            // Before the way back, which takes the containers away.
            reach::explain(self.loaded, self.host, &link.session, &mut self.findings, self.events).await;
            let failed: Vec<Finding> = self.findings.iter().filter(|f| f.fails()).cloned().collect();
            let because = because(&failed);
            let _ = self.events.send(Event::RollingBack {
                host: self.name(),
                because: because.clone(),
                to: plan.from.as_ref().map(ToString::to_string),
            });
            // It stays on the host: without what is secret.
            let because = self.loaded.secrets.redactor().clean(&because);
            self.tell(link, activation, order, &Answer::Return(because)).await?;
            let ended =
                self.follow(link, activation, order).await?.ok_or_else(|| broken("wait for the way back"))?;
            return Err(self.ended(&link.session, &ended, plan, &failed).await);
        }
        clock.done(crate::words::hold(self.findings.len()));

        let clock = Clock::start(self.events, &self.name(), Stage::Confirm);
        // A new connection: it proves that this deploy did not lock us out.
        let options = Options { brief: true, ..reach::options(&self.loaded.environment) };
        let fresh = Session::connect(self.host, &options).await;
        self.interrupt.fate(&self.name(), "it was told to keep the release".to_owned());
        let confirmed = match &fresh {
            Ok(session) => host::answer(session, order, &Answer::Confirm).await,
            Err(error) => Err(error.clone()),
        };
        if let Err(error) = confirmed {
            let text = format!("the release could not be confirmed over a new connection: {error}");
            let _ = self.events.send(Event::Warning { host: self.name(), text });
        }
        let ended =
            self.follow(link, activation, order).await?.ok_or_else(|| broken("wait for the confirmation"))?;
        if let Ok(session) = fresh {
            session.close().await;
        }
        if ended.outcome == "deployed" {
            clock.done(format!("release {} runs", plan.release));
            link.session.close().await;
            return Ok(Came::Deployed);
        }
        Err(self.ended(&link.session, &ended, plan, &[]).await)
    }

    /// Follows the activation until the host waits or has ended; over a new connection when this one is lost.
    /// After Ctrl-C it asks the host to go back and follows to the end.
    async fn follow(
        &self,
        link: &mut Link<'_>,
        activation: &mut Activation,
        order: &Order<'_>,
    ) -> Result<Option<Ended>> {
        let mut told = false;
        loop {
            let followed = tokio::select! {
                followed = activation.follow(self.events) => followed,
                () = self.interrupt.asked(), if !told => {
                    told = true;
                    let answer = Answer::Return("it was interrupted by Ctrl-C".to_owned());
                    self.tell(link, activation, order, &answer).await?;
                    continue;
                }
            };
            match followed {
                // The host has our word already and only passes the point where it asks for it.
                Ok(None) if told => {}
                Ok(Some(ended)) if told => return Err(stopped(&ended)),
                Ok(ended) => return Ok(ended),
                // What it says is of no use any more, over whichever connection.
                Err(error) if error.kind() == Kind::Stuck => return Err(error),
                Err(error) => self.reconnect(link, activation, order, &error).await?,
            }
        }
    }

    /// Gives the host its answer; over a new connection when this one is lost.
    async fn tell(
        &self,
        link: &mut Link<'_>,
        activation: &mut Activation,
        order: &Order<'_>,
        answer: &Answer,
    ) -> Result<()> {
        if matches!(answer, Answer::Return(_)) {
            self.interrupt.fate(&self.name(), "it was asked to go back, and does so by itself".to_owned());
        }
        let Err(error) = host::answer(&link.session, order, answer).await else { return Ok(()) };
        self.reconnect(link, activation, order, &error).await?;
        host::answer(&link.session, order, answer).await.map_err(|error| error.with_kind(Kind::Stuck))
    }

    /// Connects again after `error` and goes on reading where the log was left. The host goes on by itself
    /// meanwhile, so what is not known any more is never "nothing was changed".
    async fn reconnect(
        &self,
        link: &mut Link<'_>,
        activation: &mut Activation,
        order: &Order<'_>,
        error: &Error,
    ) -> Result<()> {
        let text = format!("connection lost ({error}); the host goes on by itself, reconnecting");
        let _ = self.events.send(Event::Warning { host: self.name(), text });
        link.again().await.map_err(|error| {
            error.with_kind(Kind::Stuck).hint(
                "The host goes back by itself when it is not confirmed in time: `provision plan` \
                 or a new `provision deploy` tells what it runs.",
            )
        })?;
        activation.resume(&link.session, order).await.map_err(|error| error.with_kind(Kind::Stuck))
    }

    /// An activation that did not end as deployed: what happened, what runs now, what to do.
    async fn ended(&self, session: &Session, ended: &Ended, plan: &Plan, failed: &[Finding]) -> Error {
        let error = returned::explain(ended, failed);
        if ended.outcome != "returned" {
            return error;
        }
        let begun = ended.returning.unwrap_or_else(Instant::now);
        match returned::prove_old(self.loaded, self.host, session, plan, failed, self.events).await {
            Ok(text) => {
                let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                let back = plan
                    .from
                    .as_ref()
                    .map_or("nothing of it runs".to_owned(), |old| format!("rolled back to {old}"));
                let detail = format!("{back}, and proved");
                let _ = self.events.send(Event::StageDone {
                    host: self.name(),
                    stage: Stage::Return,
                    detail,
                    took_ms,
                });
                error.note(text)
            }
            Err(found) => {
                found.with_kind(Kind::Stuck).cause(format!("the deploy failed before that: {error}"))
            }
        }
    }
}

/// The connection to a host, replaced when it is lost.
struct Link<'a> {
    loaded: &'a Arc<Loaded>,
    host: &'a Host,
    events: &'a event::Sender,
    session: Session,
    /// Those to the host's services, over `session`.
    connections: Connections<OverSsh>,
    /// When to stop trying; set by the first loss.
    until: Option<tokio::time::Instant>,
}

impl Link<'_> {
    async fn again(&mut self) -> Result<()> {
        let deploy = &self.loaded.environment.deploy;
        let patience = deploy.verify_timeout + deploy.confirm_timeout;
        // One span for all losses together: a connection that always breaks again is lost too.
        let first = self.until.is_none();
        let until = *self.until.get_or_insert_with(|| tokio::time::Instant::now() + patience);
        if !first {
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
        loop {
            match reach::connect(&self.loaded.environment, self.host, self.events).await {
                Ok(session) if tokio::time::Instant::now() < until => {
                    self.connections = reach::connections(&session);
                    self.session = session;
                    return Ok(());
                }
                Ok(_) => return Err(Error::new(Kind::Stuck, "keep a connection to the host")),
                Err(error) if tokio::time::Instant::now() >= until => return Err(error),
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        }
    }
}

/// How an activation ended that Ctrl-C stopped.
fn stopped(ended: &Ended) -> Error {
    let error = Error::new(Kind::Interrupted, "stopped by Ctrl-C");
    match ended.outcome.as_str() {
        "returned" => error.cause("the host is back at what ran before"),
        "refused" | "stale" | "locked" => error.cause("nothing was changed on the host"),
        "deployed" => error.cause("too late: the release was confirmed already and runs"),
        other => error.with_kind(Kind::Stuck).cause(format!("the way back ended as {other}")),
    }
}

/// Why a release goes, in one line: the checks that fail, those of containers first, since others follow from them.
fn because(failed: &[Finding]) -> String {
    let (first, rest) = failed.split_first().map_or((String::new(), 0), |(first, rest)| {
        (format!("{}: {}", first.check, first.found.replace('\n', " ")), rest.len())
    });
    match rest {
        0 => first,
        more => format!("{first}; and {} more", crate::words::count(more, "check")),
    }
}

fn broken(doing: &str) -> Error {
    Error::new(Kind::Stuck, doing)
        .cause("the host's log goes on where it should have ended")
        .hint("Run `provision deploy` again: it looks at the host anew.")
}
