# Where everything lies on the host: with src/host/layout.rs the one place that says so. Part of lib.sh.
#
#   /var/lib/provision/PROJECT/records/   root's alone: all that root executes or believes
#   /var/lib/provision/PROJECT/live/      the files that services mount: root's, `remote.group` may read
#   REMOTE                                a link to live, for people: root makes it, and never goes through it
# shellcheck shell=sh disable=SC2034,SC2154

# The version of this layout, in records/format. Format 1 had its records in REMOTE/.provision, and wrote no version.
format=2

# Ends with 93 and a line that src/host/scripts.rs makes an error of.
refuse_layout() { # WORDS
	echo "layout $*" >&2
	exit 93
}

# Sets the places that everything else works with. Where an older provision deployed and nothing was moved yet,
# `records` is that one's folder, entered and named by this process's working directory, so that nobody can put another
# one into its place; what is in place is then what its release has, since the folder above may belong to anybody.
use() { # REMOTE PROJECT
	need_root
	remote=$1
	project=$2
	home=/var/lib/provision/$project
	records=$home/records
	live=$home/live
	run=/run/provision/$project
	# Live records are in tmpfs too: a full disk must not keep a supervisor from saying so.
	control=/run/provision/$project.control
	moves_from=
	need_sound
	if [ -f "$records/format" ]; then
		read -r found <"$records/format" || :
		case $found in *[!0-9]* | '') found=0 ;; esac
		[ "$found" -le "$format" ] || refuse_layout newer "$found"
		if [ -f "$records/moved-from" ]; then read -r moves_from <"$records/moved-from"; fi
	elif [ -d "$remote/.provision" ] && [ ! -L "$remote" ]; then
		enter_old "$remote"
		records=/proc/$$/cwd
		live=$records/releases/$(current_release)/files
		moves_from=$remote
	fi
	lock=$records/lock
}

# Whether the older layout still holds: nothing may be written then.
is_old() { [ "$records" = "/proc/$$/cwd" ]; }

# The records of the older layout become the working directory, if they are root's: who owns the folder above cannot
# have made them so.
enter_old() { # REMOTE
	cd -P "$1/.provision" 2>/dev/null || refuse_layout gone "$1/.provision"
	[ "$(pwd -P)" = "$1/.provision" ] || refuse_layout linked "$1" "$(pwd -P)"
	own=$(stat -c '%u %g %a' .)
	is_roots "$own" || refuse_layout unsound "${own%% *}" "${own##* }" "$1/.provision"
}

# Whether root alone may write: an owner, a group and a mode as stat prints them.
is_roots() { # "UID GID MODE"
	case $1 in
	'0 '*[0145][0145] | '0 0 '*[0145]) return 0 ;;
	esac
	return 1
}

# Nobody but root may be able to replace what root uses: neither the folders themselves nor one above them.
need_sound() {
	set -- / /var /var/lib /var/lib/provision "$home" "$records" "$live" /run /run/provision /etc /etc/systemd /etc/systemd/system
	# Where a folder is a link that root made, what it leads to counts as well.
	real=$(cd -P "$home" 2>/dev/null && pwd -P) || real=$home
	if [ "$real" != "$home" ]; then
		while [ "$real" != / ]; do
			set -- "$@" "$real"
			real=$(dirname "$real")
		done
	fi
	owners=$(stat -L -c '%u %g %a %n' "$@" 2>/dev/null) || :
	while read -r uid gid mode place; do
		[ -z "$uid" ] || is_roots "$uid $gid $mode" || refuse_layout unsound "$uid" "$mode" "$place"
	done <<-END
		$owners
	END
}

# Makes the folder where PATH lies the working directory, without a link on the way, and makes what is missing of it
# with `make`. Whoever owns a folder on the way may exchange it at any time: so each step is one name, and where it
# led to is looked at before the next. Returns 1 with the reason in `astray`. For a subshell.
enter_parent() { # PATH [make]
	cd / || return 1
	way=
	rest=${1#/}
	while :; do
		case $rest in */*) ;; *) break ;; esac
		part=${rest%%/*}
		rest=${rest#*/}
		way=$way/$part
		if [ "${2:-}" = make ] && [ ! -e "./$part" ]; then (umask 022 && mkdir "./$part" 2>/dev/null) || :; fi
		cd -P "./$part" 2>/dev/null || { astray="there is no folder $way"; return 1; }
		[ "$(pwd -P)" = "$way" ] || { astray="$way is a link"; return 1; }
	done
}
