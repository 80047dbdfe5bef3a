# shellcheck shell=sh
# The controller's keys and the environment's secrets. The age file is the only place where the secrets are
# kept; in the clear they are only ever in a pipe.

KEY=$STATE/id_ed25519
IDENTITY=$STATE/identity.txt
SECRETS=$ROOT/secrets/lab.yml.age
RECIPIENTS=$ROOT/secrets/lab.recipients.txt

secrets_up() {
    [ -s "$KEY" ] || { rm -f "$KEY" "$KEY.pub"; ssh-keygen -q -t ed25519 -N '' -C provision-lab -f "$KEY"; }
    [ -s "$IDENTITY" ] || { rm -f "$IDENTITY"; age-keygen -o "$IDENTITY" 2>/dev/null; }
    [ -s "$STATE/pwsudo.password" ] || (umask 077; random_word 20 >"$STATE/pwsudo.password")
    mkdir -p "$ROOT/secrets" "$ROOT/inventory"
    age-keygen -y "$IDENTITY" >"$RECIPIENTS"
    age -d -i "$IDENTITY" "$SECRETS" >/dev/null 2>&1 || {
        say 'making secrets/lab.yml.age'
        new_secrets | age -e -a -R "$RECIPIENTS" -o "$SECRETS.new"
        mv "$SECRETS.new" "$SECRETS"
    }
}

new_secrets() {
    printf '%s: "%s"\n' \
        _fingerprint_key "$(random_hex 32)" \
        _environment lab \
        grafana_admin_password "$(random_word 32)" \
        smtp_password "$(random_word 32)" \
        postgres_exporter_password "$(random_word 32)" \
        metrics_token "$(random_word 32)"
}

secret() { age -d -i "$IDENTITY" "$SECRETS" | sed -n "s/^$1: \"\(.*\)\"\$/\1/p"; }
