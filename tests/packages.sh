#!/bin/sh
# Installs what demo and tests need outside of the lab, with the system's package manager. Quick when all is there.
# With the argument `browser` also the one that opens the reports (290 MB).
set -eu

# command package
needed='age age
age-keygen age
busybox busybox
dash dash
fish fish
git git
make make
python3 python3
shellcheck shellcheck
ssh openssh-client
ssh-agent openssh-client
tcsh tcsh
zsh zsh
cc gcc'

PATH=$PATH:/usr/sbin:/sbin
missing=$(echo "$needed" | while read -r command package; do
	command -v "$command" >/dev/null 2>&1 || echo "$package"
done | sort -u)
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ "${1:-}" = browser ] && ! command -v chromium >/dev/null 2>&1; then missing="$missing chromium fonts-dejavu-core"; fi
[ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
missing=$(echo "$missing" | tr '\n' ' ')
[ -n "$(echo "$missing" | tr -d ' ')" ] || exit 0

echo "installing: $missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
# sshd is only run by hand, on a loopback port: its service must not be started here.
policy=/usr/sbin/policy-rc.d
made=no
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 0755 "$policy"
	made=yes
fi
code=0
# shellcheck disable=SC2086 # a list of words
{ $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null || code=$?
if [ "$made" = yes ]; then $as_root rm -f "$policy"; fi
exit "$code"
