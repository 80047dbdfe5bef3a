//! `provision deploy` and `rollback` on one host: look, plan, activate; plan again when the host changed meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::activate::{Activate, Came};
use super::early::Early;
use super::interrupt::Interrupt;
use super::machines::Machines;
use super::project::{Base, Loaded};
use super::reach::{self, Clock, Reached};
use super::{returned, rollback};
use crate::error::{Error, Kind, Result};
use crate::event::{self, Event, Stage};
use crate::host;
use crate::inventory::Host;
use crate::outcome::Outcome;
use crate::plan::check::Finding;
use crate::plan::{self, HostState, Plan, ReleaseId};
use crate::ssh::Session;
use crate::words::{count, hold};

/// How often a plan is made anew for a host that changes under our hands.
const PLANS: u32 = 3;

/// What a plan cannot tell whose secrets were left closed.
const CLOSED: &str = "the secrets were not opened: whether one changed, is missing or does not fit is not known; \
    the plan counts with those that the host has";

/// Which release a host should run.
#[derive(Clone)]
pub(super) enum Goal {
    /// The one that the project makes; the connections were begun while it was read.
    Project(Arc<Loaded>, Arc<Early>),
    /// One that the host keeps.
    Kept(Arc<Base>, rollback::Target),
}

impl Goal {
    pub(super) fn environment(&self) -> &crate::inventory::Environment {
        match self {
            Goal::Project(loaded, _) => &loaded.environment,
            Goal::Kept(base, _) => &base.environment,
        }
    }

    /// The command that brings hosts to it.
    pub(super) fn command(&self) -> String {
        let name = &self.environment().name;
        match self {
            Goal::Project(..) => format!("provision deploy {name}"),
            Goal::Kept(_, target) => {
                let release = target.release.as_ref().map_or(String::new(), |id| format!(" {id}"));
                let secrets = if target.with_secrets { " --with-secrets" } else { "" };
                format!("provision rollback {name}{release}{secrets}")
            }
        }
    }

    /// The release and the plan for a host that was looked at.
    pub(super) async fn plan(
        &self,
        host: &Host,
        session: &Session,
        state: &HostState,
        events: &event::Sender,
    ) -> Result<(Arc<Loaded>, Plan)> {
        let (loaded, plan) = match self {
            Goal::Project(loaded, _) => {
                let loaded = loaded.on(state)?;
                let plan = make_plan(&loaded, state);
                (loaded, plan)
            }
            Goal::Kept(base, target) => rollback::plan(base, target, host, session, state, events).await?,
        };
        let least = loaded.environment.deploy.min_free_disk;
        plan::requirements(&loaded.release, state, least)?;
        Ok((loaded, plan))
    }

    /// What the operator should know of the release, before something is made of it.
    pub(super) fn remark(&self, events: &event::Sender) {
        let Goal::Project(loaded, _) = self else { return };
        let closed = loaded.closed.then(|| CLOSED.to_owned());
        for text in loaded.release.remarks.iter().cloned().chain(closed) {
            let _ = events.send(Event::Warning { host: String::new(), text });
        }
    }

    /// Connects and looks.
    pub(super) async fn reach(&self, host: &Host, events: &event::Sender) -> Result<Reached> {
        match self {
            Goal::Project(loaded, early) => {
                let value = |name: &str| loaded.secrets.get(name).cloned();
                // Who leaves the secrets closed may hold a key that forwards no port.
                let checks: &[_] = if loaded.closed { &[] } else { &loaded.checks };
                let session = early.connect(&loaded.environment, host, events).await?;
                reach::look(session, &loaded.environment, checks, &value, host, events).await
            }
            Goal::Kept(base, _) => reach::reach(&base.environment, &[], &|_| None, host, events).await,
        }
    }
}

/// How to carry it out.
#[derive(Clone)]
pub(super) struct Manner {
    /// Who asks for it: a JSON object for the audit log.
    pub actor: String,
    /// How long to wait for another deploy to end.
    pub lock_wait: Duration,
    /// The servers of this run.
    pub machines: Machines,
}

/// What a deploy of one host came to, with the checks' findings where it got that far.
pub(super) struct Deployed {
    pub result: Result<Outcome>,
    pub release: Option<ReleaseId>,
    pub findings: Vec<Finding>,
}

/// Deploys to one host.
pub(super) async fn deploy(
    goal: Goal,
    host: Host,
    manner: Manner,
    events: event::Sender,
    interrupt: Interrupt,
) -> Deployed {
    let until = Instant::now() + manner.lock_wait;
    let mut deploy = Deploy {
        goal: &goal,
        host: &host,
        events: &events,
        findings: Vec::new(),
        release: None,
        manner,
        interrupt,
        until,
    };
    let result = deploy.run().await.map_err(|error| error.host(host.name.to_string()));
    Deployed { result, release: deploy.release, findings: deploy.findings }
}

struct Deploy<'a> {
    goal: &'a Goal,
    host: &'a Host,
    events: &'a event::Sender,
    findings: Vec<Finding>,
    release: Option<ReleaseId>,
    manner: Manner,
    interrupt: Interrupt,
    /// Until when to wait for the lock.
    until: Instant,
}

