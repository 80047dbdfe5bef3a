//! Traefik's flags, whose names do not care for case.

use std::collections::BTreeMap;

/// What the flags and the environment say.
#[allow(clippy::struct_excessive_bools, reason = "switches of the real program")]
#[derive(Debug)]
pub(super) struct Settings {
    /// Name and address.
    pub(super) entrypoints: BTreeMap<String, String>,
    /// The entry point on which metrics are, if there are any.
    pub(super) metrics: Option<String>,
    pub(super) buckets: Vec<f64>,
    pub(super) router_labels: bool,
    pub(super) entrypoint_labels: bool,
    pub(super) service_labels: bool,
    pub(super) access_log: bool,
    /// Name and URL of the service.
    pub(super) service: String,
    pub(super) url: String,
    pub(super) certificate: Option<String>,
    pub(super) traffic_seconds: u64,
}

/// The first parts of Traefik's flags; of those that follow only the ones below have an effect here.
const KNOWN: [&str; 16] = [
    "providers",
    "entrypoints",
    "metrics",
    "log",
    "accesslog",
    "certificatesresolvers",
    "api",
    "ping",
    "tracing",
    "global",
    "serverstransport",
    "experimental",
    "hostresolver",
    "spiffe",
    "core",
    "configfile",
];

impl Settings {
    pub(super) fn parse(
        arguments: &[String],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut flags = BTreeMap::new();
        for word in arguments {
            let text = word
                .strip_prefix("--")
                .ok_or_else(|| format!("command traefik error: unexpected {word:?}"))?;
            let (name, value) = text.split_once('=').unwrap_or((text, "true"));
            let name = name.to_lowercase();
            if !KNOWN.contains(&name.split('.').next().unwrap_or_default()) {
                return Err(format!(
                    "command traefik error: failed to decode configuration from flags: field not found, node: {name}"
                ));
            }
            flags.insert(name, value.to_owned());
        }
        let mut entrypoints: BTreeMap<String, String> = flags
            .iter()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix("entrypoints.")?.strip_suffix(".address")?;
                Some((name.to_owned(), value.clone()))
            })
            .collect();
        if entrypoints.is_empty() {
            entrypoints.insert("http".to_owned(), ":80".to_owned());
        }
        let truth = |name: &str, default: bool| flags.get(name).map_or(default, |value| value == "true");
        let wanted = flags.keys().any(|name| name.starts_with("metrics.prometheus"));
        let metrics = (wanted && truth("metrics.prometheus", true)).then(|| {
            flags.get("metrics.prometheus.entrypoint").cloned().unwrap_or_else(|| "traefik".to_owned())
        });
        if let Some(name) = &metrics {
            // Traefik makes this one itself.
            if name == "traefik" {
                entrypoints.entry(name.clone()).or_insert_with(|| ":8080".to_owned());
            }
            if !entrypoints.contains_key(name) {
                return Err(format!("metrics.prometheus.entrypoint: there is no entry point {name:?}"));
            }
        }
        let buckets = flags.get("metrics.prometheus.buckets").map_or("0.1,0.3,1.2,5.0", String::as_str);
        let buckets = buckets
            .split(',')
            .map(|edge| {
                edge.trim().parse().map_err(|_| format!("metrics.prometheus.buckets: no number: {edge:?}"))
            })
            .collect::<Result<Vec<f64>, _>>()?;
        let backend = environment("STANDIN_BACKEND")
            .ok_or("STANDIN_BACKEND is not set: backend=http://backend:8080")?;
        let (service, url) =
            backend.split_once('=').ok_or(format!("STANDIN_BACKEND is no name=URL: {backend}"))?;
        let seconds = environment("STANDIN_TRAFFIC_SECONDS").unwrap_or_else(|| "0".to_owned());
        Ok(Self {
            metrics,
            buckets,
            router_labels: truth("metrics.prometheus.addrouterslabels", false),
            entrypoint_labels: truth("metrics.prometheus.addentrypointslabels", true),
            service_labels: truth("metrics.prometheus.addserviceslabels", true),
            access_log: flags.get("accesslog").is_some_and(|it| it == "true")
                || flags.keys().any(|it| it.starts_with("accesslog.")),
            service: service.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            certificate: environment("STANDIN_CERTIFICATE").filter(|it| !it.is_empty()),
            traffic_seconds: seconds
                .parse()
                .map_err(|_| format!("STANDIN_TRAFFIC_SECONDS is no number: {seconds}"))?,
            entrypoints,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Settings, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Settings::parse(&words, |name| {
            (name == "STANDIN_BACKEND").then(|| "backend=http://b:8080/".to_owned())
        })
    }

    #[test]
    fn reads_traefiks_flags() {
        let settings = parse("--providers.docker=true --entryPoints.web.address=:80 --entrypoints.metrics.address=:8082 \
            --metrics.prometheus=true --metrics.prometheus.entryPoint=metrics --metrics.prometheus.buckets=0.1,0.25,1 \
            --metrics.prometheus.addRoutersLabels=true --accesslog --ping").unwrap();
        assert_eq!(settings.entrypoints["metrics"], ":8082");
        assert_eq!((settings.metrics.as_deref(), settings.buckets.len()), (Some("metrics"), 3));
        assert!(settings.router_labels && settings.access_log);
        assert_eq!(settings.url, "http://b:8080");
        let settings = parse("--metrics.prometheus=true").unwrap();
        assert_eq!(
            (settings.entrypoints["traefik"].as_str(), settings.buckets.as_slice()),
            (":8080", [0.1, 0.3, 1.2, 5.0].as_slice())
        );
        assert!(parse("").unwrap().metrics.is_none());
    }

    #[test]
    fn refuses_what_traefik_refuses() {
        assert!(
            parse("--metric.prometheus=true")
                .unwrap_err()
                .contains("field not found, node: metric.prometheus")
        );
        assert!(parse("--metrics.prometheus.entrypoint=nowhere").unwrap_err().contains("nowhere"));
        assert!(parse("--metrics.prometheus.buckets=a").unwrap_err().contains("no number"));
        assert!(Settings::parse(&[], |_| None).unwrap_err().contains("STANDIN_BACKEND"));
    }
}
