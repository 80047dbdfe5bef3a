# shellcheck shell=sh
# The images: the VPS, the servers beside it, and the stack's services as the VPS will pull them.

# build TAG FOLDER [FILE...]: builds the image of a folder, extra files put beside its Dockerfile, unless the
# image at hand was made from just that. What it was made from, its parent included, is in a label. A Dockerfile
# that begins with `FROM $FROM` stands on $build_on, or on plain Debian.
build_on=
build() {
    build_tag=$1 build_from=$LAB/images/$2
    shift 2
    build_context=$(mktemp -d "$STATE/build.XXXXXX")
    cp -R "$build_from/." "$build_context"
    [ $# -eq 0 ] || cp "$@" "$build_context"
    build_parent=$(sed -n 's/^FROM \([^$].*\)/\1/p' "$build_context/Dockerfile")
    # The archive is the same in every clone: no owner, no time, no umask.
    tar -C "$build_context" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=go=rX -cf "$build_context.tar" .
    rm -rf "$build_context"
    build_hash=$({
        cat "$build_context.tar"
        docker image inspect -f '{{.Id}}' "${build_parent:-${build_on:-$DEBIAN}}"
    } | digest)
    build_have=$(docker image inspect -f '{{index .Config.Labels "provision.lab.inputs"}}' "$build_tag" 2>/dev/null || true)
    if [ "$build_have" != "$build_hash" ]; then
        say "building $build_tag"
        logged "build-$(printf %s "$build_tag" | tr '/:' '--')" build_image "$build_tag" "$build_hash" "$build_context.tar"
    fi
    rm -f "$build_context.tar"
}
build_image() {
    # The machine's own network: whatever it takes to reach the Debian mirror, apt here has it already.
    docker build --force-rm --network host --build-arg "FROM=${build_on:-$DEBIAN}" ${http_proxy:+--build-arg "http_proxy=$http_proxy"} \
        --label "provision.lab.inputs=$2" -t "$1" - <"$3"
}

# Each component, upstream's image of it, and Debian's package. Without a package something of ours takes its place.
components() {
    cat <<'EOF'
prometheus prom/prometheus:v3.13.3 prometheus
alertmanager prom/alertmanager:v0.34.0 prometheus-alertmanager
node_exporter prom/node-exporter:v1.12.1 prometheus-node-exporter
postgres_exporter prometheuscommunity/postgres-exporter:v0.20.1 prometheus-postgres-exporter
grafana grafana/grafana:12.4.10 -
loki grafana/loki:3.7.6 -
alloy grafana/alloy:v1.21.2 -
promtail grafana/promtail:3.6.15 -
cadvisor ghcr.io/google/cadvisor:0.60.5 -
socket_proxy wollomatic/socket-proxy:1.12.2 -
postgres postgres:15 -
traefik traefik:v3.7.15 -
busybox busybox:1.37 -
EOF
}

# What LAB_IMAGES says: auto, debian, upstream, or a file whose lines, `component image`, replace upstream's.
choose_images() {
    case $SOURCE in
        auto) say "images: upstream's where this machine has or can pull them, else Debian's packages and stand-ins (LAB_IMAGES=auto)" ;;
        debian) say "images: Debian's packages and stand-ins, nothing is pulled (LAB_IMAGES=debian)" ;;
        upstream) say "images: upstream's (LAB_IMAGES=upstream)" ;;
        */*)
            [ -f "$SOURCE" ] || die "LAB_IMAGES=$SOURCE: there is no such file"
            say "images: those that $SOURCE names, else as with LAB_IMAGES=auto" ;;
        *) die "LAB_IMAGES=$SOURCE is none of: auto, debian, upstream, the path of a file (with a slash in it) that has lines \`component image\`" ;;
    esac
    # Who asks for something expects to be heard: a registry that did not answer before is asked again.
    [ -z "${LAB_IMAGES:-}" ] || rm -f "$STATE"/no-registry.*
    components >"$STATE/components"
    case $SOURCE in
        */*)
            unknown=$(awk 'NR == FNR { known[$1] = 1; next } NF && $1 !~ /^#/ && (!known[$1] || NF != 2)' "$STATE/components" "$SOURCE")
            [ -z "$unknown" ] || die "$SOURCE: not \`component image\` with one of $(cut -d ' ' -f 1 "$STATE/components" | tr '\n' ' '): $unknown"
            # An image that was named has to be had.
            awk 'NR == FNR { if (NF && $1 !~ /^#/) named[$1] = $2; next } $1 in named { print $1, named[$1], $3, "named"; next } { print }' \
                "$SOURCE" "$STATE/components" >"$STATE/components.new"
            mv "$STATE/components.new" "$STATE/components" ;;
    esac
}

# What the engine has of the images that are looked for: one that appears later makes `up` take it.
images_at_hand() {
    [ "$SOURCE" != debian ] || return 0
    # shellcheck disable=SC2046 # a list of words
    docker image inspect -f '{{.Id}}' $(cut -d ' ' -f 2 "$STATE/components") 2>&1 || true
}

