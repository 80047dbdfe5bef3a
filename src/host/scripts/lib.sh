# What all scripts share. Sourced, or put in front of a script that is sent by itself.
# POSIX sh, for dash and busybox. No value is ever pasted into script text: values come as arguments or files.
# shellcheck shell=sh disable=SC2034,SC2154
set -eu
umask 077
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
tab=$(printf '\t')

# Who is not root sees less than there is: what may not be read would look as if it were not there.
need_root() {
	[ "$(id -u)" -eq 0 ] || {
		echo "the login is $(id -un 2>/dev/null || id -u), which is not root" >&2
		exit 91
	}
}

# Seconds since the host started: a clock that somebody sets moves no deadline.
uptime_seconds() {
	read -r seconds _ </proc/uptime
	echo "${seconds%%.*}"
}

# Docker may be stopped or stuck, and would then be waited for without end: each question has a limit in seconds.
# coreutils' timeout ends with 124, busybox' with 143.
limited() { # SECONDS COMMAND...
	limit=$1
	shift
	asked=0
	timeout "$limit" "$@" || asked=$?
	case $asked in
	124 | 143)
		[ "$1" != xargs ] || shift
		echo "\`$1 $2\` did not answer within $limit s" >&2
		;;
	esac
	return "$asked"
}
ask_docker() { limited 20 docker "$@"; }
# The same for each line of standard input.
ask_docker_each() { limited 20 xargs docker "$@"; }

# The folder where PATH is, or would be made.
nearest() { # PATH
	where=$1
	while [ ! -d "$where" ]; do where=$(dirname "$where"); done
	printf '%s\n' "$where"
}

# Where a file system that holds PATH is mounted.
mount_of() { # PATH
	df -P -k "$(nearest "$1")" 2>/dev/null | sed -n '$s/^.* [0-9-]*%*  *\(\/.*\)$/\1/p'
}

# Whether nothing can be written below PATH, whoever asks. (busybox' `test -w` says yes to root without looking.)
is_read_only() { # PATH
	options=$(grep -F " $(mount_of "$1") " /proc/mounts | tail -n 1 | cut -d ' ' -f 4)
	case ,$options, in *,ro,*) return 0 ;; esac
	return 1
}

# What is free where PATH is: bytes, and files that can still be made; `-` where there is no such limit.
free_at() { # PATH
	where=$(nearest "$1")
	bytes=$(df -P -k "$where" 2>/dev/null | sed -n '$s/^.* \([0-9][0-9]*\)  *[0-9-]*%*  *\/.*$/\1/p')
	files=$(df -P -i "$where" 2>/dev/null | sed -n '$s/^.* \([0-9][0-9]*\)  *[0-9][0-9]*  *\([0-9][0-9]*\)  *[0-9-]*%*  *\/.*$/\1 \2/p')
	case $files in '' | '0 '*) files=- ;; *) files=${files#* } ;; esac
	echo "$((${bytes:-0} * 1024)) $files"
}

# Why nothing can be written at PATH, in words.
room_at() { # PATH
	if is_read_only "$1"; then
		echo "$(mount_of "$1") is mounted read-only"
		return
	fi
	free_at "$1" | {
		read -r bytes files
		[ "$files" != - ] || files='any number of'
		echo "$(mount_of "$1") has $((bytes / 1048576)) MB free, and room for $files new files"
	}
}

# Releases that were arriving when their connection, or the power, was cut. Whoever receives one holds a lock in /run,
# which no power loss outlives.
sweep_incoming() { # NONCE of the own one, or nothing
	for folder in "$records"/incoming.*; do
		word=${folder##*/incoming.}
		if [ ! -d "$folder" ] || [ "$word" = "$1" ]; then continue; fi
		receiving=$control/receiving.$word
		if [ -f "$receiving" ] && ! flock -n "$receiving" true; then continue; fi
		rm -rf "$folder" "$receiving"
	done
}

current_release() {
	if [ -f "$records/current" ]; then cat "$records/current"; fi
}

# Lines of KIND in a manifest, without the word itself.
manifest_lines() { # MANIFEST KIND
	sed -n "s/^$2$tab//p" "$1"
}

# The same of lines that are about NAME, without the name. Names may have a dot, so this is no pattern.
manifest_lines_of() { # MANIFEST KIND NAME
	while IFS= read -r line; do
		case $line in "$2$tab$3$tab"*) printf '%s\n' "${line#"$2$tab$3$tab"}" ;; esac
	done <"$1"
}

# What provision put on this host, by exact name: "file DIGEST PATH" and "unit NAME", tab-separated. What is not in this
# list is never changed or removed, but for what lies in a folder that a service mounts as its configuration.
placed() {
	if [ -f "$records/placed" ]; then
		cat "$records/placed"
		return
	fi
	# An older provision kept no such list.
	placed_by "$records/releases/$(current_release)"
	[ ! -f "$records/activation/id" ] || placed_by "$records/releases/$(cat "$records/activation/id")"
}

placed_by() { # FOLDER-OF-A-RELEASE
	if [ -f "$1/manifest" ]; then grep "^file$tab" "$1/manifest" || :; fi
	for unit in "$1/units"/*; do
		[ ! -f "$unit" ] || printf 'unit\t%s\n' "${unit##*/}"
	done
}

# The paths in it, each once.
placed_paths() { placed | sed -n "s/^file${tab}[^$tab]*$tab//p" | sort -u; }

# Names that no line can hold, or that programs print in another way: with control characters or a backslash.
odd='*[[:cntrl:]\\]*'

# Runs find over what is looked at in the live tree: the files that provision put there, by their names, and the
# folders that services mount as their configuration.
find_placed() { # MANIFEST EXPRESSION...
	(
		folders=
		[ ! -f "$1" ] || folders=$(manifest_lines "$1" folder)
		shift
		cd "$live" 2>/dev/null || exit 0
		# Each but those that lie in such a folder: a tab and the folder's name with a slash are only at a path's beginning.
		begins=$(printf '%s\n' "$folders" | sed "s|^..*\$|$tab&/|")
		while IFS= read -r path; do
			[ -z "$path" ] || set -- "./$path" "$@"
		done <<-END
			$folders
			$(placed | grep "^file$tab" | { if [ -n "$folders" ]; then grep -v -F -e "$begins"; else cat; fi; } | cut -f 3 | sort -u)
		END
		case $1 in ./*) find "$@" 2>/dev/null || : ;; esac
	)
}

# What lies there: "DIGEST PATH", sorted. A name that no line can hold, and what is no file, is "odd DIGEST NAME", the
# name in hex digits, the digest `-` where there is none.
in_place() { # MANIFEST
	# shellcheck disable=SC2016 # that shell's own values
	find_placed "$1" -type f ! -path "$odd" -exec sha256sum {} + -o ! -type d -exec sh -c '
		for path; do
			digest=-
			if [ -f "$path" ] && [ ! -h "$path" ]; then digest=$(sha256sum <"$path" | cut -c 1-64); fi
			printf "odd %s %s\n" "$digest" "$(printf %s "${path#./}" | od -A n -v -t x1 | tr -d " \n")"
		done' sh {} + |
		sed -n 's|^\([0-9a-f]\{64\}\)  \./|\1 |p; /^odd /p' | sort -k 2
}

# What a plan is bound to: the current release and what is in place of it. Half of a SHA-256, as it is sent back.
state_digest() {
	{
		current_release
		echo
		in_place "$records/releases/$(current_release)/manifest"
	} | sha256sum | cut -c 1-32
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
