# Run by the two units at boot, and after a supervisor that was killed. Arguments: REMOTE PROJECT unseal|finish|mend|retry.
# `mend` is tried once, `retry` is what follows when it fails: the same again until it succeeds.
# shellcheck shell=sh disable=SC1091,SC2154,SC2034
here=$(dirname "$0")
. "$here/lib.sh"
. "$here/unseal-lib.sh"
. "$here/verbs.sh"
use "$1" "$2"
# What was not moved over yet is for that one's own units.
if is_old; then exit 0; fi
# After a supervisor that did its work there is nothing to mend.
mode=$3
case $mode in mend | retry) [ -d "$records/activation" ] || exit 0 ;; esac
mkdir -p "$control"
log=$control/log.boot
: >"$log"
nonce=boot pull=600
current=$(current_release)

# What keeps the stack from being up, in one line for `status`; systemd tries again.
waits() { # TEXT
	printf '%s\n' "$1" | tr '\t\n\r' '   ' | cut -b 1-500 >"$control/waiting.new"
	mv -f "$control/waiting.new" "$control/waiting"
	echo "provision: $1" >&2
	# Docker may be down for longer: a unit of its own tries again, as the one of a boot does.
	if [ "$mode" = mend ] && [ -d /run/systemd/system ]; then
		systemd-run --quiet --collect --unit="provision-$project-mend" --setenv=HOME=/root -p Restart=on-failure -p RestartSec=5 \
			-p StartLimitIntervalSec=0 /bin/sh "$0" "$remote" "$project" retry 9>&- || :
	fi
	exit 1
}

if [ "$3" = unseal ]; then
	[ -n "$current" ] || exit 0
	unseal "$records/releases/$current" || waits "the secrets cannot be unsealed: $unseal_error"
	exit 0
fi

exec 9>"$lock"
flock 9
rm -f "$control/holder.nonce"
current=$(current_release)
printf 'process %s, the host itself (%s), since %s\n' "$$" "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$control/holder"
trap 'rm -f "$control/holder"' EXIT
sweep_incoming ''
if [ -d "$records/activation" ] && [ "$(cat "$records/activation/id")" = "$current" ] &&
	[ "$(cat "$records/activation/from")" != "$current" ]; then
	# It was confirmed, and only the journal was still to go.
	end_journal
fi
if [ -d "$records/activation" ]; then
	# The host went down in the middle of an activation: it ends it by its way back.
	id=$(cat "$records/activation/id")
	begun_up=$(uptime_seconds) actor="{\"user\":\"the host itself\",\"command\":\"$3\"}"
	release=${current:-$id}
	manifest=$records/releases/$release/manifest
	old_manifest=$records/releases/$id/manifest
	rm -rf "$records/incoming.$(cat "$records/activation/nonce")"
	reason="the host or its supervisor stopped in the middle of it"
	if ! carry_back "$current"; then
		tail -n 3 "$log" >&2
		waits "the way back of a release that was interrupted failed: $(tail -n 1 "$log")"
	fi
	end_journal
	sweep || :
	[ -z "$current" ] || tidy
	audit returned
	rm -f "$control/waiting"
	exit 0
fi
if [ "$mode" != finish ] || [ -z "$current" ]; then exit 0; fi
release=$current
manifest=$records/releases/$current/manifest
if ! is_unsealed "$manifest"; then
	# The other unit knows why.
	[ -f "$control/waiting" ] || waits "the secrets are not unsealed yet"
	echo "provision: the secrets are not unsealed yet" >&2
	exit 1
fi
compose up -d --pull never >"$control/up" 2>&1 || {
	cat "$control/up" >&2
	waits "the containers do not start: $(tail -n 1 "$control/up")"
}
rm -f "$control/waiting"
