# Run by the two units at boot, and after a supervisor that was killed. Arguments: REMOTE PROJECT unseal|finish|mend.
# shellcheck shell=sh disable=SC1091,SC2154,SC2034
here=$(dirname "$0")
. "$here/lib.sh"
. "$here/unseal-lib.sh"
. "$here/verbs.sh"
use "$1" "$2"
# After a supervisor that did its work there is nothing to mend.
if [ "$3" = mend ] && [ ! -d "$records/activation" ]; then exit 0; fi
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
printf 'process %s, the host itself (%s), since %s\n' "$$" "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$control/holder"
trap 'rm -f "$control/holder"' EXIT
find "$records" -maxdepth 1 -name 'incoming.*' -mmin +60 -exec rm -rf {} +
if [ -d "$records/activation" ] && [ "$(cat "$records/activation/id")" = "$current" ] &&
	[ "$(cat "$records/activation/from")" != "$current" ]; then
	# It was confirmed, and only the journal was still to go.
	end_journal
fi
if [ -d "$records/activation" ]; then
	# The host went down in the middle of an activation: it ends it by its way back.
	id=$(cat "$records/activation/id")
	begun=$(date +%s) actor="{\"user\":\"the host itself\",\"command\":\"$3\"}"
	release=${current:-$id}
	manifest=$records/releases/$release/manifest
	old_manifest=$records/releases/$id/manifest
	rm -rf "$records/incoming.$(cat "$records/activation/nonce")"
	if ! carry_back "$current"; then
		tail -n 3 "$log" >&2
		waits "the way back of a release that was interrupted failed: $(tail -n 1 "$log")"
	fi
	end_journal
	sweep || :
	audit returned
	exit 0
fi
if [ "$3" = mend ] || [ -z "$current" ]; then exit 0; fi
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
