# Everything that says what the host runs and what was left over, for the fault matrix's stack: sections that begin with
# `== NAME`. Run as root in the VPS.
# shellcheck shell=sh
home=/var/lib/provision/matrix
records=$home/records
live=$home/live

echo '== release'
cat "$records/current" 2>/dev/null

echo '== files'
{
	find "$live" -type f -print
	find /run/provision/matrix -type f 2>/dev/null
	ls /etc/systemd/system/provision-matrix-* 2>/dev/null
} | xargs -r sha256sum | sort -k 2

# What the current release declares, in the same form.
echo '== declared'
sed -n "s|^file	\([^	]*\)	|\1  $live/|p" "$records/releases/$(cat "$records/current")/manifest" 2>/dev/null | sort -k 2

echo '== containers'
docker ps -aq --no-trunc --filter label=com.docker.compose.project=matrix | xargs -r docker inspect --format \
	'{{index .Config.Labels "com.docker.compose.service"}} {{.Name}} {{.Config.Image}} {{.Image}} {{index .Config.Labels "provision.digest"}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' | sort

echo '== started'
docker ps -aq --no-trunc --filter label=com.docker.compose.project=matrix | xargs -r docker inspect --format \
	'{{index .Config.Labels "com.docker.compose.service"}} {{.ID}} {{.State.StartedAt}}' | sort

echo '== left'
if [ -f "$records/lock" ]; then flock -n "$records/lock" true || echo 'the lock is held'; fi
ls -d "$records"/incoming.* "$records"/activation* "$records"/current.new 2>/dev/null
find "$home" -name '*.provision-new'
systemctl list-units --no-legend --plain 'provision-matrix.service'
# `docker exec` and this shell itself have none of these words.
# shellcheck disable=SC2009 # pgrep shows no arguments that are filtered like this
ps -eo pid=,args= | grep -E '[/]opt/koprogo/matrix|[/]var/lib/provision/matrix|[p]rovision-matrix|[d]ocker compose|[d]ocker-compose'

echo '== secrets'
[ -s /dev/shm/matrix-wanted ] || echo 'nobody knows where: the list of them is gone'
grep -rlaF -f /dev/shm/matrix-wanted "$home" /var/lib/docker/containers /var/lib/docker/volumes /etc/systemd /tmp /var/tmp 2>/dev/null

echo '== disk'
du -sk "$records" | cut -f 1
