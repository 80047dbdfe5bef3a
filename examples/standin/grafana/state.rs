//! What all requests share, and who may make them.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::account::Account;
use super::datasources::Datasource;
use super::refusal::Refusal;
use super::settings::Settings;
use super::{dashboards, datasources};

/// So many wrong passwords within `GUARD_WINDOW` shut the login, also for the right one. Grafana does this, and
/// whoever repeats a refused request locks himself out.
pub(super) const GUARD_FAILURES: usize = 5;
const GUARD_WINDOW: Duration = Duration::from_secs(5 * 60);

/// What all requests share.
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) provisioned: RwLock<Arc<Provisioned>>,
    failures: Mutex<Vec<Instant>>,
    pub(super) started: SystemTime,
}

/// What provisioning gave at the start or at the last reload.
pub(super) struct Provisioned {
    pub(super) datasources: Vec<Datasource>,
    pub(super) providers: Vec<dashboards::Provider>,
}

impl Provisioned {
    pub(super) fn load(settings: &Settings) -> Result<Self, String> {
        // Grafana goes on without them, and logs an error at each start.
        for folder in ["plugins", "alerting"].map(|name| settings.provisioning.join(name)) {
            if !folder.is_dir() {
                println!("level=error msg=\"Failed to read provisioning files\" path={}", folder.display());
            }
        }
        Ok(Self {
            datasources: datasources::load(&settings.provisioning.join("datasources"))?,
            providers: dashboards::providers(&settings.provisioning.join("dashboards"))?,
        })
    }
}

impl State {
    /// Does what a start does: the account, the provisioning.
    pub(super) fn start(settings: Settings) -> Result<Self, String> {
        let made = Account::load_or_create(&settings.data, &settings.admin_user, &settings.admin_password)?;
        println!(
            "level=info msg=\"{}\"",
            if made { "Created default admin" } else { "account found: the configured password is not used" }
        );
        let provisioned = RwLock::new(Arc::new(Provisioned::load(&settings)?));
        Ok(Self { settings, provisioned, failures: Mutex::new(Vec::new()), started: SystemTime::now() })
    }

    pub(super) fn provisioned(&self) -> Arc<Provisioned> {
        Arc::clone(&self.provisioned.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn datasource(&self, uid: &str) -> Result<Datasource, Refusal> {
        let found = self.provisioned().datasources.iter().find(|one| one.uid == uid).cloned();
        found.ok_or_else(|| Refusal::new(404, "Data source not found"))
    }

    /// Looks at login and password, and counts the failures.
    fn admits(&self, login: &str, password: &str) -> Result<(), Refusal> {
        let refusal = || Refusal::new(401, "Invalid username or password");
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|moment| moment.elapsed() < GUARD_WINDOW);
        if self.settings.brute_force_protection && failures.len() >= GUARD_FAILURES {
            println!("level=warn msg=\"too many wrong passwords: the login is shut for some minutes\"");
            return Err(refusal());
        }
        let account = Account::load(&self.settings.data).map_err(|cause| Refusal::new(500, &cause))?;
        if account.is_some_and(|account| account.admits(login, password)) {
            failures.clear();
            return Ok(());
        }
        failures.push(Instant::now());
        Err(refusal())
    }
}

/// Proof that the request carried the admin's name and password. A handler that takes one cannot forget to ask.
pub(super) struct Admin;

impl FromRequest for Admin {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let unauthorized = || Refusal::new(401, "Unauthorized");
        let check = || {
            let state = request.app_data::<Data<State>>().ok_or_else(|| Refusal::new(500, "no state"))?;
            let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let encoded = header.and_then(|value| value.strip_prefix("Basic ")).ok_or_else(unauthorized)?;
            let text =
                BASE64_STANDARD.decode(encoded.trim()).ok().and_then(|text| String::from_utf8(text).ok());
            let text = text.ok_or_else(unauthorized)?;
            let (login, password) = text.split_once(':').ok_or_else(unauthorized)?;
            state.admits(login, password).map(|()| Self)
        };
        ready(check())
    }
}
