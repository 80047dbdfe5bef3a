# Takes a release from standard input, starts its activation detached from this connection and follows it.
# Arguments: REMOTE PROJECT GROUP MODE KEEP ID SIZE DIGEST BOUND CONFIRM PULL NONCE ACTOR
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
group=$3 mode=$4 keep=$5 id=$6 size=$7 digest=$8 bound=$9
shift 9
confirm=$1 pull=$2 nonce=$3 actor=$4

refuse() { # WORD TEXT
	printf 'error\t%s\t%s\noutcome\trefused\n' "$1" "$2"
	exit 0
}

# Whatever is found there, what arrives goes to where records lie now.
fresh=no
if is_old; then cd /; elif [ ! -f "$records/format" ]; then fresh=yes; fi
records=$home/records lock=$home/records/lock live=$home/live
mkdir -p "$control" 2>/dev/null || refuse disk "cannot make $control: $(room_at "$control")"
mkdir -p "$records/bin" "$records/releases" "$records/log" "$live" 2>/dev/null || refuse disk "cannot make $records: $(room_at "$home")"
# Whoever may read the live tree must get through to it; what lies beside it is root's alone.
{ chmod 0711 /var/lib/provision "$home" && chmod 0700 "$records"; } || refuse disk "cannot change $home: $(room_at "$home")"
chown "root:$group" "$live" 2>/dev/null || refuse owner "there is no group $group"
chmod "$mode" "$live"
if [ "$fresh" = yes ]; then
	(echo "$format" >"$records/format") 2>/dev/null || refuse disk "cannot write below $records: $(room_at "$records")"
fi
incoming=$records/incoming.$nonce
log=$control/log.$nonce
find "$control" \( -name 'log.*' -o -name 'answer.*' -o -name 'receiving.*' \) -mmin +600 -exec rm -f {} +
# As long as this is held nobody sweeps what arrives. In a subshell first: a redirection that fails ends the shell.
(: >"$control/receiving.$nonce") 2>/dev/null || refuse disk "cannot write below $control: $(room_at "$control")"
exec 8>"$control/receiving.$nonce"
flock -n 8
trap 'rm -rf "$incoming" "$control/receiving.$nonce"' EXIT
# A connection that is cut ends us by a signal, which alone runs no EXIT trap.
trap 'exit 1' PIPE HUP TERM
mkdir -p "$incoming" 2>/dev/null || refuse disk "cannot write below $records: $(room_at "$records")"
cat >"$incoming/tar" 2>/dev/null || refuse disk "the stream could not be written: $(room_at "$records")"
got=$(wc -c <"$incoming/tar")
[ "$got" -eq "$size" ] || refuse stream "$got of $size bytes arrived"
[ "$(sha256sum <"$incoming/tar" | cut -c 1-32)" = "$digest" ] || refuse stream "the digest of the stream is wrong"
tar -x -z -f "$incoming/tar" -C "$incoming" 2>/dev/null ||
	refuse disk "the stream could not be unpacked: $(room_at "$records")"
rm -f "$incoming/tar"
(: >"$log") 2>/dev/null || refuse disk "cannot write below $control: $(room_at "$control")"
trap - EXIT PIPE HUP TERM
# New scripts act from where they were unpacked; under the lock they become the host's.
bin=$records/bin
if [ -d "$incoming/bin" ]; then
	for script in "$records/bin"/*; do
		[ ! -f "$script" ] || [ -f "$incoming/bin/${script##*/}" ] || cp "$script" "$incoming/bin/" || refuse disk "cannot write $incoming"
	done
	bin=$incoming/bin
fi
mend="-/bin/sh $records/bin/boot.sh $remote $project mend"
set -- /bin/sh "$bin/activate.sh" "$remote" "$project" "$id" "$nonce" "$bound" "$confirm" "$pull" "$keep" "$actor"
if [ -d /run/systemd/system ]; then
	# A fixed unit name excludes a second one. systemd-run sets no HOME, and docker looks there for credentials.
	# The unit of the last one may be there for an instant after its last word. A supervisor that is killed is mended.
	tries=0
	until systemd-run --quiet --collect --unit="provision-$project" --setenv=HOME=/root -p "ExecStopPost=$mend" "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ "$tries" -lt 20 ] && { [ ! -f "$lock" ] || flock -n "$lock" true; }; then
			sleep 0.1
			continue
		fi
		rm -rf "$incoming"
		systemctl is-active --quiet "provision-$project" || refuse supervisor "systemd-run could not start the activation"
		printf 'error\tlocked\t%s\noutcome\tlocked\n' "$(cat "$control/holder" 2>/dev/null || echo unknown)"
		exit 0
	done
else
	# busybox' setsid has no -f.
	(HOME=/root setsid "$@" >/dev/null 2>&1 </dev/null &)
fi
# The supervisor says "started" once it holds the lock.
tries=0
while [ ! -s "$log" ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 300 ] || refuse supervisor "the supervisor did not start within 30 s"
	sleep 0.1
done
follow "$log" 0
