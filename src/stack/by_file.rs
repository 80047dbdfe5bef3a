//! How a program takes a secret from a file, where people put it into its environment or command.

/// Images whose settings `NAME` can be `NAME_FILE`, the path of a file, instead: the convention of Docker's official
/// images (<https://hub.docker.com/_/postgres>, "Docker Secrets", and the like) and of those that follow it.
const WITH_FILE_SETTINGS: [&str; 8] =
    ["postgres", "mysql", "mariadb", "mongo", "minio", "nextcloud", "wordpress", "pgadmin4"];

/// What to do instead of `line`, which has a secret in it, in a service of `image`.
pub(super) fn hint(image: &str, line: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image).split([':', '@']).next().unwrap_or_default();
    let setting = setting(line);
    if line.contains("GF_") || name.starts_with("grafana") {
        "Grafana reads it from a file: `admin_password = $__file{/run/secrets/admin_password}` in grafana.ini, \
         with `x-provision: {uid: 472, secrets: {admin_password: …}}`."
            .to_owned()
    } else if line.contains("DATA_SOURCE") {
        "postgres-exporter reads it from a file: DATA_SOURCE_PASS_FILE=/run/secrets/password, \
         with `x-provision: {secrets: {password: …}}`."
            .to_owned()
    } else if line.contains("POSTGRES_") && setting.is_some() {
        "PostgreSQL's image reads it from a file: POSTGRES_PASSWORD_FILE=/run/secrets/password, \
         with `x-provision: {secrets: {password: …}}`."
            .to_owned()
    } else if name == "alertmanager" {
        "Alertmanager reads it from a file: smtp_auth_password_file, url_file, api_url_file and the like in its \
         configuration, with `x-provision: {secrets: {file: secret}}`."
            .to_owned()
    } else if name == "prometheus" {
        "Prometheus reads it from a file: credentials_file, password_file and the like in its configuration, with \
         `x-provision: {secrets: {file: secret}}`."
            .to_owned()
    } else if let Some(setting) = setting.filter(|_| WITH_FILE_SETTINGS.contains(&name)) {
        let file = setting.to_lowercase();
        format!(
            "The image reads it from a file: {setting}_FILE=/run/secrets/{file}, with `x-provision: {{secrets: {{{file}: …}}}}`."
        )
    } else {
        "Give it as a file: name it in `x-provision: {secrets: {file: secret}}` and let the program read \
         /run/secrets/<file>."
            .to_owned()
    }
}

/// The environment's setting whose value holds the secret: `NAME: …` or `- NAME=…`.
fn setting(line: &str) -> Option<&str> {
    let before = line.split(crate::secrets::token::PREFIX).next()?;
    let name = before.rsplit_once(['=', ':'])?.0.trim_end_matches(['"', '\'']);
    let start = name.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    let name = &name[start..];
    let is_setting = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_setting.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::token::token;

    #[test]
    fn each_image_has_its_own_way() {
        let hint = |image: &str, text: &str| hint(image, &text.replace("TOKEN", &token("a")));
        assert!(
            hint("docker.io/library/mariadb:11", "  MARIADB_ROOT_PASSWORD: TOKEN")
                .contains("MARIADB_ROOT_PASSWORD_FILE=/run/secrets/mariadb_root_password")
        );
        assert!(
            hint("minio/minio@sha256:0", "- MINIO_ROOT_PASSWORD=TOKEN").contains("MINIO_ROOT_PASSWORD_FILE")
        );
        assert!(hint("prom/alertmanager:v1", "- --x=TOKEN").contains("smtp_auth_password_file"));
        assert!(hint("prom/prometheus:v1", "- --x=TOKEN").contains("credentials_file"));
        assert!(hint("grafana/grafana:12", "- --x=TOKEN").contains("$__file{"));
        for (image, line) in [
            ("mysql:9", "- --password=TOKEN"),
            ("example/web:1", "PASSWORD: TOKEN"),
            ("mysql:9", "com.example.token: TOKEN"),
        ] {
            assert!(hint(image, line).starts_with("Give it as a file"), "{image} {line}");
        }
    }
}
