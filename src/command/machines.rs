//! The servers of one run, so that no two names of the inventory lead to one of them unnoticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::plan::HostState;

/// Which host of the inventory each server is.
#[derive(Debug, Clone, Default)]
pub(super) struct Machines(Arc<Mutex<BTreeMap<String, String>>>);

impl Machines {
    /// Notes that the host `name` is the server that looks like `state`.
    ///
    /// # Errors
    /// Failed, when another name led there first.
    pub(super) fn claim(&self, name: &str, state: &HostState) -> Result<()> {
        let machine = format!("{} {}", state.machine, state.host_key.as_deref().unwrap_or_default());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = known.entry(machine).or_insert_with(|| name.to_owned());
        if first == name {
            return Ok(());
        }
        Err(Error::new(Kind::Failed, "look at the host")
            .host(name)
            .cause(format!("it is the same server as `{first}`, under another address"))
            .hint("One of the two addresses in the inventory is wrong: correct it, or take one of the names away.")
            .hint("Nothing was changed under this name."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_one_name() {
        let state = |machine: &str| HostState { machine: machine.to_owned(), ..HostState::default() };
        let machines = Machines::default();
        machines.claim("a", &state("1")).unwrap();
        machines.claim("a", &state("1")).unwrap();
        machines.claim("b", &state("2")).unwrap();
        let error = machines.claim("c", &state("1")).unwrap_err();
        insta::assert_snapshot!(format!("{error} | {}", error.hints().join(" ")), @"look at the host: it is the same server as `a`, under another address | One of the two addresses in the inventory is wrong: correct it, or take one of the names away. Nothing was changed under this name.");
    }
}
