# shellcheck shell=sh
# The base image: debian:trixie-slim, or the same from Debian's packages where no image registry answers.

SUITE=trixie
# Where base.sh finds or makes plain Debian.
DEBIAN=
export_proxy() {
    # What apt uses, debootstrap and the builds need too.
    proxy=
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "$proxy" ] || export http_proxy="${http_proxy:-$proxy}"
}

# The Debian mirror of this machine, as apt itself understands its configuration; nothing where it has none.
mirror() {
    # shellcheck disable=SC2016 # apt's own fields
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's|^Debian Debian \(https\{0,1\}://.*[^/]\)/*$|\1|p' | head -n 1
}

find_debian() {
    for DEBIAN in debian:$SUITE-slim $IMAGES/debian:$SUITE; do
        docker image inspect "$DEBIAN" >/dev/null 2>&1 && return 0
    done
    DEBIAN=debian:$SUITE-slim
    pulled "$DEBIAN" && return 0
    DEBIAN=$IMAGES/debian:$SUITE
    bootstrap_debian
}

bootstrap_debian() {
    need debootstrap:debootstrap /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
    from=$(mirror)
    if [ -z "$from" ]; then
        # A new machine may not have read its package lists yet.
        logged apt-update as_root apt-get update
        from=$(mirror)
    fi
    say "making Debian $SUITE from packages"
    root=$(mktemp -d /var/tmp/provision-lab.XXXXXX)
    # shellcheck disable=SC2064 # the folder of now
    trap "as_root rm -rf '$root'" EXIT
    # Without a mirror debootstrap takes Debian's own.
    # shellcheck disable=SC2086 # nothing or one word
    logged debootstrap as_root debootstrap --variant=minbase --include=ca-certificates \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$SUITE" "$root" $from
    logged import import_debian "$root"
    as_root rm -rf "$root"
    trap - EXIT
}
import_debian() {
    as_root tar -C "$1" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
        --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./dev/*' -c . |
        docker import - "$IMAGES/debian:$SUITE"
}

# pulled IMAGE: whether a registry gives it. A registry that does not answer is not asked again until `down`, or until
# LAB_IMAGES asks for it: a machine without one shall not wait for each image.
pulled() {
    [ "$SOURCE" != debian ] || return 1
    pulled_from=$STATE/no-registry.$(registry_of "$1")
    [ ! -e "$pulled_from" ] || { cp "$pulled_from" "$STATE/log/pull.log"; return 1; }
    timeout "${LAB_PULL_TIMEOUT:-300}" sh -c "$ENGINE_SUDO docker pull -q \"\$1\"" sh "$1" >"$STATE/log/pull.log" 2>&1 && return 0
    # One that answers about this image says nothing about others.
    grep -qE 'manifest unknown|not found|denied|toomanyrequests' "$STATE/log/pull.log" || cp "$STATE/log/pull.log" "$pulled_from"
    return 1
}

# The registry that an image's name means: its first part where that looks like a host.
registry_of() { case ${1%%/*} in *.* | *:*) case $1 in */*) echo "${1%%/*}" ;; *) echo default ;; esac ;; *) echo default ;; esac }
