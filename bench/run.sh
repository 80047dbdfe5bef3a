#!/bin/sh
# Measures provision against its budgets, on the lab that `tests/lab/lab.sh up` made: bench/run.sh PROVISION [--peers]
# With --peers Ansible and pyinfra do the same work too: they are installed into target/bench-venv, and what they
# need into the VPS, from where it is removed again. Exits with 0 whether budgets hold or not: the table says it.
# shellcheck disable=SC2016 # what is quoted is expanded in the VPS
set -eu
cd "$(dirname "$0")/.."
vps=$(cat tests/lab/.state/name)-vps
venv=target/bench-venv
interpreter=$(command -v python3)

usage() {
	echo "usage: bench/run.sh PROVISION [--peers]" >&2
	exit 2
}

[ $# -ge 1 ] || usage
provision=$1
case ${2:-} in
'') peers= ;;
--peers) peers=yes ;;
*) usage ;;
esac
[ -x "$provision" ] || { echo "bench: $provision is not there: make build" >&2; exit 1; }
[ -f inventory/lab.yml ] || { echo "bench: there is no lab: make lab" >&2; exit 1; }

if [ -z "$peers" ]; then
	exec "$interpreter" bench/measure.py "$provision"
fi

in_vps() { docker exec "$vps" sh -euc "$1"; }

# Both need a Python on the host, and something that asks over HTTP; a host of ours needs neither.
remove_from_vps() {
	in_vps '
		for project in bench-ansible bench-pyinfra; do
			docker ps -aq --filter "label=com.docker.compose.project=$project" | xargs -r docker rm -f
			docker volume ls -q --filter "label=com.docker.compose.project=$project" | xargs -r docker volume rm
			docker network ls -q --filter "label=com.docker.compose.project=$project" | xargs -r docker network rm
		done
		rm -rf /opt/bench
		if [ -f /var/tmp/bench-packages ]; then
			xargs apt-get purge -y </var/tmp/bench-packages
			rm /var/tmp/bench-packages
		fi' >/dev/null 2>&1 || echo "bench: could not clean the VPS: tests/lab/lab.sh reset" >&2
}
trap remove_from_vps EXIT
trap 'exit 130' INT TERM

echo "installing Ansible and pyinfra into $venv, and Python into the VPS" >&2
if [ ! -x "$venv/bin/ansible-playbook" ] || [ ! -x "$venv/bin/pyinfra" ]; then
	"$interpreter" -m venv "$venv"
	"$venv/bin/pip" install -q 'ansible-core>=2.17' 'pyinfra>=3'
fi
# What was installed for this is exactly what goes again.
in_vps '
	mkdir -p /opt/bench && chown deploy: /opt/bench
	dpkg-query -W -f "\${Package}\n" | sort >/var/tmp/before
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 curl
	dpkg-query -W -f "\${Package}\n" | sort | comm -13 /var/tmp/before - >/var/tmp/bench-packages
	rm /var/tmp/before' >/dev/null

"$interpreter" bench/measure.py "$provision" "$venv"
