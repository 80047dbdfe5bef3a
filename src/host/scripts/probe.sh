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
	ask_docker network ls --format '{{.Name}}' >"$work/networks" 2>"$work/docker-error" || rm -f "$work/networks"
} &
# One that is removed between the two questions is an error of the second: both are asked again.
look_at_containers() {
	for _ in 1 2 3; do
		ask_docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" >"$work/ids" || return 1
		: >"$work/containers"
		[ -s "$work/ids" ] || return 0
		code=0
		ask_docker_each inspect --format '{"service":{{json (index .Config.Labels "com.docker.compose.service")}},"name":{{json .Name}},"id":{{json .ID}},"image":{{json .Config.Image}},"image_id":{{json .Image}},"state":{{json .State.Status}},"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},"restarts":{{.RestartCount}},"exit_code":{{.State.ExitCode}},"digest":{{json (index .Config.Labels "provision.digest")}},"pid":{{.State.Pid}},"network":{{json .HostConfig.NetworkMode}},"ports":{{json .NetworkSettings.Ports}},"hostname":{{json .HostnamePath}}}' <"$work/ids" >"$work/containers" || code=$?
		[ "$code" -ne 0 ] || return 0
		[ "$code" -lt 124 ] || return 1
	done
	return 1
}
{ look_at_containers 2>"$work/containers-error" || rm -f "$work/containers"; } &
ask_engine() {
	ask_docker info --format '{{.DockerRootDir}}{{println}}{{range .SecurityOptions}}{{println .}}{{end}}' >"$work/engine" 2>/dev/null || rm -f "$work/engine"
}
# Where compose may be, as Debian's and Docker's packages have it, or put there by hand.
compose_is_there() {
	for folder in /root/.docker /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker /usr/libexec/docker; do
		if [ -x "$folder/cli-plugins/docker-compose" ]; then return 0; fi
	done
	return 1
}
# Versions are asked for where no release says that they are good enough.
if [ -z "$current" ]; then
	{ ask_docker version --format '{{.Server.Version}} {{.Server.APIVersion}}' >"$work/docker" 2>/dev/null || rm -f "$work/docker"; } &
	ask_engine &
fi
compose_known=no
if [ -n "$current" ] && compose_is_there; then
	compose_known=yes
else
	{ ask_docker compose version --short >"$work/compose" 2>/dev/null || rm -f "$work/compose"; } &
fi

echo "provision-probe 1"
for name in docker age flock sha256sum tar timeout mount; do
	command -v "$name" >/dev/null 2>&1 || echo "missing $name"
done
# The snap's folder is in no path of ours, and what it has cannot be used.
[ ! -x /snap/bin/docker ] || command -v docker >/dev/null 2>&1 || echo "snap yes"
if [ -d /run/systemd/system ]; then echo "systemd yes"; else echo "systemd no"; fi
hostkey=
for kind in ed25519 rsa; do
	key=/etc/ssh/ssh_host_${kind}_key
	[ -f "$key" ] || continue
	# The public half is in the private one, should its file be gone.
	if [ -s "$key.pub" ]; then
		hostkey=$(cut -d ' ' -f 1,2 "$key.pub")
	else
		hostkey=$(ssh-keygen -y -P '' -f "$key" 2>/dev/null </dev/null | cut -d ' ' -f 1,2)
	fi
	if [ -n "$hostkey" ]; then
		echo "hostkey $hostkey"
		break
	fi
	echo "halfkey $key"
done
# Two names for one machine, this run of it, are the same here; copies of one machine are not.
for part in /proc/sys/kernel/random/boot_id /proc/sys/kernel/hostname /etc/machine-id; do
	[ ! -r "$part" ] || read -r word <"$part" || word=
	machine="${machine:-} ${word:-}"
done
echo "machine${machine:-}"
listening /proc/net/tcp /proc/net/tcp6
# docker0's address is the kernel's to tell; docker is asked where there is none of that name.
# One df for all places, as it is asked while docker is.
set -- "$(nearest "$home")" "$(nearest /var/lib/docker)" /run
df -P -k "$@" >"$work/bytes" 2>/dev/null || :
df -P -i "$@" >"$work/inodes" 2>/dev/null || :
grep ' ro[ ,]' /proc/mounts >"$work/readonly" || :
exec 3<"$work/bytes" 4<"$work/inodes"
read -r _ <&3 || :
read -r _ <&4 || :
docker_free=
for place in remote docker run; do
	read -r _ _ _ bytes _ mount <&3 || :
	read -r _ all _ files _ <&4 || :
	case ${bytes:-x}${all:-x}${files:-x} in
	# A file system whose name has a blank.
	*[!0-9]*) free=$(free_at "$1") mount=$(mount_of "$1") ;;
	*)
		[ "$all" -ne 0 ] || files=-
		free="$((bytes * 1024)) $files"
		;;
	esac
	if [ "$place" = docker ]; then docker_free=$free; else echo "free $place $free"; fi
	if [ "$place" != docker ] && grep -q -F " $mount " "$work/readonly" && is_read_only "$1"; then echo "readonly $mount"; fi
	shift
done
exec 3<&- 4<&-
# The fields between the options and the dash say with whom a mount is shared.
grep -q '^[0-9]* [0-9]* [0-9:]* [^ ]* / [^-]*\(shared\|master\):' /proc/self/mountinfo && root=shared || root=private
echo "root $root"
# Not what docker says of it: the socket itself, which a service opens as this group.
[ ! -S /run/docker.sock ] || echo "socket-group $(stat -c %g /run/docker.sock)"
gateway=$(ip -4 -o addr show dev docker0 2>/dev/null | sed -n 's/.* inet \([0-9.]*\)\/.*/\1/p' | head -n 1)
if [ -n "$current" ]; then echo "current $current"; fi
manifest=$records/releases/$current/manifest
in_place "$manifest" >"$work/in-place"
echo "digest $({
	current_release
	echo
	cat "$work/in-place"
} | sha256sum | cut -c 1-32)"
grep '^odd ' "$work/in-place" || :
grep -v '^odd ' "$work/in-place" >"$work/files" || :
sed 's/^/file /' "$work/files"
if [ -n "$moves_from" ]; then
	echo "moves-from $moves_from"
