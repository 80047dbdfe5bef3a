//! The ports of the host that a service publishes.

use super::Reader;
use crate::error::Problem;
use crate::yaml::Value;

impl Reader<'_> {
    /// Published ports have to name 127.0.0.1: Docker's rules come before a host firewall's.
    pub(super) fn ports(&mut self, name: &str, definition: &Value) -> Vec<u16> {
        let mut ports = Vec::new();
        let list = definition.get("ports").and_then(Value::as_sequence).cloned().unwrap_or_default();
        for (index, port) in list.iter().enumerate() {
            let (address, published) = if let Value::Mapping(_) = port {
                (
                    port.get("host_ip").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    port.get("published").map(|p| {
                        p.as_str().map_or_else(|| p.as_u64().unwrap_or(0).to_string(), str::to_owned)
                    }),
                )
            } else {
                let text =
                    port.as_str().map_or_else(|| port.as_u64().unwrap_or(0).to_string(), str::to_owned);
                let mut fields = text.rsplitn(3, ':').skip(1);
                let published = fields.next().map(str::to_owned);
                (fields.next().unwrap_or_default().to_owned(), published)
            };
            let number = published.as_deref().and_then(|p| p.parse::<u16>().ok());
            let index = index.to_string();
            let path = ["services", name, "ports", &index];
            if address == "127.0.0.1"
                && let Some(number) = number
            {
                if let Some(other) = self.published.insert(number, name.to_owned()) {
                    let problem = self.taken(number, &other, name, &path);
                    self.problems.push(problem);
                }
                ports.push(number);
            } else if address == "127.0.0.1" {
                self.problem(&path, "the published port is not one number", "Like \"127.0.0.1:9090:9090\".");
            } else {
                self.problem(
                    &path,
                    format!("a port of `{name}` is published to the world"),
                    "Publish on loopback only: \"127.0.0.1:9090:9090\". `provision tunnel` reaches it.",
                );
            }
        }
        ports
    }

    /// Two services want one port of the host. Where two variables say so, the place is in the inventory.
    fn taken(&self, port: u16, one: &str, other: &str, path: &[&str]) -> Problem {
        let of_port = || self.port_variables.iter().filter(|(_, value, _)| *value == port);
        let names: Vec<String> = of_port().map(|(name, ..)| format!("`{name}`")).collect();
        let given = of_port().filter_map(|(.., place)| place.as_ref()).max();
        match given {
            Some(place) if names.len() > 1 => Problem::new(
                place.clone(),
                format!(
                    "{} are both {port}: `{one}` and `{other}` cannot publish one port",
                    names.join(" and ")
                ),
                "Give one of them a port of its own.",
            ),
            _ => self.document.problem(
                path,
                format!("`{other}` publishes port {port}, and so does `{one}`"),
                "Give one of them a port of its own.",
            ),
        }
    }
}
