//! Docker networks that the inventory leaves to be found on the host.

use std::collections::BTreeMap;

use super::HostState;
use crate::error::{Error, Kind, Result};
use crate::stack::Release;

/// The values of the variables that the release seeks: each is the one network of the host that has the name
/// that is looked for, with or without a compose project's name in front.
///
/// # Errors
/// Failed, when there is none or more than one: with their names, and the line for the inventory.
pub fn networks(release: &Release, state: &HostState) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (variable, wanted) in &release.sought {
        let end = format!("_{wanted}");
        let candidates: Vec<&str> = state
            .networks
            .iter()
            .map(String::as_str)
            .filter(|name| *name == wanted || name.ends_with(&end))
            .collect();
        let error = |cause: String| Error::new(Kind::Failed, "prepare the host").cause(cause);
        match candidates.as_slice() {
            [only] => found.insert(variable.clone(), (*only).to_owned()),
            [] => {
                let known: Vec<&str> = state.networks.iter().map(String::as_str).collect();
                return Err(error(format!("no docker network there is called {wanted} or ends in {end}"))
                    .hint("It belongs to the application: start that first.")
                    .hint(format!(
                        "Or name another below `variables:` in the inventory: `{variable}: NAME`. There are: {}.",
                        known.join(", ")
                    )));
            }
            several => {
                return Err(error(format!(
                    "{} docker networks there could be the one: {}",
                    several.len(),
                    several.join(", ")
                ))
                .hint(format!(
                    "Say which, below `variables:` in the inventory: `{variable}: {}`.",
                    several[0]
                )));
            }
        };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, release};
    use super::*;

    fn look(networks: &[&str]) -> String {
        let mut release = release(&[Sketch::default()]);
        release.sought.insert("application_network".to_owned(), "app-net".to_owned());
        let networks = networks.iter().map(|name| (*name).to_owned()).collect();
        match super::networks(&release, &HostState { networks, ..HostState::default() }) {
            Ok(found) => format!("{found:?}"),
            Err(error) => format!("{error} | {}", error.hints().join(" ")),
        }
    }

    #[test]
    fn the_only_one_is_taken() {
        let found = "{\"application_network\": \"shop_app-net\"}";
        assert_eq!(look(&["bridge", "shop_app-net", "my-app-net"]), found);
        assert_eq!(look(&["app-net"]), "{\"application_network\": \"app-net\"}");
    }

    #[test]
    fn none_and_several_are_named_with_the_line_that_decides() {
        insta::assert_snapshot!(look(&["bridge", "host"]), @"prepare the host: no docker network there is called app-net or ends in _app-net | It belongs to the application: start that first. Or name another below `variables:` in the inventory: `application_network: NAME`. There are: bridge, host.");
        insta::assert_snapshot!(look(&["app-net", "shop_app-net"]), @"prepare the host: 2 docker networks there could be the one: app-net, shop_app-net | Say which, below `variables:` in the inventory: `application_network: app-net`.");
    }
}
