# shellcheck shell=sh
# The image registry: what the VPS's docker asks instead of the default one, so that images need no prefix.
# Whatever it has is run on the VPS, which is a nearly unconfined container: so nobody can push but `up`. What listens all
# the time only gives images. A second process takes them, with a password of its own each time, as long as `up` pushes.

registry_up() {
    want=$(docker image inspect -f '{{.Id}}' "$IMAGES/side")-$REGISTRY_PORT-read-only
    keep_container "$REGISTRY" "$want" || {
        say 'starting the registry'
        # shellcheck disable=SC2016 # the container's own shell
        logged registry docker run -d --name "$REGISTRY" --hostname registry --label "provision.lab.want=$want" \
            --network "$NAME" --ip "$REGISTRY_ADDRESS" -p "127.0.0.1:$REGISTRY_PORT:5000" -p 127.0.0.1::5001 \
            -v "$NAME-registry:/var/lib/docker-registry" "$IMAGES/side" sh -euc '
                sed "s/^storage:/&\n  maintenance: {readonly: {enabled: true}}/" /etc/docker/registry/lab.yml >/etc/docker/registry/give.yml
                { sed "s/:5000/:5001/" /etc/docker/registry/lab.yml
                  echo "auth: {htpasswd: {realm: lab, path: /run/htpasswd}}"; } >/etc/docker/registry/take.yml
                exec docker-registry serve /etc/docker/registry/give.yml'
    }
    # The list of what it has lives with it: another clone's lab may have filled or lost it.
    pushed=$(docker exec "$REGISTRY" cat /var/lib/docker-registry/lab-pushed 2>/dev/null || true)
    registry_takes
    # Two at a time. Those that share a big layer one after the other, else each would send it.
    push_all prometheus alertmanager node_exporter postgres_exporter & push_first=$!
    push_all postgres backend traefik busybox grafana loki alloy promtail cadvisor socket_proxy & push_second=$!
    push_code=0
    wait $push_first || push_code=1
    wait $push_second || push_code=1
    registry_gives
    [ "$push_code" -eq 0 ] || die 'the registry did not take the images'
}

LOGIN=$STATE/registry-login

# Starts the process that takes images. The password is known to `up` alone, and to no command line.
registry_takes() {
    registry_gives
    push_to=$(docker port "$REGISTRY" 5001/tcp | head -n 1)
    (
        umask 077
        mkdir "$LOGIN"
        openssl rand -hex 24 >"$LOGIN/password"
        printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$push_to" \
            "$(printf 'lab:%s' "$(cat "$LOGIN/password")" | openssl base64 -A)" >"$LOGIN/config.json"
    )
    # shellcheck disable=SC2016 # the container's own shell
    docker exec -i "$REGISTRY" sh -euc '
        umask 077
        perl -e "chomp(\$word = <STDIN>); print qq(lab:), crypt(\$word, q(\$2y\$05\$) . join(q(), map { (q(a)..q(z))[rand 26] } 1..22)), qq(\n)" >/run/htpasswd
        grep -q "^lab:.2y.05" /run/htpasswd' <"$LOGIN/password"
    # shellcheck disable=SC2016
    docker exec -d "$REGISTRY" sh -c 'echo $$ >/run/take.pid; exec docker-registry serve /etc/docker/registry/take.yml'
}

# Ends it, and forgets the password.
registry_gives() {
    # shellcheck disable=SC2016
    docker exec "$REGISTRY" sh -c '[ ! -f /run/take.pid ] || { kill "$(cat /run/take.pid)"; rm -f /run/take.pid /run/htpasswd; }' 2>/dev/null || true
    rm -rf "$LOGIN"
}

# push_all COMPONENT...: pushes what the registry does not have yet.
push_all() {
    for component; do
        image=$(image_of "$component")
        line="$image $(docker image inspect -f '{{.Id}}' "$image")"
        printf '%s\n' "$pushed" | grep -qxF "$line" && continue
        say "pushing $image"
        logged "push-$component" push "$image"
        printf '%s\n' "$line" | docker exec -i "$REGISTRY" tee -a /var/lib/docker-registry/lab-pushed >/dev/null
    done
}

push() {
    # The default registry keeps its own images under library/.
    case $1 in */*) push_as=$push_to/$1 ;; *) push_as=$push_to/library/$1 ;; esac
    docker tag "$1" "$push_as"
    # The registry may have been started this instant.
    wait_for 120 "the registry takes $1 (log: $STATE/log/push-once-${1##*/}.log)" push_once "$push_as"
    docker rmi "$push_as"
}
push_once() { docker --config "$LOGIN" push "$1" >"$STATE/log/push-once-${1##*/}.log" 2>&1; }
