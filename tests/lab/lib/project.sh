# shellcheck shell=sh
# The environment `lab` in the project: what `provision deploy lab` reads. All of it is ignored by git.

project_up() {
    cp "$STATE/known_hosts" "$ROOT/inventory/lab.known_hosts"
    inventory >"$ROOT/inventory/lab.yml"
}

inventory() {
    cat <<EOF
# Made by tests/lab/lab.sh: the throw-away VPS. Never edit, never commit.
hosts:
  vps:
    address: $VPS_ADDRESS
    port: 22
    user: deploy
    sudo: true
    identity_file: tests/lab/.state/id_ed25519
deploy:
  settle: 2s
  verify_timeout: 60s
variables:
  # A new Prometheus has asked all its targets that much sooner.
  scrape_interval: 5s
  images:
EOF
    for component in prometheus alertmanager grafana node_exporter postgres_exporter loki alloy promtail cadvisor socket_proxy; do
        printf '    %s: %s\n' "$component" "$(image_of $component)"
    done
    cat <<EOF
  application_network: koprogo_koprogo-network
  domain: koprogo.lab
  # The root of a container is no file system of its own; the database's volume lies here.
  postgres_mountpoint: /var/lib/docker
  metrics_auth: true
  kernel_messages: $(kernel_messages && echo true || echo false)
  alert_email: ops@koprogo.lab
  smtp_smarthost: mail.lab:587
  smtp_host_address: $MAIL_ADDRESS
  smtp_from: $MAIL_USER
  smtp_username: $MAIL_USER
  smtp_ca: |
EOF
    sed 's/^/    /' "$STATE/mail/ca.pem"
}

project_files() { echo "$ROOT/inventory/lab.yml" "$ROOT/inventory/lab.known_hosts" "$SECRETS" "$RECIPIENTS"; }
