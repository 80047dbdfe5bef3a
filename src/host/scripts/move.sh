# Moves a host over from the layout of older versions, and keeps the link at the remote folder. Part of verbs.sh on the
# host. Folders outside of /var/lib/provision may belong to anybody: nothing there is believed, and each step in them is
# one name in a folder that was looked at.
# shellcheck shell=sh disable=SC2154,SC2015,SC2034

# Copies what an older provision left in REMOTE/.provision, which `use` entered, to where it lies now. The containers
# run on from the old folder until they are made anew; that one is tidied up when the activation is over. Whatever stops
# this in the middle leaves the host as it was, until records/format is written.
move_in() {
	new=$home/records
	say output "$remote" "its records and files move to $home"
	for part in releases audit.jsonl log set-aside activation placed current; do
		rm -rf "${new:?}/$part" || return 1
		[ ! -e "./$part" ] || cp -a "./$part" "$new/$part" || return 1
	done
	mkdir -p "$new/releases" "$new/log" || return 1
	mkdir -p "$incoming/moved" || return 1
	if [ -n "$current" ] && [ -d "./releases/$current/units" ]; then cp -R "./releases/$current/units" "$incoming/moved/" || return 1; fi
	# What brings the stack back after a reboot runs from the new place, whichever release runs then.
	for folder in "$new/releases"/*; do
		[ -d "$folder" ] || continue
		rm -rf "$folder/units" && cp -R "$incoming/release/units" "$folder/units" || return 1
	done
	if [ -n "$current" ]; then put_files "$new/releases/$current/files" || return 1; fi
	for script in "$incoming/bin"/*; do cp "$script" "$new/bin/${script##*/}" || return 1; done
	printf '%s\n' "$remote" >"$new/moved-from" && sync && printf '%s\n' "$format" >"$new/format.new" &&
		mv -f "$new/format.new" "$new/format" && sync || return 1
	# From here on an older provision finds a stack that it does not know, and leaves it alone.
	[ ! -e ./current ] || mv -f ./current ./current.moved || :
	cd /
	records=$new live=$home/live lock=$new/lock
}

# Fills the live tree with a release's files, where nothing mounts it yet.
put_files() { # FOLDER
	find "$home/live" -mindepth 1 -delete && (umask 022 && cp -R "$1/." "$home/live/") &&
		find "$home/live" -mindepth 1 -type d -exec chmod 0755 {} + &&
		find "$home/live" -type f -exec chmod 0644 {} +
}

# What is left when an activation is over and its containers run from the live tree: the old folder's rest, the link.
tidy() {
	if [ -f "$records/moved-from" ]; then
		read -r old <"$records/moved-from" || old=
		[ -z "$old" ] || (leave_old "$old") || :
		rm -f "$records/moved-from"
	fi
	# Where the link is; the folder in the inventory may have been changed.
	linked=$(cat "$records/path" 2>/dev/null) || linked=
	if [ -n "$linked" ] && [ "$linked" != "$remote" ]; then (drop_link "$linked") || :; fi
	[ "$linked" = "$remote" ] || printf '%s\n' "$remote" >"$records/path" || :
	(make_link) || :
}

# Enters the folder at PATH itself, if nobody put a link there.
enter() { # PATH [make]
	enter_parent "$1/." "${2:-}"
}

# Removes from the folder of the older layout what provision placed there and nobody changed since, and its records.
leave_old() { # PATH
	enter "$1" || { say output "$1" "was not tidied up: $astray"; return 0; }
	{
		placed | sed -n "s/^file$tab//p"
		for manifest in "$records/releases"/*/manifest; do
			[ ! -f "$manifest" ] || manifest_lines "$manifest" file
		done
	} | sort -u >"$control/placed"
	while IFS=$tab read -r digest path; do
		(
			enter_parent "$1/$path" && name=${path##*/} && [ -f "./$name" ] && [ ! -L "./$name" ] || exit 0
			# With a limit: whoever owns the folder may have put a pipe there meanwhile.
			[ "$(limited 60 sha256sum "./$name" 2>/dev/null | cut -c 1-64)" != "$digest" ] || rm -f "./$name"
		)
	done <"$control/placed"
	# Folders that are empty now, the deepest first.
	sed "s/^[^$tab]*$tab//; /\//!d; s|/[^/]*\$||" "$control/placed" | while IFS= read -r folder; do
		while :; do
			printf '%s\n' "$folder"
			case $folder in */*) folder=${folder%/*} ;; *) break ;; esac
		done
	done | sort -u -r | while IFS= read -r folder; do
		(enter_parent "$1/$folder" && rmdir "./${folder##*/}" 2>/dev/null) || :
	done
	if enter "$1/.provision" && is_roots "$(stat -c '%u %g %a' .)"; then
		rm -rf ./releases ./audit.jsonl ./log ./set-aside ./activation ./current ./current.moved ./placed ./bin ./lock ./incoming.*
	fi
	(enter "$1" && rmdir ./.provision 2>/dev/null) || :
	if (enter_parent "$1" && rmdir "./${1##*/}" 2>/dev/null); then return 0; fi
	enter "$1" || return 0
	find . -mindepth 1 ! -type d 2>/dev/null | head -n 20 | sed 's|^\./||' | while IFS= read -r path; do
		say output "$1" "$path was not placed by provision, or was edited: it stays there"
	done
}

# Makes the link for people at the remote folder, where there is nothing else.
make_link() {
	enter_parent "$remote" make || { say output "$remote" "no link to $live was made there: $astray"; return 0; }
	name=${remote##*/}
	if [ -L "./$name" ]; then
		[ "$(readlink "./$name")" != "$live" ] || return 0
		say output "$remote" "is a link that provision did not make: it stays. The files are in $live"
		return 0
	fi
	# An empty folder is in nobody's use.
	rmdir "./$name" 2>/dev/null || :
	if [ -e "./$name" ] || ! ln -s -T "$live" "./$name" 2>/dev/null; then
		say output "$remote" "is in use by something else, so no link was made there. The files are in $live"
		return 0
	fi
}

# Removes a link that was made here, and nothing else.
drop_link() { # PATH
	enter_parent "$1" || return 0
	name=${1##*/}
	if [ -L "./$name" ] && [ "$(readlink "./$name")" = "$live" ]; then rm -f "./$name"; fi
}
