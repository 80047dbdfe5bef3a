# shellcheck shell=sh
# The application on the VPS, as its operator has it: Traefik, PostgreSQL, a backend and its neighbours, and a
# backup that tells its time.

APPLICATION='koprogo-traefik koprogo-postgres koprogo-backend koprogo-frontend koprogo-minio'

application_up() {
    application_current || {
        say 'starting the application'
        application_files | in_vps sh -c 'mkdir -p /opt/koprogo && tar -C /opt/koprogo -x'
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
        docker image inspect -f '{{.Id}}' "$(image_of postgres)" "$(image_of backend)" "$(image_of traefik)"
    } | digest
}

# An archive of its folder.
application_files() (
    # Memory, not a disk: there is plain text in it.
    files=$(mktemp -d /dev/shm/provision-lab.XXXXXX)
    trap 'rm -rf "$files"' EXIT
    mkdir -p "$files/app"
    cp "$LAB/application/docker-compose.yml" "$files/app/"
    printf 'POSTGRES_IMAGE=%s\nBACKEND_IMAGE=%s\nTRAEFIK_IMAGE=%s\n' \
        "$(image_of postgres)" "$(image_of backend)" "$(image_of traefik)" >"$files/app/.env"
    # What Traefik shows as its certificate. Nobody speaks TLS with it, so its key is of no use.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -days 60 \
        -subj /CN=koprogo.lab -addext subjectAltName=DNS:koprogo.lab -out "$files/app/certificate.pem" 2>/dev/null
    secret metrics_token >"$files/app/metrics_token"
    password=$(in_vps cat /opt/koprogo/app/postgres_password </dev/null 2>/dev/null) || password=$(random_word 32)
    printf %s "$password" >"$files/app/postgres_password"
    # The containers read them as other users; the folder keeps the users of the host out.
    chmod 0644 "$files/app/postgres_password" "$files/app/metrics_token" "$files/app/certificate.pem"
    chmod 0700 "$files/app"
    tar -C "$files" --owner=0 --group=0 -c app
)

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
