# shellcheck shell=sh
# Names, places and small tools that all parts of the lab share.
# shellcheck disable=SC2034 # the other parts use them

STATE=$LAB/.state
# What `up` was told holds for the commands after it. Several labs share one engine and its images: each has its
# name, its network and its port, and lives in a checkout of its own.
IMAGES=provision-lab
NAME=${LAB_NAME:-$(cat "$STATE/name" 2>/dev/null || echo provision-lab)}
NET=${LAB_NET:-$(cat "$STATE/net" 2>/dev/null || echo 10.213.7)}
VPS=$NAME-vps VPS_ADDRESS=$NET.10
MAIL=$NAME-mail MAIL_ADDRESS=$NET.20
REGISTRY=$NAME-registry REGISTRY_ADDRESS=$NET.30
REGISTRY_PORT=${LAB_REGISTRY_PORT:-$(cat "$STATE/registry-port" 2>/dev/null || echo 5213)}
SOURCE=${LAB_IMAGES:-$(cat "$STATE/source" 2>/dev/null || echo auto)}
# A file may be named from where we were called.
case $SOURCE in */*) SOURCE=$(realpath -m "$SOURCE") ;; esac
STARTED=$(date +%s)

say() { printf '%4ds  %s\n' "$(($(date +%s) - STARTED))" "$*" >&2; }
die() { printf 'lab: %s\n' "$*" >&2; exit 1; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds. A slow machine is waited for PATIENCE times as long.
PATIENCE=1
wait_for() {
    wait_limit=$(($1 * PATIENCE))
    wait_until=$(($(date +%s) + wait_limit)) wait_what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$wait_until" ] || die "after $wait_limit s still not so: $wait_what (tried: $*)"
        sleep 0.2
    done
}

# logged NAME COMMAND...: its output goes to a log, the end of which is shown when it fails.
logged() {
    logged_to=$STATE/log/$1.log
    shift
    ("$@") >"$logged_to" 2>&1 || {
        tail -n 30 "$logged_to" >&2
        die "failed: $* (all of its output: $logged_to)"
    }
}

as_root_word() { [ "$(id -u)" = 0 ] || echo sudo; }
as_root() {
    # shellcheck disable=SC2046 # empty or one word
    command $(as_root_word) "$@"
}

# need PROGRAM:PACKAGE...: installs the packages whose program, or file, is not there.
need() {
    need_packages=
    for need_pair; do
        need_what=${need_pair%%:*}
        case $need_what in
            /*) [ -e "$need_what" ] || need_packages="$need_packages ${need_pair#*:}" ;;
            *) command -v "$need_what" >/dev/null 2>&1 || need_packages="$need_packages ${need_pair#*:}" ;;
        esac
    done
    [ -n "$need_packages" ] || return 0
    say "installing$need_packages"
    logged apt-update as_root apt-get update
    # shellcheck disable=SC2086 # a list of words
    logged apt-install as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $need_packages
}

random_hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
random_word() { LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom 2>/dev/null | head -c "$1"; }
digest() { sha256sum | cut -c1-16; }

make_state() { mkdir -p "$STATE/log" "$STATE/bin" && chmod 700 "$STATE"; }
