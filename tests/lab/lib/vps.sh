# shellcheck shell=sh
# The VPS: a container that boots systemd, with a docker of its own on a volume.

vps_up() {
    # Volumes that upstream's programs wrote are nothing for Debian's, nor the other way round (PostgreSQL 15 and 17).
    kinds=$(awk '{ print $1, $3 == "upstream" }' "$STATE/images" | digest)
    want=$(docker image inspect -f '{{.Id}}' "$IMAGES/vps")-$(digest <"$KEY.pub")-$VPS_ADDRESS-$kinds
    if ! keep_container "$VPS" "$want"; then
        say 'booting a new VPS'
        docker volume rm -f "$NAME-docker" >/dev/null
        vps_create
        vps_files | docker cp - "$VPS:/"
        docker start "$VPS" >/dev/null
    fi
    vps_wait
    printf 'pwsudo:%s\n' "$(cat "$STATE/pwsudo.password")" | in_vps chpasswd
}

# Not --privileged: the lab also runs where the kernel withholds a capability from it.
vps_create() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        set --
    else
        # cgroup v1: Debian 13's systemd wants to be told twice.
        set -- systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
    fi
    # What a server has and a container has not: cAdvisor reads there which container was killed.
    # shellcheck disable=SC2046 # nothing or two words
    logged vps-create docker create --name "$VPS" --hostname vps --label "provision.lab.want=$want" \
        --network "$NAME" --ip "$VPS_ADDRESS" --add-host "mail.lab:$MAIL_ADDRESS" \
        --cap-add=ALL --cap-drop=SYS_RESOURCE --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
        --security-opt systempaths=unconfined --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw \
        $(! kernel_messages || echo --device /dev/kmsg:/dev/kmsg:r) \
        --tmpfs /run:exec --tmpfs /run/lock -v "$NAME-docker:/var/lib/docker" -e container=docker \
        "$IMAGES/vps" /usr/local/sbin/boot "$@"
}

kernel_messages() { [ -c /dev/kmsg ]; }

# What the VPS must have before it boots, as an archive: whose key may log in, and where docker finds images.
vps_files() (
    files=$(mktemp -d "$STATE/vps.XXXXXX")
    mkdir -p "$files/etc/ssh" "$files/etc/docker"
    cp "$KEY.pub" "$files/etc/ssh/lab_authorized_keys"
    cat >"$files/etc/docker/daemon.json" <<EOF
{
  "registry-mirrors": ["http://$REGISTRY_ADDRESS:5000"],
  "insecure-registries": ["$REGISTRY_ADDRESS:5000"],
  "log-driver": "json-file"
}
EOF
    tar -C "$files" --owner=0 --group=0 --mode=u=rwX,go=rX -c .
    rm -rf "$files"
)

vps_wait() {
    wait_for 90 'systemd in the VPS is up (docker exec '"$VPS"' systemctl list-units --failed)' vps_booted
    wait_for 60 'docker in the VPS answers (journalctl -u docker)' in_vps docker version
    known_hosts >"$STATE/known_hosts"
    wait_for 30 "sshd lets deploy@$VPS_ADDRESS in" vps_ssh true
}
vps_booted() { case $(docker exec "$VPS" systemctl is-system-running) in running | degraded) ;; *) return 1 ;; esac }
in_vps() { docker exec -i "$VPS" "$@"; }
vps_ssh() {
    ssh -F /dev/null -i "$KEY" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=yes \
        -o "UserKnownHostsFile=$STATE/known_hosts" "deploy@$VPS_ADDRESS" "$@" </dev/null
}
known_hosts() {
    in_vps sh -c 'cat /etc/ssh/ssh_host_*_key.pub' </dev/null | while read -r kind key _; do echo "$VPS_ADDRESS $kind $key"; done
}
