# Run by the two units at boot. Arguments: REMOTE PROJECT unseal|finish.
# shellcheck shell=sh disable=SC1091,SC2154,SC2034
here=$(dirname "$0")
. "$here/lib.sh"
. "$here/unseal-lib.sh"
. "$here/verbs.sh"
use "$1" "$2"
mkdir -p "$control"
log=$control/log.boot
nonce=boot pull=600
current=$(current_release)

if [ "$3" = unseal ]; then
	[ -n "$current" ] || exit 0
	unseal "$records/releases/$current" || {
		echo "provision: $unseal_error" >&2
		exit 1
	}
	exit 0
fi

exec 9>"$lock"
flock 9
if [ -d "$records/activation" ]; then
	# The host went down in the middle of an activation: it ends it by its way back.
	id=$(cat "$records/activation/id")
	release=${current:-$id}
	manifest=$records/releases/$release/manifest
	old_manifest=$records/releases/$id/manifest
	if ! carry_out "$records/activation/back"; then
		tail -n 3 "$log" >&2
		exit 1
	fi
	rm -rf "$records/activation"
	exit 0
fi
[ -n "$current" ] || exit 0
release=$current
manifest=$records/releases/$current/manifest
is_unsealed "$manifest" || {
	echo "provision: the secrets are not unsealed yet" >&2
	exit 1
}
compose up -d --pull never