# images_up [packaged]: afterwards $STATE/images has a line an image: component, image, kind. With `packaged` only those
# are made in which there is none of our programs.
images_up() {
    find_debian
    build "$IMAGES/base" base
    # The long builds side by side; each waits mostly for packages.
    build "$IMAGES/vps" vps & build_vps=$!
    build "$IMAGES/side" side & build_side=$!
    service_images "$@" >"$STATE/images.new" & build_services=$!
    wait $build_services || die 'the images of the services could not be made'
    wait $build_vps || die 'the image of the VPS could not be built'
    wait $build_side || die 'the image of the servers beside the VPS could not be built'
    [ "${1:-}" = packaged ] || mv "$STATE/images.new" "$STATE/images"
}

service_images() (
    which=${1:-all}
    # Only the table goes to the output.
    exec 3>&1 1>&2
    missing=
    while read -r component real package named; do
        if [ "$SOURCE" != debian ] && { docker image inspect "$real" >/dev/null 2>&1 || pulled "$real"; }; then
            case $real in
                # The VPS's mirror stands for the default registry only.
                *.*/*)
                    docker tag "$real" "lab/$component:${real##*:}"
                    real=lab/$component:${real##*:} ;;
            esac
            echo "$component $real upstream" >&3
            continue
        fi
        if [ "$SOURCE" = upstream ] || [ -n "$named" ]; then
            missing="$missing $real"
            continue
        fi
        folder=$(printf %s "$component" | tr _ -)
        case $component in
            grafana | loki | alloy | promtail | cadvisor | socket_proxy)
                [ "$which" = packaged ] || stand_in "$component" >&3 ;;
            postgres | busybox)
                build "lab/$component:debian" "$component"
                echo "$component lab/$component:debian debian" >&3 ;;
            traefik)
                traefik_image "lab/traefik:${real##*:v}" "$real"
                echo "$component lab/traefik:${real##*:v} pypi" >&3 ;;
            *)
                build "$IMAGES/services" services
                tag=lab/$folder:$(debian_version "$package")
                build "$tag" "$folder"
                echo "$component $tag debian" >&3 ;;
        esac
    done <"$STATE/components"
    [ -z "$missing" ] || die "LAB_IMAGES=$SOURCE, but the engine does not have and cannot pull:$missing
  why: $(tail -n 1 "$STATE/log/pull.log" 2>/dev/null || echo 'nothing was tried')
  put them into the engine (docker load), or let Debian's packages and stand-ins take their place: LAB_IMAGES=auto tests/lab/lab.sh up"
    [ "$which" = all ] || return 0
    program_tag=lab/koprogo-backend:1-$(cat "$LAB/images/koprogo-backend"/* "$STATE/bin/backend" | digest)
    build "$program_tag" koprogo-backend "$STATE/bin/backend"
    forget_others lab/koprogo-backend "$program_tag"
    echo "backend $program_tag example" >&3
)

# stand_in COMPONENT: an image around the program `standin`, and its line of the table. The tag changes with the
# program: a server that has an image of some tag does not ask for it again.
stand_in() {
    stand_name=$(printf %s "$1" | tr _ -)-standin
    stand_all=1-$(cat "$LAB/images/standins"/* "$STATE/bin/standin" | digest)
    stand_tag=lab/$stand_name:1-$(cat "$LAB/images/standins"/* "$LAB/images/$stand_name"/* "$STATE/bin/standin" | digest)
    # Both under tags of their own: a lab beside this one may have another program.
    build "$IMAGES/standins:$stand_all" standins "$STATE/bin/standin" >&2
    build_on=$IMAGES/standins:$stand_all
    build "$stand_tag" "$stand_name" >&2
    build_on=
    forget_others "lab/$stand_name" "$stand_tag"
    forget_others "$IMAGES/standins" "$IMAGES/standins:$stand_all"
    echo "$1 $stand_tag STAND-IN"
}

# forget_others REPOSITORY IMAGE: removes the repository's other images, unless a lab beside this one may want them.
forget_others() {
    ! other_labs || return 0
    for forget_old in $(docker images --format '{{.Repository}}:{{.Tag}}' "$1" | grep -vxF "$2"); do
        docker rmi "$forget_old" >/dev/null 2>&1 || true
    done
}
# Whether the VPS of another lab exists.
other_labs() { docker ps -a --filter label=provision.lab.want --format '{{.Names}}' | grep -e '-vps$' | grep -qvxF "$VPS"; }

# debian_version PACKAGE: major.minor of a service, as the image of services has it.
debian_version() {
    services=$(docker image inspect -f '{{.Id}}' "$IMAGES/services")
    versions=$STATE/versions-${services#sha256:}
    [ -s "$versions" ] || docker run --rm --entrypoint cat "$IMAGES/services" /usr/share/lab/versions </dev/null >"$versions"
    sed -n "s/^$1 \([0-9]*:\)\{0,1\}\([0-9]*\.[0-9]*\).*/\2/p" "$versions"
}

image_of() { sed -n "s/^$1 \([^ ]*\) .*/\1/p" "$STATE/images"; }

images_down() {
    if other_labs; then
        say 'keeping the images: there is another lab'
        return 0
    fi
    # An image that another stands on cannot go before it: three storeys, three passes.
    for _ in 1 2 3; do
        for image in $(docker images --format '{{.Repository}}:{{.Tag}}' --filter label=provision.lab.inputs | grep -vF '<none>'); do
            docker rmi "$image" >/dev/null 2>&1 || true
        done
    done
    docker image prune -f --filter label=provision.lab.inputs >/dev/null
    docker rmi "$IMAGES/debian:$SUITE" >/dev/null 2>&1 || true
}
