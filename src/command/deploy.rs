//! `provision deploy`: composes the rooms into a deploy of one host.

use std::sync::Arc;
use std::time::Duration;

use super::interrupt::Interrupt;
use super::project::Loaded;
use super::reach::{self, Clock, Reached};
use super::returned;
use crate::error::{Error, Kind, Result};
use crate::event::{self, Event, Stage};
use crate::host::{self, Activation, Answer, Ended, Order};
use crate::inventory::Host;
use crate::outcome::Outcome;
use crate::plan::check::Finding;
use crate::plan::{self, Plan};
use crate::ssh::Session;
use crate::verify::Opened;

/// How often a lost connection is tried again, and the pause before each (seconds): sshd counts connections
/// that do not log in against us.
const RECONNECT_PAUSE: Duration = Duration::from_secs(5);

/// What a deploy of one host came to, with the checks' findings where it got that far.
pub(super) struct Deployed {
    pub result: Result<Outcome>,
    pub findings: Vec<Finding>,
}

/// Deploys to one host.
pub(super) async fn deploy(
    loaded: Arc<Loaded>,
    host: Host,
    actor: String,
    events: event::Sender,
    interrupt: Interrupt,
) -> Deployed {
    let mut deploy =
        Deploy { loaded: &loaded, host: &host, events: &events, findings: Vec::new(), actor, interrupt };
    let result = deploy.run().await.map_err(|error| error.host(host.name.to_string()));
    Deployed { result, findings: deploy.findings }
}

struct Deploy<'a> {
    loaded: &'a Arc<Loaded>,
    host: &'a Host,
    events: &'a event::Sender,
    findings: Vec<Finding>,
    actor: String,
    interrupt: Interrupt,
}

