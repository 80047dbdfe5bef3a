#!/bin/sh
# The lab: a throw-away VPS with real systemd, sshd, docker and compose, beside it an image registry and a
# mail server. What it is made of and why: README.md in this folder.
# shellcheck source-path=SCRIPTDIR
set -eu

LAB=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
ROOT=$(CDPATH='' cd -- "$LAB/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

. "$LAB/lib/common.sh"
. "$LAB/lib/engine.sh"
. "$LAB/lib/base.sh"
. "$LAB/lib/programs.sh"
. "$LAB/lib/images.sh"
. "$LAB/lib/traefik.sh"
. "$LAB/lib/registry.sh"
. "$LAB/lib/secrets.sh"
. "$LAB/lib/mail.sh"
. "$LAB/lib/vps.sh"
. "$LAB/lib/vm.sh"
. "$LAB/lib/application.sh"
. "$LAB/lib/project.sh"
. "$LAB/lib/stamp.sh"
. "$LAB/lib/commands.sh"

usage() {
    cat <<'EOF'
usage: tests/lab/lab.sh COMMAND
  up                   makes what is missing or changed; quick where nothing is
  images               makes the images that need no program of ours; `up` does too
  down [--keep-images] removes everything the lab made; stops the docker engine only if the lab started it
  reset                a pristine VPS, the application in it running again
  reboot               reboots the VPS and waits until it is back
  exec COMMAND...      runs a command in the VPS as root
  status               addresses, ports, what is real and what is a stand-in
  mails                prints the mails that arrived
  vm COMMAND           a second machine beside a lab that is up, under qemu, with Debian's own kernel: up, down, start,
                       reboot, power-loss (then start), exec COMMAND..., status; its environment is `vm`
environment: LAB_BIN_DIR (a folder with the programs `standin` and `backend`, else cargo builds them),
  LAB_NAME (provision-lab), LAB_NET (first three bytes of the network, 10.213.7), LAB_REGISTRY_PORT (5213): with
  other values in another checkout a second lab stands beside the first; LAB_IMAGES: auto (upstream's images where
  they can be had, else Debian's packages and stand-ins), debian, upstream, or a file (README.md); it is remembered
EOF
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
    up | images | down | reset | reboot | exec | status | mails | vm) "lab_$command" "$@" ;;
    help | -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
