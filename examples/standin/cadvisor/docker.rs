//! The part of Docker's API that cAdvisor asks: version, info, one container.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::http::{self, Answer};

/// What Docker knows of a container.
#[derive(Debug, Clone, Default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) pid: u64,
    /// Seconds since 1970.
    pub(super) created: f64,
    pub(super) memory_limit: f64,
    pub(super) memory_reservation: f64,
    pub(super) swap_limit: f64,
    pub(super) cpu_shares: f64,
}

/// Docker's API behind an address: `tcp://host:port` or `unix:///path`.
pub(super) struct Api {
    address: String,
    /// `/v1.44`, once it was asked for.
    version: String,
    pub(super) docker_version: String,
    /// Where Docker keeps its layers' records, `/var/lib/docker/image/overlay2`; none with containerd's store.
    layers: Option<String>,
}

impl Api {
    /// Asks which version is spoken, as Docker's own client does, and for `/info` and `/version`.
    pub(super) async fn connect(address: &str) -> Result<Self, String> {
        let mut api = Self {
            address: address.to_owned(),
            version: String::new(),
            docker_version: String::new(),
            layers: None,
        };
        let mut ping = api.ask(Method::HEAD, "/_ping").await?;
        if ping.status != 200 {
            ping = api.ask(Method::GET, "/_ping").await?;
        }
        if let Some(version) = ping.headers.get("api-version").and_then(|value| value.to_str().ok()) {
            api.version = format!("/v{version}");
        }
        let info = api.json("/info").await?;
        let text = |key: &str| info[key].as_str().unwrap_or_default();
        if text("Driver") != "overlayfs" {
            api.layers = Some(format!("{}/image/{}/layerdb/mounts", text("DockerRootDir"), text("Driver")));
        }
        let version = api.json("/version").await?;
        version["Version"].as_str().unwrap_or_default().clone_into(&mut api.docker_version);
        Ok(api)
    }

    /// One container; nothing where Docker does not know it.
    pub(super) async fn container(&self, id: &str) -> Result<Option<Container>, String> {
        let path = format!("{}/containers/{id}/json", self.version);
        let answer = self.ask(Method::GET, &path).await?;
        match answer.status {
            200 => Ok(serde_json::from_slice(&answer.body).ok().map(|value| container(&value))),
            404 => Ok(None),
            status => {
                Err(format!("{path}: status {status}: {}", String::from_utf8_lossy(&answer.body).trim()))
            }
        }
    }

    /// The real one takes no container whose layer it does not find, though it needs it for the disk's figures only.
    pub(super) fn layer(&self, id: &str) -> Result<(), String> {
        let Some(layers) = &self.layers else { return Ok(()) };
        let path = format!("{layers}/{id}/mount-id");
        if ["/rootfs", ""].iter().any(|root| std::path::Path::new(&format!("{root}{path}")).exists()) {
            return Ok(());
        }
        Err(format!(
            "failed to identify the read-write layer ID for container {id:?}: open {path}: no such file or directory"
        ))
    }

    async fn json(&self, path: &str) -> Result<Value, String> {
        let path = format!("{}{path}", self.version);
        let answer = self.ask(Method::GET, &path).await?;
        if answer.status != 200 {
            return Err(format!(
                "{path}: status {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body).trim()
            ));
        }
        serde_json::from_slice(&answer.body).map_err(|cause| format!("{path}: {cause}"))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Answer, String> {
        if let Some(socket) = self.address.strip_prefix("unix://") {
            let stream = tokio::net::UnixStream::connect(socket)
                .await
                .map_err(|cause| format!("{socket}: {cause}"))?;
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("Host", "docker")
                .body(Full::new(Bytes::new()));
            return http::over(TokioIo::new(stream), request.map_err(|cause| cause.to_string())?).await;
        }
        let host =
            self.address.strip_prefix("tcp://").ok_or(format!("no address of Docker: {}", self.address))?;
        http::send(method, &format!("http://{host}{path}"), HeaderMap::new(), Bytes::new()).await
    }
}

/// Takes from an inspection what is shown.
#[allow(clippy::cast_precision_loss, reason = "bytes and shares")]
fn container(value: &Value) -> Container {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |key: &str| value["HostConfig"][key].as_i64().unwrap_or(0).max(0) as f64;
    let created = value["Created"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Container {
        name: text(&value["Name"]).trim_start_matches('/').to_owned(),
        image: text(&value["Config"]["Image"]),
        labels: value["Config"]["Labels"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect(),
        pid: value["State"]["Pid"].as_u64().unwrap_or(0),
        created: created.map_or(0.0, |time| time.as_second() as f64),
        memory_limit: number("Memory"),
        memory_reservation: number("MemoryReservation"),
        swap_limit: number("MemorySwap"),
        cpu_shares: number("CpuShares"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_inspection_says_what_is_shown() {
        let got = container(&json!({
            "Name": "/koprogo-backend", "Created": "1970-01-01T00:01:00.5Z", "State": {"Pid": 7},
            "Config": {"Image": "lab/x:1", "Labels": {"com.docker.compose.service": "backend"}},
            "HostConfig": {"Memory": 1024, "MemorySwap": -1, "CpuShares": 512},
        }));
        assert_eq!((got.name.as_str(), got.image.as_str(), got.pid), ("koprogo-backend", "lab/x:1", 7));
        assert_eq!(
            (got.created, got.memory_limit, got.swap_limit, got.cpu_shares),
            (60.0, 1024.0, 0.0, 512.0)
        );
        assert_eq!(got.labels["com.docker.compose.service"], "backend");
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_said() {
        assert!(Api::connect("http://x").await.err().unwrap().contains("no address of Docker"));
    }
}
