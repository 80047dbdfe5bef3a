# shellcheck shell=sh
# What lets `up` see in a moment that nothing is to be done: a digest of all that the lab is made from, and
# of the containers that were made.

stamp() {
    {
        # shellcheck disable=SC2046 # four names
        cat $(project_files) "$LAB"/lab.sh "$LAB"/lib/* "$STATE/bin/standin" "$STATE/bin/backend" "$KEY.pub" "$IDENTITY"
        (cd "$LAB" && tar --sort=name --mtime=@0 --mode=go=rX -c images application)
        docker inspect -f '{{.Id}} {{.State.Running}}' "$VPS" "$MAIL" "$REGISTRY"
        echo "$NET $REGISTRY_PORT $SOURCE"
        cat "$STATE/components"
        images_at_hand
    } 2>&1 | digest
}

stamp_holds() { [ -s "$STATE/stamp" ] && [ "$(cat "$STATE/stamp")" = "$(stamp)" ]; }