impl Deploy<'_> {
    fn name(&self) -> String {
        self.host.name.to_string()
    }

    async fn run(&mut self) -> Result<Outcome> {
        let interrupt = self.interrupt.clone();
        let only_looked =
            || Err(Error::new(Kind::Interrupted, "stopped by Ctrl-C").cause("nothing was changed"));
        let (reached, plan) = tokio::select! {
            looked = self.look() => looked?,
            () = interrupt.asked() => return only_looked(),
        };
        if !plan.is_empty() {
            return self.change(reached, &plan).await;
        }
        tokio::select! {
            unchanged = self.unchanged(reached) => unchanged,
            () = interrupt.asked() => only_looked(),
        }
    }

    /// Looks at the host and plans; changes nothing.
    async fn look(&self) -> Result<(Reached, Plan)> {
        let reached = reach::reach(self.loaded, self.host, self.events).await?;
        if let Some(holder) = &reached.state.holder {
            return Err(returned::locked(holder));
        }
        let least = self.loaded.environment.deploy.min_free_disk;
        plan::requirements(&self.loaded.release, &reached.state, least)?;
        let clock = Clock::start(self.events, &self.name(), Stage::Plan);
        let plan = make_plan(self.loaded, &reached.state);
        if plan.is_empty() {
            clock.done(format!("release {} runs already: nothing to do", plan.release));
        } else {
            clock.done(format!("release {}: {} services change", plan.release, plan.services.len()));
            let release = plan.release.to_string();
            let _ = self.events.send(Event::Planned { host: self.name(), release, lines: plan.lines() });
        }
        Ok((reached, plan))
    }

    /// Nothing to do: the instant checks decide.
    async fn unchanged(&mut self, reached: Reached) -> Result<Outcome> {
        let clock = Clock::start(self.events, &self.name(), Stage::Verify);
        let Reached { session, state, opened } = reached;
        let timeout = self.loaded.environment.deploy.verify_timeout;
        let (checks, name) = (&self.loaded.checks, self.name());
        let (found, more) = tokio::join!(
            reach::containers(self.loaded, self.host, &session, state, timeout, self.events),
            reach::ask(self.loaded, &name, &session, checks, opened, timeout, self.events)
        );
        self.findings = found;
        self.findings.extend(more);
        reach::explain(self.loaded, self.host, &session, &mut self.findings, self.events).await;
        session.close().await;
        fail_on(&self.findings, Kind::CheckFailed, "prove the running release")?;
        clock.done(format!("{} checks hold", self.findings.len()));
        Ok(Outcome::Unchanged)
    }

    async fn change(&mut self, reached: Reached, plan: &Plan) -> Result<Outcome> {
        let Reached { session, state, opened } = reached;
        // The streams lead to containers that may be replaced.
        drop(opened);
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
        };
        let mut activation = host::start(&session, &order, plan, bundle).await?;
        clock.done(format!("{size} bytes"));
        let clock = Clock::start(self.events, &self.name(), Stage::Activate);
        let mut link =
            Link { loaded: self.loaded, host: self.host, events: self.events, session, until: None };
        if let Some(ended) = self.follow(&mut link, &mut activation, &order).await? {
            self.ended(&link.session, &ended, plan, &[]).await
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
    ) -> Result<Outcome> {
        let clock = Clock::start(self.events, &self.name(), Stage::Verify);
        let timeout = self.loaded.environment.deploy.verify_timeout;
        let name = self.name();
        let (checks, state) = loop {
            let asked = async {
                let (checks, session) = (&self.loaded.checks, &link.session);
                let (opened, events) = (Opened::default(), self.events);
                let checks = reach::ask(self.loaded, &name, session, checks, opened, timeout, events);
                tokio::join!(checks, host::probe(session, self.host, &self.loaded.environment))
            };
            let (checks, state) = tokio::select! {
                both = asked => both,
                () = self.interrupt.asked() => {
                    let ended = self.follow(link, activation, order).await?;
                    let ended = ended.ok_or_else(|| broken("wait for the way back"))?;
                    return self.ended(&link.session, &ended, plan, &[]).await;
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
            let clock = Clock::start(self.events, &self.name(), Stage::Return);
            self.tell(link, activation, order, Answer::Return).await?;
            let ended =
                self.follow(link, activation, order).await?.ok_or_else(|| broken("wait for the way back"))?;
            clock.done(ended.outcome.clone());
            let failed: Vec<Finding> = self.findings.iter().filter(|f| f.fails()).cloned().collect();
            return self.ended(&link.session, &ended, plan, &failed).await;
        }
        clock.done(format!("{} checks hold", self.findings.len()));

        let clock = Clock::start(self.events, &self.name(), Stage::Confirm);
        // A new connection: it proves that this deploy did not lock us out.
        let fresh = Session::connect(self.host, &reach::options(self.loaded)).await;
        let confirmed = match &fresh {
            Ok(session) => host::answer(session, order, Answer::Confirm).await,
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
            return Ok(Outcome::Deployed);
        }
        self.ended(&link.session, &ended, plan, &[]).await
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
                    self.tell(link, activation, order, Answer::Return).await?;
                    continue;
                }
            };
            match followed {
                // The host has our word already and only passes the point where it asks for it.
                Ok(None) if told => {}
                Ok(Some(ended)) if told => return Err(stopped(&ended)),
                Ok(ended) => return Ok(ended),
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
        answer: Answer,
    ) -> Result<()> {
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
    async fn ended(
        &self,
        session: &Session,
        ended: &Ended,
        plan: &Plan,
        failed: &[Finding],
    ) -> Result<Outcome> {
        let error = returned::explain(ended, failed);
        match ended.outcome.as_str() {
            "returned" => {
                let proved =
                    returned::prove_old(self.loaded, self.host, session, plan, failed, self.events).await;
                Err(match proved {
                    Ok(text) => error.hint(text),
                    Err(found) => {
                        found.with_kind(Kind::Stuck).cause(format!("the deploy failed before that: {error}"))
                    }
                })
            }
            _ => Err(error),
        }
    }
}

/// The connection to a host, replaced when it is lost.
struct Link<'a> {
    loaded: &'a Arc<Loaded>,
    host: &'a Host,
    events: &'a event::Sender,
    session: Session,
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
            match reach::connect(self.loaded, self.host, self.events).await {
                Ok(session) if tokio::time::Instant::now() < until => {
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

/// The plan for a host that was looked at.
pub(super) fn make_plan(loaded: &Loaded, state: &plan::HostState) -> Plan {
    let scripts = host::installed()
        .into_iter()
        .map(|(name, text)| (name, crate::stack::digest(text.as_bytes())))
        .collect();
    let settle = loaded.environment.deploy.settle.as_secs();
    plan::make(&loaded.release, &loaded.generated, state, &scripts, settle)
}

/// An error that names every finding that fails.
pub(super) fn fail_on(findings: &[Finding], kind: Kind, doing: &str) -> Result<()> {
    let failing: Vec<&Finding> = findings.iter().filter(|finding| finding.fails()).collect();
    if failing.is_empty() {
        return Ok(());
    }
    let mut error = Error::new(kind, doing);
    for finding in failing {
        error = error.cause(format!("{}: {}", finding.check, finding.found));
        if !finding.remedy.is_empty() {
            error = error.hint(finding.remedy.clone());
        }
    }
    Err(error)
}

fn broken(doing: &str) -> Error {
    Error::new(Kind::Stuck, doing)
        .cause("the host's log goes on where it should have ended")
        .hint("Run `provision deploy` again: it looks at the host anew.")
}
