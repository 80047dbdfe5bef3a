# What all scripts share. Sourced, or put in front of a script that is sent by itself.
# POSIX sh, for dash and busybox. No value is ever pasted into script text: values come as arguments or files.
# shellcheck shell=sh disable=SC2034
set -eu
umask 077
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
tab=$(printf '\t')

# use REMOTE PROJECT: sets the places that everything else works with.
use() {
	remote=$1
	project=$2
	records=$remote/.provision
	run=/run/provision/$project
	# Live records are in tmpfs too: a full disk must not keep a supervisor from saying so.
	control=/run/provision/$project.control
	lock=$records/lock
}

# Files in the remote folder, our records aside: "DIGEST PATH", sorted.
files_in_place() {
	[ -d "$remote" ] || return 0
	(cd "$remote" && find . -path ./.provision -prune -o -type f -exec sha256sum {} +) |
		sed -n 's|^\([0-9a-f]\{64\}\)  \./|\1 |p' | sort -k 2
}

current_release() {
	if [ -f "$records/current" ]; then cat "$records/current"; fi
}

# What a plan is bound to: the current release and every file in place. Half of a SHA-256, as it is sent back.
state_digest() {
	{
		current_release
		echo
		files_in_place
	} | sha256sum | cut -c 1-32
}

# Lines of KIND in a manifest, without the word itself.
manifest_lines() { # MANIFEST KIND
	sed -n "s/^$2$tab//p" "$1"
}

# Takes the journal away: by one rename first, so that an interruption leaves all of it or none.
end_journal() {
	rm -rf "$records/activation.gone"
	if [ -d "$records/activation" ]; then mv "$records/activation" "$records/activation.gone" || return 1; fi
	rm -rf "$records/activation.gone"
}

# Whether every secret file that a manifest names is in tmpfs.
is_unsealed() { # MANIFEST
	manifest_lines "$1" secret | {
		while IFS=$tab read -r service file _; do
			[ -f "$run/$service/$file" ] || exit 1
		done
	}
}