impl Deploy<'_> {
    fn name(&self) -> String {
        self.host.name.to_string()
    }

    fn warn(&self, text: String) {
        let _ = self.events.send(Event::Warning { host: self.name(), text });
    }

    async fn run(&mut self) -> Result<Outcome> {
        let interrupt = self.interrupt.clone();
        let only_looked =
            || Err(Error::new(Kind::Interrupted, "stopped by Ctrl-C").cause("nothing was changed"));
        let mut plans = 0;
        loop {
            plans += 1;
            let (reached, loaded, mut plan) = tokio::select! {
                looked = self.look() => looked?,
                () = interrupt.asked() => return only_looked(),
            };
            self.release = Some(plan.release.clone());
            if plan.is_empty() {
                return tokio::select! {
                    unchanged = self.unchanged(&loaded, reached) => unchanged,
                    () = interrupt.asked() => only_looked(),
                };
            }
            let mut activate = Activate {
                loaded: &loaded,
                host: self.host,
                events: self.events,
                actor: self.manner.actor.clone(),
                interrupt: interrupt.clone(),
                findings: Vec::new(),
            };
            // A connection to a container that is replaced would lead nowhere.
            for check in &loaded.checks {
                let change = plan.changes.services.iter().find(|change| change.service == check.service);
                if change.is_some_and(|change| change.action != "reload") {
                    reached.connections.close(check.port());
                }
            }
            plan.old = self.old(&reached.session, &reached.state, &plan).await;
            let came = activate.carry_out(reached, &plan).await;
            self.findings = activate.findings;
            match came? {
                Came::Deployed => return Ok(Outcome::Deployed),
                Came::Stale(_) if plans < PLANS => {
                    self.warn("the host changed after it was looked at: planning again".to_owned());
                }
                Came::Locked(_) if Instant::now() < self.until => {}
                Came::Stale(error) | Came::Locked(error) => return Err(error),
            }
            interrupt.fate(&self.name(), "nothing was changed".to_owned());
        }
    }

    /// Looks at the host and plans; changes nothing.
    async fn look(&self) -> Result<(Reached, Arc<Loaded>, Plan)> {
        let mut reached = self.goal.reach(self.host, self.events).await?;
        self.manner.machines.claim(&self.host.name.0, &reached.state)?;
        self.wait_for_lock(&mut reached).await?;
        let clock = Clock::start(self.events, &self.name(), Stage::Plan);
        let (loaded, plan) = self.goal.plan(self.host, &reached.session, &reached.state, self.events).await?;
        if let (Goal::Kept(..), false) = (self.goal, plan.is_empty()) {
            // Its checks are known only now: whether they can be asked has to be, before anything is sent.
            reached.connections.open_for(&loaded.checks).await;
            reach::may_forward(&reached.session, self.host).await?;
        }
        if plan.is_empty() {
            clock.done(format!("release {} runs already: nothing to do", plan.release));
        } else {
            let number = plan.changes.services.len();
            let change = if number == 1 { "changes" } else { "change" };
            clock.done(format!("release {}: {} {change}", plan.release, count(number, "service")));
            let _ = self.events.send(Event::planned(&self.name(), &plan));
        }
        Ok((reached, loaded, plan))
    }

    /// As long as somebody else deploys and there is time, the host is waited for and looked at again.
    async fn wait_for_lock(&self, reached: &mut Reached) -> Result<()> {
        while let Some(holder) = &reached.state.holder {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(returned::locked(holder));
            }
            self.warn(format!("waiting for the lock, at most {} s; held by {holder}", left.as_secs()));
            let environment = self.goal.environment();
            host::await_lock(&reached.session, self.host, environment, left).await?;
            reached.state = host::probe(&reached.session, self.host, environment).await?;
            reached.connections = reach::connections(&reached.session);
        }
        Ok(())
    }

    /// What lies on the host of the files that change, so that only what differs in them is sent. Where it cannot
    /// be had they are sent whole.
    async fn old(&self, session: &Session, state: &HostState, plan: &Plan) -> BTreeMap<String, Vec<u8>> {
        let (Some(current), None) = (&plan.from, &plan.base) else { return BTreeMap::new() };
        let records = format!("@records/releases/{current}/");
        let ours = ["manifest", "checks.json", "release.json"].map(|name| format!("{records}{name}"));
        let mut paths: Vec<String> =
            plan.send.iter().filter(|path| state.files.contains_key(*path)).cloned().collect();
        paths.extend(ours);
        let texts = host::texts(session, self.host, self.goal.environment(), None, &paths).await;
        let mut old = texts.unwrap_or_default();
        // What changed since the probe is refused as stale; a text that is not the probe's is no base.
        old.retain(|path, text| {
            path.starts_with(&records) || state.files.get(path) == Some(&crate::stack::digest(text))
        });
        old.into_iter()
            .map(|(path, text)| {
                let name = path.strip_prefix(&records).map(str::to_owned);
                (name.unwrap_or_else(|| format!("files/{path}")), text)
            })
            .collect()
    }

    /// Nothing to do: the instant checks decide.
    async fn unchanged(&mut self, loaded: &Arc<Loaded>, reached: Reached) -> Result<Outcome> {
        let release = loaded.generated.id.to_string();
        let _ = self.events.send(Event::Running { host: self.name(), release });
        let clock = Clock::start(self.events, &self.name(), Stage::Verify);
        let Reached { session, state, connections } = reached;
        let timeout = loaded.environment.deploy.verify_timeout;
        let (checks, name) = (&loaded.checks, self.name());
        let (found, more) = tokio::join!(
            reach::containers(loaded, self.host, &session, state, timeout, self.events),
            reach::ask(loaded, &name, &connections, checks, timeout, self.events)
        );
        self.findings = found;
        self.findings.extend(more);
        reach::explain(loaded, self.host, &session, &mut self.findings, self.events).await;
        session.close().await;
        fail_on(&self.findings, Kind::CheckFailed, "prove the running release")?;
        clock.done(hold(self.findings.len()));
        Ok(Outcome::Unchanged)
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