elif [ -L "$remote" ]; then
	target=$(readlink "$remote" | head -n 1)
	[ "$target" = "$live" ] || echo "linked $target"
elif [ -z "$current" ] && [ ! -s "$records/placed" ]; then
	# Where nothing of ours is, whatever lies there is somebody's. So many are enough to say so.
	echo "strangers $(find "$remote" ! -type d 2>/dev/null | head -n 1000 | wc -l)"
fi
# The stacks that are deployed to this host, with their folders: `-` is an environment that is not known from here.
sed -n 's|^ExecStart=/bin/sh [^ ]*/boot\.sh \(/[^ ]*\) \([^ ]*\) finish$|stack \2 - \1|p' /etc/systemd/system/provision-*-finish.service 2>/dev/null || :
for other in /var/lib/provision/*/records/current; do
	other=${other%/current}
	if [ "$other" = "$records" ] || ! [ -f "$other/path" ]; then continue; fi
	read -r place <"$other/path" || :
	read -r word <"$other/current" || :
	name=${other%/records}
	environment=$(sed -n "s/^owner${tab}[^$tab]*$tab//p" "$other/releases/$word/manifest" 2>/dev/null)
	echo "stack ${name##*/} ${environment:--} $place"
done
if ! is_old && [ -d "$records/bin" ]; then
	(cd "$records/bin" && find . -type f ! -path "$odd" -exec sha256sum {} +) | sed -n 's|^\([0-9a-f]\{64\}\)  \./|script \1 |p'
fi
for confirmed in "$records/releases"/*/confirmed; do
	[ -f "$confirmed" ] || continue
	release=${confirmed%/confirmed}
	case ${release##*/} in *[!0-9a-f]*) ;; *) echo "kept ${release##*/}" ;; esac
done
[ -z "$current" ] || sed -n "s/^owner$tab\(.*\)$tab/owner \1 /p" "$manifest" 2>/dev/null || :
if [ -n "$current" ] && [ -f "$manifest" ]; then
	manifest_lines "$manifest" file | tr "$tab" ' ' | sort -k 2 >"$work/declared"
	if ! cmp -s "$work/declared" "$work/files"; then
		# What somebody edited, removed or added here since, but for what another release had put here.
		{
			cat "$work/declared"
			placed | sed -n "s/^file$tab\([0-9a-f]*\)$tab/\1 /p"
		} >"$work/ours"
		grep -v -x -F -f "$work/files" "$work/declared" | sed 's/^/declared /'
		grep -v -x -F -f "$work/ours" "$work/files" | sed 's/^[^ ]* /foreign /'
	fi
	# What of the release's own records need not be sent again.
	(cd "$records/releases/$current" && find checks.json release.json units -type f ! -path "$odd" -exec sha256sum {} + 2>/dev/null) |
		sed -n 's/^\([0-9a-f]\{64\}\)  /part \1 /p'
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
[ -f "$work/containers" ] || cat "$work/containers-error" >>"$work/docker-error"
if [ ! -f "$work/networks" ] || [ ! -f "$work/containers" ]; then
	# "Terminated" is what busybox' shell says of the limit.
	echo "docker-error $(sed '/^Terminated$/d' "$work/docker-error" | tr '\n' ' ')"
elif [ -s "$work/docker" ]; then
	read -r version api <"$work/docker"
	echo "docker $version"
	echo "api $api"
else
	echo "docker known"
fi
if [ "$compose_known" = yes ]; then echo "compose known"; elif [ -s "$work/compose" ]; then echo "compose $(cat "$work/compose")"; fi
if [ -f "$work/networks" ]; then sed 's/^/network /' "$work/networks"; fi
# A container's own files tell where docker keeps them; where there is none docker is asked.
docker_root=$(sed -n 's|.*"hostname":"\(/[^"]*\)/containers/[0-9a-f]*/hostname"}$|\1|p' "$work/containers" 2>/dev/null | head -n 1)
if [ -z "$docker_root" ] && [ -f "$work/containers" ]; then
	[ -z "$current" ] || ask_engine
	docker_root=$(head -n 1 "$work/engine" 2>/dev/null || :)
	sed -n '2,$s/^name=\([a-z]*\).*/security \1/p' "$work/engine" 2>/dev/null || :
fi
[ -z "$docker_root" ] || echo "docker-root $docker_root"
if [ -z "$gateway" ] && [ -f "$work/networks" ]; then
	gateway=$(ask_docker network inspect bridge --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' 2>/dev/null | head -n 1)
fi
[ -z "$gateway" ] || echo "gateway $gateway"
case ${docker_root:-/var/lib/docker} in
/var/lib/docker) [ -z "$docker_free" ] || echo "free docker $docker_free" ;;
*) echo "free docker $(free_at "$docker_root")" ;;
esac
if [ -f "$work/containers" ]; then
	sed 's/^/container /' "$work/containers"
	# Docker does not know where a container on the host's own network listens.
	sed -n 's/.*"pid":\([1-9][0-9]*\),"network":"host".*/\1/p' "$work/containers" | while read -r pid; do
		ls -ln "/proc/$pid/fd" >"$work/descriptors" 2>/dev/null || :
		held_by "$pid" <"$work/descriptors"
	done
fi
echo "end"
