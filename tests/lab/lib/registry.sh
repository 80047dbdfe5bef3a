# shellcheck shell=sh
# The image registry: what the VPS's docker asks instead of the default one, so that images need no prefix.

registry_up() {
    want=$(docker image inspect -f '{{.Id}}' "$IMAGES/side")-$REGISTRY_PORT
    keep_container "$REGISTRY" "$want" || {
        say 'starting the registry'
        logged registry docker run -d --name "$REGISTRY" --hostname registry --label "provision.lab.want=$want" \
            --network "$NAME" --ip "$REGISTRY_ADDRESS" -p "127.0.0.1:$REGISTRY_PORT:5000" \
            -v "$NAME-registry:/var/lib/docker-registry" \
            "$IMAGES/side" docker-registry serve /etc/docker/registry/lab.yml
    }
    # The list of what it has lives with it: another clone's lab may have filled or lost it.
    pushed=$(docker exec "$REGISTRY" cat /var/lib/docker-registry/lab-pushed 2>/dev/null || true)
    # Two at a time. Those that share a big layer one after the other, else each would send it.
    push_all prometheus alertmanager node_exporter postgres_exporter & push_first=$!
    push_all postgres backend traefik busybox grafana loki alloy promtail cadvisor socket_proxy & push_second=$!
    wait $push_first || die 'the registry did not take the images'
    wait $push_second || die 'the registry did not take the images'
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
    case $1 in */*) push_as=127.0.0.1:$REGISTRY_PORT/$1 ;; *) push_as=127.0.0.1:$REGISTRY_PORT/library/$1 ;; esac
    docker tag "$1" "$push_as"
    # The registry may have been started this instant.
    wait_for 120 "the registry takes $1 (log: $STATE/log/push-once-${1##*/}.log)" push_once "$push_as"
    docker rmi "$push_as"
}
push_once() { docker push "$1" >"$STATE/log/push-once-${1##*/}.log" 2>&1; }
