# Tells what a probe does not: ages, memory, kept releases, what boot waits for. Arguments: REMOTE PROJECT.
# "key value" lines between a header with a version and a trailer.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
trap 'exit 1' PIPE HUP TERM
echo "provision-status 1"
echo "now $(date +%s)"
current=$(current_release)
answers=yes
ask_docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || answers=no
if [ -n "$current" ] && [ -f "$records/audit.jsonl" ]; then
	grep -F "\"release\":\"$current\"" "$records/audit.jsonl" | grep -F '"outcome":"deployed"' | tail -n 1 | sed 's/^/deployed /'
fi
for confirmed in "$records/releases"/*/confirmed; do
	[ -f "$confirmed" ] || continue
	release=${confirmed%/confirmed}
	echo "kept ${release##*/} $(stat -c %Y "$confirmed")"
	[ -f "$release/images" ] || continue
	while IFS=$tab read -r service id _ image; do
		# One that is not there; an engine that does not answer says nothing of it.
		[ "$answers" = no ] || ask_docker image inspect "$id" >/dev/null 2>&1 || echo "gone ${release##*/} $service $image"
	done <"$release/images"
done
if [ -n "$current" ] && [ -f "$records/releases/$current/manifest" ]; then
	manifest_lines "$records/releases/$current/manifest" service | while IFS=$tab read -r service _ label once _; do
		echo "service $service $label $once"
	done
fi
# What a container's processes have allocated; the page cache, which the kernel takes back at need, does not count.
memory_of() { # PID
	group=$(sed -n 's/^[0-9]*:memory://p' "/proc/$1/cgroup" 2>/dev/null) || return 0
	if [ -n "$group" ]; then
		sed -n 's/^total_rss //p' "/sys/fs/cgroup/memory$group/memory.stat" 2>/dev/null || :
	else
		group=$(sed -n 's/^0:://p' "/proc/$1/cgroup" 2>/dev/null) || return 0
		sed -n 's/^anon //p' "/sys/fs/cgroup$group/memory.stat" 2>/dev/null || :
	fi
}
[ "$answers" = no ] || ask_docker ps -q --no-trunc --filter "label=com.docker.compose.project=$project" 2>/dev/null |
	limited 20 xargs -r docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Pid}} {{.State.StartedAt}}' 2>/dev/null |
	while read -r service pid started; do
		echo "started $service $started"
		bytes=$(memory_of "$pid")
		[ -z "$bytes" ] || echo "memory $service $bytes"
	done
if [ -d /run/systemd/system ]; then
	for name in unseal finish; do
		unit=provision-$project-$name.service
		[ -f "/etc/systemd/system/$unit" ] || continue
		active=$(systemctl show -p ActiveState --value "$unit")
		words=
		[ "$active" = active ] || [ "$active" = inactive ] || words=$(cat "$control/waiting" 2>/dev/null || journalctl -q -b -u "$unit" -o cat -n 20 --no-pager 2>/dev/null | grep -v '^Start\|^Fail\|provision-.*service' | tail -n 1)
		echo "unit $name $active $words"
	done
fi
echo "records $(du -sk "$records" 2>/dev/null | cut -f 1)"
echo "end"
