# shellcheck shell=sh
# The commands, composed of the parts.

# What is made of packages alone, while somebody else builds our programs.
lab_images() {
    make_state
    choose_images
    engine_up
    export_proxy
    images_up packaged
}

lab_up() {
    make_state
    choose_images
    need age:age age-keygen:age ssh:openssh-client ssh-keygen:openssh-client openssl:openssl
    engine_up
    programs_up
    if stamp_holds && vps_ssh true && application_current; then
        in_vps koprogo-backup-metric </dev/null
        say 'nothing to do'
        summary
        return 0
    fi
    echo "$NAME" >"$STATE/name"
    echo "$NET" >"$STATE/net"
    echo "$REGISTRY_PORT" >"$STATE/registry-port"
    echo "$SOURCE" >"$STATE/source"
    export_proxy
    network_up
    images_up
    secrets_up
    registry_up
    mail_up
    vps_up
    application_up
    project_up
    stamp >"$STATE/stamp"
    say 'the lab is up'
    summary
}

lab_down() {
    make_state
    vm_down
    if find_engine; then
        say 'removing the containers and what they kept'
        remove_container "$VPS" "$MAIL" "$REGISTRY"
        docker volume rm -f "$NAME-docker" "$NAME-registry" >/dev/null
        docker network rm "$NAME" >/dev/null 2>&1 || true
        [ "${1:-}" = --keep-images ] || images_down
    fi
    engine_down
    # shellcheck disable=SC2046 # four names
    rm -f $(project_files)
    rm -rf "$STATE"
    say 'the lab is gone'
}

lab_reset() {
    make_state
    ! find_engine || remove_container "$VPS"
    rm -f "$STATE/stamp"
    lab_up
}

lab_reboot() {
    running
    say 'rebooting the VPS'
    docker restart -t 30 "$VPS" >/dev/null
    vps_wait
    say "the VPS is back: $(docker exec "$VPS" systemctl is-system-running || true)"
}

lab_exec() {
    running
    if [ -t 0 ] && [ -t 1 ]; then docker exec -it "$VPS" "$@"; else docker exec -i "$VPS" "$@"; fi
}

lab_status() {
    if ! find_engine; then
        echo 'the lab is down: no docker engine answers'
    elif ! container_runs "$VPS"; then
        echo 'the lab is down'
    else
        echo "VPS        $(docker exec "$VPS" systemctl is-system-running || true); $(docker exec "$VPS" docker ps -q | wc -l) containers run in it"
        summary
    fi
}

running() {
    find_engine || die 'no docker engine answers: tests/lab/lab.sh up'
    container_runs "$VPS" || die 'the VPS does not run: tests/lab/lab.sh up'
    make_state
}

summary() {
    cat <<EOF
VPS        ssh -i tests/lab/.state/id_ed25519 -o UserKnownHostsFile=tests/lab/.state/known_hosts deploy@$VPS_ADDRESS
           users: deploy (sudo without password), pwsudo (password: tests/lab/.state/pwsudo.password), root
mail       $MAIL_ADDRESS:587 as mail.lab, STARTTLS, user $MAIL_USER; tests/lab/lab.sh mails
registry   127.0.0.1:$REGISTRY_PORT, from the VPS $REGISTRY_ADDRESS:5000 (its docker's mirror)
EOF
    [ -s "$STATE/images" ] || return 0
    awk '
        $3 == "upstream" { upstream = upstream " " $2 }
        $3 == "pypi" { pypi = pypi " " $2 }
        $3 == "debian" { debian = debian " " $2 }
        $3 == "STAND-IN" { standin = standin " " $2 " (for " $1 ")" }
        $3 == "example" { example = example " " $2 }
        END {
            print "real       upstream:" (upstream ? upstream : " none") "; from Debian:" (debian ? debian : " none") (pypi ? "; from PyPI:" pypi : "")
            print "STAND-IN  " (standin ? standin : " none")
            print "example   " example
        }' "$STATE/images"
}
