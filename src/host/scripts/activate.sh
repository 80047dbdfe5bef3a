# Carries an activation out, detached from any connection, and goes back unless it is confirmed.
# Arguments: REMOTE PROJECT ID NONCE BOUND CONFIRM PULL KEEP ACTOR
# shellcheck shell=sh disable=SC1091,SC2154,SC2034,SC2015
here=$(dirname "$0")
. "$here/lib.sh"
. "$here/unseal-lib.sh"
. "$here/verbs.sh"
log=/run/provision/$2.control/log.$4
# Whoever owns the folder of the older layout may have exchanged it since the probe.
# shellcheck disable=SC2317 # `use` calls it
refuse_layout() {
	say error layout "its folders cannot be used: $*"
	say outcome refused
	exit 0
}
use "$1" "$2"
id=$3 nonce=$4 bound=$5 confirm=$6 pull=$7 keep=$8 actor=$9
# A host of the older layout is moved over below; until then its records are read where they are.
incoming=$home/records/incoming.$nonce
begun=$(date +%s) begun_up=$(uptime_seconds)
current=$(current_release)

outcome() { # WORD
	audit "$1"
	rm -rf "$incoming" "$control/receiving.$nonce" "$control/holder" "$control/holder.nonce"
	cp "$log" "$records/log/$id.log" 2>/dev/null || :
	# The lock goes before the word: whoever reads the word may deploy again at once.
	exec 9>&-
	say outcome "$1"
	exit 0
}

exec 9>"$home/records/lock"
# Probes and followers try the lock for an instant. (busybox' flock has no -w.)
tries=0
until flock -n 9; do
	tries=$((tries + 1))
	[ "$tries" -lt 20 ] || break
	sleep 0.1
done
# An older provision locks what it knows.
if [ "$tries" -lt 20 ] && is_old && [ -f "$lock" ]; then
	exec 7<"$lock"
	flock -n 7 || tries=20
fi
if [ "$tries" -ge 20 ]; then
	say error locked "$(cat "$control/holder" 2>/dev/null || echo unknown)"
	rm -rf "$incoming"
	say outcome locked
	exit 0
fi
printf 'process %s, release %s, since %s, by %s\n' "$$" "$id" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$actor" >"$control/holder"
printf '%s\n' "$nonce" >"$control/holder.nonce"
say started "$id" "$begun"

if [ "$(state_digest)" != "$bound" ]; then
	say error stale "the host's files changed after it was looked at"
	outcome stale
fi

if is_old; then
	move_in || { say error disk "the records cannot be moved to $home: $(room_at "$home")"; outcome refused; }
	release=$current old_manifest=$incoming/moved/manifest
	if [ -n "$current" ]; then verb_units || outcome refused; fi
fi

# Left by controllers that were cut off while sending.
sweep_incoming "$nonce"
if [ -d "$incoming/bin" ]; then
	for script in "$incoming/bin"/*; do
		if ! cmp -s "$script" "$records/bin/${script##*/}"; then
			{ cp "$script" "$records/bin/.new" && mv -f "$records/bin/.new" "$records/bin/${script##*/}"; } ||
				{ say error disk "cannot write $records/bin: $(room_at "$records")"; outcome refused; }
		fi
	done
fi

# An activation that was interrupted put files here, too. Its release is swept next.
note_placed || { say error disk "cannot write $records: $(room_at "$records")"; outcome refused; }

# What the last activation did not come to sweep.
if [ -n "$current" ] && [ -d "$records/releases/$current" ] && [ ! -f "$records/releases/$current/confirmed" ]; then
	: >"$records/releases/$current/confirmed" || { say error disk "cannot write $records: $(room_at "$records")"; outcome refused; }
fi
sweep || :

# A release that goes back to a kept one takes its files from there.
base=
[ ! -f "$incoming/base" ] || base=$(cat "$incoming/base")

# Makes a text from an old one: `keep FROM TO` are lines of that, `add COUNT` is followed by so many new ones.
apply_delta() { # OLD, the delta on standard input
	while read -r word first last; do
		case $word in
		keep) sed -n "${first},${last}p" "$1" </dev/null || return 1 ;;
		add) while [ "$first" -gt 0 ] && IFS= read -r line; do
			printf '%s\n' "$line" || return 1
			first=$((first - 1))
		done ;;
		*) return 1 ;;
		esac
	done
}

