# shellcheck shell=sh
# The application on the VPS, as its operator has it: Traefik, PostgreSQL, a backend and its neighbours, and a
# backup that tells its time.

APPLICATION='koprogo-traefik koprogo-postgres koprogo-backend koprogo-frontend koprogo-minio'

application_up() {
    application_current || {
        say 'starting the application'
        application_files | in_vps sh -c 'mkdir -p /opt/koprogo && tar -C /opt/koprogo -xm'
        logged application in_vps docker compose --project-directory /opt/koprogo/app up -d --quiet-pull --pull always --remove-orphans </dev/null
        wait_for 60 'PostgreSQL answers' in_vps docker exec koprogo-postgres psql -U koprogo -d koprogo_db -c 'SELECT 1'
        exporter_role | logged exporter-role in_vps docker exec -i koprogo-postgres psql -q -v ON_ERROR_STOP=1 -U koprogo -d koprogo_db
        application_for | in_vps tee /opt/koprogo/app/.made-for >/dev/null
    }
    in_vps koprogo-backup-metric </dev/null
}

# Whether what was put there is what would be put there now, and runs.
application_current() {
    [ "$(in_vps cat /opt/koprogo/app/.made-for </dev/null 2>/dev/null)" = "$(application_for)" ] && application_runs
}
# shellcheck disable=SC2086 # a list of words
application_runs() {
    [ "$(in_vps docker inspect -f '{{.State.Running}}' $APPLICATION </dev/null 2>/dev/null | tr '\n' ' ')" = 'true true true true true ' ]
}
application_for() {
    {
        cat "$SECRETS" "$LAB/application/docker-compose.yml" "$STATE/images"
        for part in postgres backend traefik busybox; do docker image inspect -f '{{.Id}}' "$(image_of $part)"; done
    } | digest
}

# An archive of its folder.
application_files() (
    # Memory, not a disk: there is plain text in it.
    files=$(mktemp -d /dev/shm/provision-lab.XXXXXX)
    trap 'rm -rf "$files"' EXIT
    mkdir -p "$files/app"
    cp "$LAB/application/docker-compose.yml" "$files/app/"
    printf '%s\n' "POSTGRES_IMAGE=$(image_of postgres)" "BACKEND_IMAGE=$(image_of backend)" \
        "TRAEFIK_IMAGE=$(image_of traefik)" "BUSYBOX_IMAGE=$(image_of busybox)" >"$files/app/.env"
    cp -R "$LAB/application/traefik" "$files/app/"
    { old_certificate >"$files/old.tar" 2>/dev/null && tar -C "$files/app/traefik" -xf "$files/old.tar"; } ||
        new_certificate "$files/app/traefik"
    rm -f "$files/old.tar"
    secret metrics_token >"$files/app/metrics_token"
    password=$(in_vps cat /opt/koprogo/app/postgres_password </dev/null 2>/dev/null) || password=$(random_word 32)
    printf %s "$password" >"$files/app/postgres_password"
    # The containers read them as other users; the folder keeps the users of the host out.
    chmod 0644 "$files/app/postgres_password" "$files/app/metrics_token"
    chmod 0700 "$files/app"
    tar -C "$files" --owner=0 --group=0 -c app
)

# The certificate and the key that Traefik has.
old_certificate() { in_vps tar -C /opt/koprogo/app/traefik -c certificate.pem key.pem </dev/null; }

# new_certificate FOLDER: nobody's authority signed it.
new_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1/key.pem" -out "$1/certificate.pem" -days 60 \
        -subj /CN=koprogo.lab -addext subjectAltName=DNS:koprogo.lab,DNS:grafana.koprogo.lab 2>/dev/null
}

# Idempotent. The password is a word: nothing in it needs quoting. The statements are not tracked, or
# pg_stat_statements would write the password into its file of query texts.
exporter_role() {
    cat <<EOF
SET pg_stat_statements.track = 'none';
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
DO \$\$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres_exporter') THEN CREATE ROLE postgres_exporter; END IF;
END \$\$;
ALTER ROLE postgres_exporter LOGIN CONNECTION LIMIT 3 PASSWORD '$(secret postgres_exporter_password)';
GRANT pg_monitor TO postgres_exporter;
EOF
}
