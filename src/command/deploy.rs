//! `provision deploy`: composes the rooms into a deploy of one host.

use std::sync::Arc;
use std::time::Duration;

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
use crate::verify::containers::containers;

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
) -> Deployed {
    let mut deploy = Deploy { loaded: &loaded, host: &host, events: &events, findings: Vec::new(), actor };
    let result = deploy.run().await.map_err(|error| error.host(host.name.to_string()));
    Deployed { result, findings: deploy.findings }
}

struct Deploy<'a> {
    loaded: &'a Arc<Loaded>,
    host: &'a Host,
    events: &'a event::Sender,
    findings: Vec<Finding>,
    actor: String,
}

impl Deploy<'_> {
    fn name(&self) -> String {
        self.host.name.to_string()
    }

    async fn run(&mut self) -> Result<Outcome> {
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
            self.unchanged(reached).await
        } else {
            let changes = plan.services.len();
            clock.done(format!("release {}: {changes} services change", plan.release));
            let lines = plan.lines();
            let _ = self.events.send(Event::Planned {
                host: self.name(),
                release: plan.release.to_string(),
                lines,
            });
            self.change(reached, &plan).await
        }
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
        let mut link = Link { loaded: self.loaded, host: self.host, events: self.events, session };
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
        let asked = async {
            let checks = reach::ask(
                self.loaded,
                &name,
                &link.session,
                &self.loaded.checks,
                Opened::default(),
                timeout,
                self.events,
            );
            let state = host::probe(&link.session, self.host, &self.loaded.environment);
            tokio::join!(checks, state)
        };
        let (checks, state) = tokio::select! {
            both = asked => both,
            () = interrupted() => return self.go_back_for_operator(link, activation, order, plan).await,
        };
        self.findings = match state {
            Ok(state) => containers(&self.loaded.release, &self.loaded.generated.labels, &state),
            Err(_) => Vec::new(),
        };
        self.findings.extend(checks);
        if self.findings.iter().any(Finding::fails) {
            let clock = Clock::start(self.events, &self.name(), Stage::Return);
            host::answer(&link.session, order, Answer::Return).await?;
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

    /// Follows the activation; over a new connection when this one is lost. Ctrl-C asks the host to go back.
    async fn follow(
        &self,
        link: &mut Link<'_>,
        activation: &mut Activation,
        order: &Order<'_>,
    ) -> Result<Option<Ended>> {
        let environment = &self.loaded.environment;
        let patience = environment.deploy.verify_timeout + environment.deploy.confirm_timeout;
        let mut asked_to_return = false;
        loop {
            let followed = tokio::select! {
                followed = activation.follow(self.events) => followed,
                () = interrupted(), if !asked_to_return => {
                    asked_to_return = true;
                    let text = "interrupted: asking the host to go back (Ctrl-C again leaves at once; the host then goes back by itself)";
                    let _ = self.events.send(Event::Warning { host: self.name(), text: text.to_owned() });
                    tokio::spawn(leave_on_second_interrupt());
                    host::answer(&link.session, order, Answer::Return).await?;
                    continue;
                }
            };
            match followed {
                // The host has our answer already and only passes the point where it asks for one.
                Ok(None) if asked_to_return => {}
                Ok(Some(ended)) if asked_to_return => {
                    return Err(Error::new(Kind::Interrupted, "stopped by Ctrl-C").cause(
                        match ended.outcome.as_str() {
                            "returned" => "the host is back at what ran before".to_owned(),
                            other => format!("the host's activation ended as {other}"),
                        },
                    ));
                }
                Ok(ended) => return Ok(ended),
                Err(error) if activation.started => {
                    let text = format!("connection lost ({error}); the host goes on by itself, reconnecting");
                    let _ = self.events.send(Event::Warning { host: self.name(), text });
                    link.again(patience).await.map_err(|error| {
                        error.with_kind(Kind::Stuck).hint(
                            "The host goes back by itself when it is not confirmed in time: `provision plan` \
                             or a new `provision deploy` tells what it runs.",
                        )
                    })?;
                    activation.resume(&link.session, order).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn go_back_for_operator(
        &self,
        link: &mut Link<'_>,
        activation: &mut Activation,
        order: &Order<'_>,
        plan: &Plan,
    ) -> Result<Outcome> {
        tokio::spawn(leave_on_second_interrupt());
        host::answer(&link.session, order, Answer::Return).await?;
        let ended =
            self.follow(link, activation, order).await?.ok_or_else(|| broken("wait for the way back"))?;
        let what = plan
            .from
            .as_ref()
            .map_or("nothing of ours runs".to_owned(), |id| format!("release {id} runs again"));
        let error = Error::new(Kind::Interrupted, "stopped by Ctrl-C");
        Err(match ended.outcome.as_str() {
            "returned" => error.cause(what),
            other => error.with_kind(Kind::Stuck).cause(format!("the way back ended as {other}")),
        })
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
}

impl Link<'_> {
    async fn again(&mut self, patience: Duration) -> Result<()> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            match reach::connect(self.loaded, self.host, self.events).await {
                Ok(session) => {
                    self.session = session;
                    return Ok(());
                }
                Err(error) if tokio::time::Instant::now() >= until => return Err(error),
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        }
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

async fn interrupted() {
    // Without a handler there is nothing to wait for: the signal then ends us as usual.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The second Ctrl-C leaves at once; the host goes back by itself.
async fn leave_on_second_interrupt() {
    interrupted().await;
    std::process::exit(crate::outcome::ExitCode::Interrupted as i32);
}