# Puts the release's folder together from what is in place and what was sent, and proves it whole.
assemble() {
	new=$incoming/release
	if [ -d "$incoming/delta" ]; then
		mkdir -p "$new/files"
		(cd "$incoming/delta" && find . -type f) >"$incoming/deltas" || return 1
		while IFS= read -r path; do
			path=${path#./}
			case $path in
			files/*) source=$live/${path#files/} ;;
			*) source=$records/releases/$current/$path ;;
			esac
			mkdir -p "$(dirname "$new/$path")" && apply_delta "$source" <"$incoming/delta/$path" >"$new/$path" || return 1
		done <"$incoming/deltas"
	fi
	manifest_lines "$new/manifest" file >"$incoming/list" || return 1
	mkdir -p "$new/files"
	while IFS=$tab read -r _ path; do
		if [ -f "$new/files/$path" ]; then continue; fi
		source=$live/$path
		[ -z "$base" ] || source=$records/releases/$base/files/$path
		mkdir -p "$(dirname "$new/files/$path")" && cp "$source" "$new/files/$path" || return 1
	done <"$incoming/list"
	sed "s/$tab/  /" "$incoming/list" >"$incoming/sums" || return 1
	(cd "$new/files" && sha256sum -c --status 2>/dev/null) <"$incoming/sums" ||
		(cd "$new/files" && sha256sum -c -s) <"$incoming/sums" || return 1
	from=$records/releases/${base:-$current}
	if [ -n "$base$current" ]; then
		for part in checks.json release.json units; do
			[ -e "$new/$part" ] || [ ! -e "$from/$part" ] || cp -R "$from/$part" "$new/" || return 1
		done
		if [ ! -f "$new/sealed.age" ]; then
			for part in sealed.age sealed.for; do
				[ ! -f "$from/$part" ] || cp "$from/$part" "$new/" || return 1
			done
		fi
	fi
	if [ -n "$base" ] && [ -f "$from/images" ]; then cp "$from/images" "$new/" || return 1; fi
	rm -rf "$records/activation.new"
	mkdir "$records/activation.new" || return 1
	mv "$new/forward" "$new/back" "$records/activation.new/" || return 1
	printf '%s\n' "$id" >"$records/activation.new/id" || return 1
	printf '%s\n' "$current" >"$records/activation.new/from" || return 1
	printf '%s\n' "$nonce" >"$records/activation.new/nonce" || return 1
	# Room for the way back, should the disk fill meanwhile.
	if [ -n "$current" ]; then cp -R "$records/releases/$current/files" "$records/activation.new/reserve" || return 1; fi
	if [ ! -f "$records/releases/$id/confirmed" ]; then
		rm -rf "$records/releases/$id" && mv "$new" "$records/releases/$id" || return 1
	else
		# The current release put right, or a kept one again: its folder stays whatever comes of this.
		(cd "$new" && find . -type d -exec mkdir -p "$records/releases/$id/{}" \; &&
			find . -type f -exec mv -f {} "$records/releases/$id/{}" \;) || return 1
	fi
	note_placed "$records/releases/$id" || return 1
	# From here on an interruption is undone by whoever finds this folder.
	sync
	end_journal && mv "$records/activation.new" "$records/activation"
}

# Nothing of this release was put in place.
unplaced() {
	if [ -n "$current" ]; then
		forget_placed "$records/releases/$current" file && forget_placed "$records/releases/$current" unit || :
	else
		rm -f "$records/placed"
	fi
}

# An activation that was interrupted is ended by this one, so what it left has to be undone whatever comes.
interrupted=no
[ ! -d "$records/activation" ] || interrupted=yes
old_manifest=
if [ -n "$current" ]; then old_manifest=$records/releases/$current/manifest; fi
if ! assemble; then
	say error disk "the release could not be put together: $(room_at "$records")"
	rm -rf "$records/activation.new"
	[ -d "$records/activation" ] || { unplaced && sweep; } || :
	outcome refused
fi
release=$id
manifest=$records/releases/$id/manifest

# Waits for the word of the controller: 0 confirmed, 1 go back.
await_answer() {
	deadline=$(($(uptime_seconds) + confirm))
	say waiting "$confirm"
	hold_images "$id" 9>&- &
	answered=0
	await_word || answered=1
	wait "$!" || :
	return "$answered"
}

await_word() {
	while [ "$(uptime_seconds)" -lt "$deadline" ]; do
		if [ -f "$control/answer.$nonce" ]; then
			read -r answer <"$control/answer.$nonce"
			[ "$answer" = confirm ] && return 0
			told_to_return
			return 1
		fi
		sleep 0.2
	done
	failed unconfirmed "nobody confirmed the release within $confirm s"
}

commit() {
	printf '%s\n' "$id" >"$records/current.new" && sync && mv -f "$records/current.new" "$records/current" ||
		{ failed disk "cannot write $records/current: $(room_at "$records")"; return 1; }
	touch "$records/releases/$id/confirmed" || :
	end_journal
	kept=0
	# shellcheck disable=SC2012 # ids are hex words
	(cd "$records/releases" && ls -t -- */confirmed) | while IFS=/ read -r other _; do
		kept=$((kept + 1))
		if [ "$kept" -gt "$keep" ] && [ "$other" != "$id" ]; then rm -rf "$records/releases/${other:?}"; fi
	done
	sweep || :
}

# After a first deploy nothing stays but its log.
forget() {
	rm -rf "${records:?}/bin" "$records/placed"
	rmdir "$records/releases" "$records/set-aside" "$live" 2>/dev/null || :
}

refused=no
restore_images "$id"
if carry_out "$records/activation/forward" forward && await_answer && commit; then
	tidy
	outcome deployed
fi

if [ "$refused" = yes ] && [ "$interrupted" = no ]; then
	[ -z "$current" ] || restore_images "$current"
	end_journal || outcome stuck
	unplaced
	sweep || :
	[ -n "$current" ] || forget
	outcome refused
fi
say returning "${current:-nothing}"
if [ -n "$current" ]; then
	manifest=$records/releases/$current/manifest
	release=$current
	old_manifest=$records/releases/$id/manifest
fi
if carry_back "$current"; then
	end_journal || :
	sweep || :
	if [ -n "$current" ]; then tidy; else forget; fi
	outcome returned
fi
outcome stuck
