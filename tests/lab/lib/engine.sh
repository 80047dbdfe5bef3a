# shellcheck shell=sh
# The docker engine outside: uses the one that answers, else starts one and remembers that.

ENGINE_SUDO=
# The classic builder: BuildKit is a plugin that a bare machine does not have.
export DOCKER_BUILDKIT=0

docker() {
    # shellcheck disable=SC2086 # empty or a few words
    command $ENGINE_SUDO docker "$@"
}
engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# find_engine: false where none answers, neither to us nor to root.
find_engine() {
    command -v docker >/dev/null 2>&1 || return 1
    engine_answers && return 0
    [ "$(id -u)" != 0 ] && command -v sudo >/dev/null 2>&1 || return 1
    ENGINE_SUDO="sudo env DOCKER_BUILDKIT=$DOCKER_BUILDKIT"
    engine_answers
}

engine_up() {
    find_engine && return 0
    need dockerd:docker.io docker:docker.io iptables:iptables
    # Without root we may not have been allowed to ask; installing may have started one.
    find_engine && return 0
    say 'starting the docker engine'
    if [ -d /run/systemd/system ]; then
        as_root systemctl reset-failed docker.service 2>/dev/null || true
        logged engine-start as_root systemctl start docker.service
        echo systemd >"$STATE/engine"
        wait_for 60 'the docker engine answers' find_engine
        return 0
    fi
    # One that was just told to stop takes a moment.
    wait_for 60 'the docker engine that does not answer has stopped' engine_settled
    find_engine && return 0
    # A killed engine leaves the numbers of its processes behind; another process may have them now.
    forget_pid /var/run/docker.pid dockerd
    forget_pid /var/run/docker/containerd/containerd.pid containerd
    # A session of its own and none of our descriptors: it outlives this shell, and nobody waits for it.
    # shellcheck disable=SC2086 # empty or a few words
    $(as_root_word) setsid dockerd >"$STATE/log/dockerd.log" 2>&1 </dev/null &
    engine_starting=$!
    wait_for 60 "the docker engine answers (its log: $STATE/log/dockerd.log)" engine_started
    find_engine || {
        tail -n 5 "$STATE/log/dockerd.log" >&2
        die "the docker engine does not start (its log: $STATE/log/dockerd.log)"
    }
    as_root cat /var/run/docker.pid >"$STATE/engine"
}

is_program() { ! gone "$1" && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]; }
engine_settled() { find_engine || ! is_program "$(as_root cat /var/run/docker.pid 2>/dev/null || echo none)" dockerd; }
engine_started() { find_engine || gone "$engine_starting"; }

# forget_pid FILE PROGRAM: removes the file unless its process is the program.
forget_pid() {
    as_root test -e "$1" || return 0
    is_program "$(as_root cat "$1")" "$2" || as_root rm -f "$1"
}

engine_down() {
    [ -s "$STATE/engine" ] || return 0
    engine=$(cat "$STATE/engine")
    if [ "$engine" = systemd ]; then
        say 'stopping the docker engine'
        as_root systemctl stop docker.socket docker.service
    elif is_program "$engine" dockerd; then
        say 'stopping the docker engine'
        as_root kill "$engine"
        wait_for 60 'the docker engine has stopped' gone "$engine"
    fi
    rm -f "$STATE/engine"
}
# A process that nobody has collected yet (a zombie) is gone too.
gone() { [ ! -d "/proc/$1" ] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

# The lab's network. One with another subnet is a left-over and is replaced once nothing uses it.
network_up() {
    have=$(docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' "$NAME" 2>/dev/null || true)
    [ "$have" != "$NET.0/24" ] || return 0
    if [ -n "$have" ]; then
        remove_container "$VPS" "$MAIL" "$REGISTRY"
        docker network rm "$NAME" >/dev/null
    fi
    docker network create --subnet "$NET.0/24" --gateway "$NET.1" "$NAME" >"$STATE/log/network.log" 2>&1 || {
        cat "$STATE/log/network.log" >&2
        die "cannot make the network $NET.0/24; LAB_NET=10.x.y chooses another"
    }
}

remove_container() { docker rm -f -v "$@" >/dev/null 2>&1 || true; }
container_label() { docker inspect -f "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null || true; }
container_runs() { [ "$(docker inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }

# keep_container NAME WANT: true where the container exists as wanted and runs, started if need be.
# Otherwise it is removed. WANT is the label that says what it was made from.
keep_container() {
    if [ "$(container_label "$1" provision.lab.want)" = "$2" ]; then
        container_runs "$1" && return 0
        docker start "$1" >/dev/null 2>&1 && return 0
    fi
    remove_container "$1"
    return 1
}
