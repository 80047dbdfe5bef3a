# Reads twice what the project's containers use, and how large its volumes are. Arguments: REMOTE PROJECT SECONDS.
# Answers a header, "cpus N", "memory SERVICE BYTES", "cpu SERVICE MICROSECONDS" (of the window), "seconds N.NN",
# "disk VOLUME BYTES", and a trailer.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
work=$(mktemp -d /run/provision-overhead.XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' PIPE HUP TERM
cgroups=/sys/fs/cgroup

ask_docker ps -q --no-trunc --filter "label=com.docker.compose.project=$project" >"$work/ids"
: >"$work/list"
if [ -s "$work/ids" ]; then
	ask_docker_each inspect --format '{{.State.Pid}} {{index .Config.Labels "com.docker.compose.service"}}' <"$work/ids" >"$work/list"
fi

# The folder of a process in a version 1 hierarchy, or in the one of version 2.
folder() { # PID CONTROLLER
	if [ -f "$cgroups/cgroup.controllers" ]; then
		sed -n "s|^0::|$cgroups|p" "/proc/$1/cgroup"
	else
		sed -n "s|^[0-9]*:\([^:]*,\)*$2\(,[^:]*\)*:|$cgroups/$2|p" "/proc/$1/cgroup"
	fi
}
# Microseconds of CPU of each service so far.
cpu() {
	while read -r pid service; do
		if [ -f "$cgroups/cgroup.controllers" ]; then
			used=$(sed -n 's/^usage_usec //p' "$(folder "$pid" cpu)/cpu.stat")
		else
			used=$(($(cat "$(folder "$pid" cpuacct)/cpuacct.usage") / 1000))
		fi
		echo "$service ${used:-0}"
	done <"$work/list"
}
# Centiseconds since the host started.
now() { sed 's/ .*//; s/\.//' /proc/uptime; }

echo "provision-overhead 1"
echo "cpus $(grep -c '^processor' /proc/cpuinfo)"
begun=$(now)
cpu >"$work/first"
while read -r pid service; do
	# Page cache is the host's to take back: it is not counted.
	stat=$(folder "$pid" memory)/memory.stat
	echo "memory $service $(sed -n 's/^anon //p; s/^total_rss //p' "$stat" | head -n 1)"
done <"$work/list"
ask_docker volume ls -q --filter "label=com.docker.compose.project=$project" >"$work/volumes"
while read -r volume; do
	where=$(ask_docker volume inspect --format '{{.Mountpoint}}' "$volume")
	size=$(du -sk "$where" 2>/dev/null | cut -f 1)
	echo "disk $volume $((${size:-0} * 1024))"
done <"$work/volumes"
sleep "$3"
cpu >"$work/second"
ended=$(now)
while read -r service used; do
	before=$(sed -n "s/^$service //p" "$work/first")
	echo "cpu $service $((used - ${before:-$used}))"
done <"$work/second"
echo "seconds $(((ended - begun) / 100)).$(printf %02d $(((ended - begun) % 100)))"
echo "end"
