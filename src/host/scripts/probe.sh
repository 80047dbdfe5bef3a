# Looks at the host and changes nothing. Arguments: REMOTE PROJECT.
# Answers a header with a version, "key value" lines, one JSON line a container, and a trailer.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
work=$(mktemp -d /run/provision-probe.XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' PIPE HUP TERM

# docker's answers take longest: they are asked for while the rest is read.
# Each call of the docker command costs some 20 ms of its own start, so there are as few as can be.
current=$(current_release)
{
	docker network ls --format '{{.Name}}' >"$work/networks" 2>"$work/docker-error" || rm -f "$work/networks"
} &
{
	docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" >"$work/ids" 2>/dev/null || :
	if [ -s "$work/ids" ]; then
		xargs docker inspect --format '{"service":{{json (index .Config.Labels "com.docker.compose.service")}},"name":{{json .Name}},"id":{{json .ID}},"image":{{json .Config.Image}},"image_id":{{json .Image}},"state":{{json .State.Status}},"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},"restarts":{{.RestartCount}},"exit_code":{{.State.ExitCode}},"digest":{{json (index .Config.Labels "provision.digest")}},"pid":{{.State.Pid}},"network":{{json .HostConfig.NetworkMode}},"ports":{{json .NetworkSettings.Ports}}}' <"$work/ids" >"$work/containers" 2>/dev/null || :
	fi
} &
# Versions are asked for where no release says that they are good enough.
if [ -z "$current" ]; then
	{ docker version --format '{{.Server.Version}}' >"$work/docker" 2>/dev/null || rm -f "$work/docker"; } &
	{ docker compose version --short >"$work/compose" 2>/dev/null || rm -f "$work/compose"; } &
fi

echo "provision-probe 1"
for name in docker age flock sha256sum tar timeout mount; do
	command -v "$name" >/dev/null 2>&1 || echo "missing $name"
done
if [ -d /run/systemd/system ]; then echo "systemd yes"; else echo "systemd no"; fi
hostkey=
for kind in ed25519 rsa; do
	if [ -r "/etc/ssh/ssh_host_${kind}_key.pub" ] && [ -f "/etc/ssh/ssh_host_${kind}_key" ]; then
		hostkey=$(cut -d ' ' -f 1,2 "/etc/ssh/ssh_host_${kind}_key.pub")
		echo "hostkey $hostkey"
		break
	fi
done
listening /proc/net/tcp /proc/net/tcp6
free_bytes() { # PATH
	where=$1
	while [ ! -d "$where" ]; do where=$(dirname "$where"); done
	df -P -k "$where" 2>/dev/null | {
		read -r _
		read -r _ _ _ free _ && echo "$((free * 1024))"
	}
}
echo "free $(free_bytes "$remote")"
echo "dockerfree $(free_bytes /var/lib/docker)"
if [ -n "$current" ]; then echo "current $current"; fi
files_in_place >"$work/files"
echo "digest $({
	current_release
	echo
	cat "$work/files"
} | sha256sum | cut -c 1-32)"
sed 's/^/file /' "$work/files"
if [ -d "$records/bin" ]; then
	(cd "$records/bin" && find . -type f -exec sha256sum {} +) | sed 's|^\([0-9a-f]*\)  \./|script \1 |'
fi
for confirmed in "$records/releases"/*/confirmed; do
	[ -f "$confirmed" ] || continue
	release=${confirmed%/confirmed}
	echo "kept ${release##*/}"
done
manifest=$records/releases/$current/manifest
if [ -n "$current" ] && [ -f "$manifest" ]; then
	manifest_lines "$manifest" file | tr "$tab" ' ' | sort -k 2 >"$work/declared"
	if ! cmp -s "$work/declared" "$work/files"; then
		# What somebody edited, removed or added here since.
		grep -v -x -F -f "$work/files" "$work/declared" | sed 's/^/declared /'
		grep -v -x -F -f "$work/declared" "$work/files" | sed 's/^[^ ]* /foreign /'
	fi
	# What of the release's own records need not be sent again.
	(cd "$records/releases/$current" && find checks.json release.json units -type f -exec sha256sum {} + 2>/dev/null) |
		sed 's/^\([0-9a-f]*\)  /part \1 /'
	sed -n "s/^fingerprint$tab\(.*\)$tab/fingerprint \1 /p; s/^sealed$tab/sealed /p" "$manifest"
	# A bundle that was sealed to another host key cannot be opened at the next boot.
	sealed_for=$(cat "$records/releases/$current/sealed.for" 2>/dev/null || echo "$hostkey")
	if is_unsealed "$manifest" && [ "$sealed_for" = "$hostkey" ]; then echo "unsealed yes"; else echo "unsealed no"; fi
fi
if [ -d "$records/activation" ]; then echo "interrupted $(cat "$records/activation/id" 2>/dev/null)"; fi
if [ -f "$lock" ] && command -v flock >/dev/null 2>&1 && ! flock -n "$lock" true; then
	echo "holder $(cat "$control/holder" 2>/dev/null || echo unknown)"
fi
wait
if [ ! -f "$work/networks" ]; then
	echo "docker-error $(tr '\n' ' ' <"$work/docker-error")"
elif [ -s "$work/docker" ]; then
	echo "docker $(cat "$work/docker")"
else
	echo "docker known"
fi
if [ -n "$current" ]; then echo "compose known"; elif [ -s "$work/compose" ]; then echo "compose $(cat "$work/compose")"; fi
if [ -f "$work/networks" ]; then sed 's/^/network /' "$work/networks"; fi
if [ -f "$work/containers" ]; then
	sed 's/^/container /' "$work/containers"
	# Docker does not know where a container on the host's own network listens.
	sed -n 's/.*"pid":\([1-9][0-9]*\),"network":"host".*/\1/p' "$work/containers" | while read -r pid; do
		ls -ln "/proc/$pid/fd" >"$work/descriptors" 2>/dev/null || :
		held_by "$pid" <"$work/descriptors"
	done
fi
echo "end"
