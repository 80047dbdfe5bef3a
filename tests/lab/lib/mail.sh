# shellcheck shell=sh
# The mail server: demands STARTTLS, with a certificate for mail.lab of the lab's own authority, and a password.

MAIL_USER=alertmanager@koprogo.lab

mail_up() {
    mail_files
    want=$(docker image inspect -f '{{.Id}}' "$IMAGES/side")-$(cat "$STATE/mail/for")
    keep_container "$MAIL" "$want" && return 0
    say 'starting the mail server'
    logged mail docker run -d --name "$MAIL" --hostname mail.lab --label "provision.lab.want=$want" \
        --network "$NAME" --ip "$MAIL_ADDRESS" -v "$STATE/mail:/lab:ro" \
        "$IMAGES/side" mail-server
}

# The certificate and the user's verifier, made anew with the secrets.
mail_files() {
    mkdir -p "$STATE/mail"
    mail_for=$({ cat "$SECRETS"; echo "$MAIL_ADDRESS"; } | digest)
    [ "$(cat "$STATE/mail/for" 2>/dev/null)" = "$mail_for" ] && return 0
    (
        umask 077
        cd "$STATE/mail" || exit
        logged mail-certificate certificate
        printf '%s %s\n' "$MAIL_USER" "$(secret smtp_password | openssl passwd -6 -stdin)" >users
    )
    echo "$mail_for" >"$STATE/mail/for"
}
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=provision lab authority' \
        -keyout ca.key -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.lab -keyout mail.key -out mail.csr
    printf 'subjectAltName=DNS:mail.lab,IP:%s\n' "$MAIL_ADDRESS" >mail.ext
    openssl x509 -req -in mail.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile mail.ext -out mail.pem
    # Nothing signs with it again.
    rm ca.key
}

lab_mails() {
    running
    docker exec "$MAIL" sh -c 'cd /var/mail/lab && for mail in new/* cur/*; do [ -f "$mail" ] || continue; printf "===== %s\n" "$mail"; cat "$mail"; done'
}
