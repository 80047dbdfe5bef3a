//! What the stand-in takes from grafana.ini and the environment.

use std::path::{Path, PathBuf};

use super::ini::{self, Ini};

/// The settings in effect. No `Debug`: one of them is a password.
pub(super) struct Settings {
    /// Address and port to listen on.
    pub(super) address: String,
    pub(super) port: u16,
    /// Where the account is kept.
    pub(super) data: PathBuf,
    /// The folder with `datasources/` and `dashboards/`.
    pub(super) provisioning: PathBuf,
    pub(super) admin_user: String,
    /// Acts only at the first start.
    pub(super) admin_password: String,
    /// Whether five wrong passwords shut the login for five minutes.
    pub(super) brute_force_protection: bool,
}

/// Where grafana.ini is: `--config`, `GF_PATHS_CONFIG`, or the place it has in the image.
pub(super) fn config_path(arguments: &[String], environment: impl Fn(&str) -> Option<String>) -> PathBuf {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if let Some(path) = word.trim_start_matches('-').strip_prefix("config=") {
            return PathBuf::from(path);
        }
        if word == "--config" || word == "-config" {
            return words.next().map(PathBuf::from).unwrap_or_default();
        }
    }
    PathBuf::from(environment("GF_PATHS_CONFIG").unwrap_or_else(|| "/etc/grafana/grafana.ini".to_owned()))
}

impl Settings {
    /// Reads and expands the file. A variable `GF_SECTION_KEY` wins over the file, as in Grafana.
    pub(super) fn load(
        path: &Path,
        environment: impl Fn(&str) -> Option<String> + Copy,
    ) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| format!("cannot read the configuration {}: {cause}", path.display()))?;
        let ini = Ini::parse(&text)
            .and_then(|ini| ini.expand(environment))
            .map_err(|cause| format!("{}: {cause}", path.display()))?;
        let value = |section: &str, key: &str, default: &str| {
            let name = format!("GF_{section}_{key}").to_uppercase().replace(['.', '-'], "_");
            match environment(&name) {
                Some(value) => {
                    ini::expand(&value, &environment).map_err(|cause| format!("in {name}: {cause}"))
                }
                None => {
                    Ok(ini.get(section, key).filter(|value| !value.is_empty()).unwrap_or(default).to_owned())
                }
            }
        };
        let port = value("server", "http_port", "3000")?;
        Ok(Self {
            address: value("server", "http_addr", "0.0.0.0")?,
            port: port.parse().map_err(|_| format!("server.http_port is no port: `{port}`"))?,
            data: value("paths", "data", "/var/lib/grafana")?.into(),
            provisioning: value("paths", "provisioning", "/etc/grafana/provisioning")?.into(),
            admin_user: value("security", "admin_user", "admin")?,
            admin_password: value("security", "admin_password", "admin")?,
            brute_force_protection: value("security", "disable_brute_force_login_protection", "false")?
                != "true",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: impl Fn(&str) -> Option<String> + Copy) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grafana.ini");
        std::fs::write(&path, text).unwrap();
        Settings::load(&path, environment)
    }

    #[test]
    fn the_file_gives_the_values_and_a_variable_wins() {
        let text = "[server]\nhttp_port = 3001\n[security]\nadmin_user = root\n[paths]\nprovisioning = /p\n";
        let settings = load(text, |name| (name == "GF_PATHS_DATA").then(|| "/elsewhere".to_owned())).unwrap();
        assert_eq!((settings.port, settings.admin_user.as_str()), (3001, "root"));
        assert_eq!(settings.provisioning, Path::new("/p"));
        assert_eq!(settings.data, Path::new("/elsewhere"));
        assert!(settings.brute_force_protection);
        let variable = load(text, |name| (name == "GF_SERVER_HTTP_PORT").then(|| "99".to_owned())).unwrap();
        assert_eq!(variable.port, 99);
    }

    #[test]
    fn a_missing_secret_file_is_an_error() {
        let text = "[security]\nadmin_password = $__file{/run/secrets/not-there}\n";
        let message = load(text, |_| None).err().unwrap();
        assert!(message.contains("security.admin_password: open /run/secrets/not-there"), "{message}");
    }

    #[test]
    fn the_configuration_is_found_as_the_image_finds_it() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let variable = |name: &str| (name == "GF_PATHS_CONFIG").then(|| "/b.ini".to_owned());
        assert_eq!(config_path(&words("--homepath=/x --config=/a.ini"), variable), Path::new("/a.ini"));
        assert_eq!(config_path(&words("--config /a.ini admin"), variable), Path::new("/a.ini"));
        assert_eq!(config_path(&[], variable), Path::new("/b.ini"));
        assert_eq!(config_path(&[], |_| None), Path::new("/etc/grafana/grafana.ini"));
    }
}
