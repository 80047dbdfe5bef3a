# The fixed verbs that an activation consists of. Each returns 0 or says why not and returns 1.
# Called below `if`, where the shell ignores `set -e`: so every command is checked by itself.
# shellcheck shell=sh disable=SC2154,SC2015

say() { # KIND TEXT...: one log line, words separated by tabs
	# The first error is why a release does not stay: the audit log names it.
	if [ "$1" = error ] && [ -z "${reason:-}" ]; then reason="$2: $3"; fi
	line=$1
	shift
	for word in "$@"; do line=$line$tab$(printf '%s' "$word" | tr '\t\n\r' '   ' | cut -b 1-2000); done
	printf '%s\n' "$line" >>"$log"
}

say_lines() { # KIND SUBJECT, lines on standard input
	while IFS= read -r text || [ -n "$text" ]; do say "$1" "$2" "$text"; done
}

failed() { # WORD TEXT
	say error "$1" "$2"
	return 1
}

# The lock is closed in every child: one that survives us would keep it.
docker_() { limited 60 docker "$@" 9>&-; }

compose() (
	exec 9>&-
	without_proxies || exit 1
	limited 900 docker compose --ansi never --progress plain -p "$project" --project-directory "$live" \
		-f "$live/$(manifest_lines "$manifest" compose)" -f "$live/docker-compose.provision.yml" "$@"
)

# The docker command hands the proxies of root's own configuration to each container that it makes, where they would
# stand between the stack's containers, whose names the proxy does not know. What a container should have is said in
# its stack. So compose reads a configuration without them; nothing is pulled by it, and so no login is needed.
without_proxies() {
	own=${DOCKER_CONFIG:-${HOME:-/root}/.docker}
	grep -q '"proxies"' "$own/config.json" 2>/dev/null || return 0
	mkdir -p "$control/docker-config" || return 1
	for part in cli-plugins contexts; do
		[ ! -d "$own/$part" ] || ln -sfn "$own/$part" "$control/docker-config/$part" || return 1
	done
	# Where root's commands go to another engine than the usual one, these do too.
	DOCKER_CONTEXT=$(ask_docker context show 2>/dev/null) || DOCKER_CONTEXT=default
	DOCKER_CONFIG=$control/docker-config
	export DOCKER_CONTEXT DOCKER_CONFIG
}

# One line in the audit log, which outlives everything else.
audit() { # OUTCOME
	why=
	if [ "$1" != deployed ] && [ -n "${reason:-}" ]; then
		why=",\"reason\":\"$(printf '%s' "$reason" | tr '\t\n\r' '   ' | tr -d '\001-\037\177' | cut -b 1-500 | sed 's/[\\"]/\\&/g')\""
	fi
	printf '{"time":%s,"release":"%s","from":"%s","outcome":"%s","seconds":%s,"by":%s%s}\n' \
		"$(date +%s)" "$id" "$current" "$1" "$(($(uptime_seconds) - begun_up))" "$actor" "$why" >>"$records/audit.jsonl" 2>/dev/null || :
}

# Releases that were never confirmed are none to go back to. Of logs the last 49 stay: ours becomes the fiftieth.
sweep() {
	kept_id=$(current_release)
	for folder in "$records/releases"/*; do
		if [ ! -d "$folder" ] || [ -f "$folder/confirmed" ] || [ "${folder##*/}" = "$kept_id" ]; then continue; fi
		rm -rf "$folder"
	done
	# shellcheck disable=SC2012 # ids are hex words
	(cd "$records/log" && ls -t | tail -n +50 | while read -r old; do rm -f "$old"; done) 2>/dev/null || :
	drop_tags
}

# Tags of releases that are not kept any more go; docker removes an image with its last tag.
drop_tags() {
	docker_ images --format '{{.Repository}}:{{.Tag}}' --filter "reference=provision.keep/$project/*" >"$control/tags" 2>/dev/null || return 0
	while read -r tag; do
		[ -d "$records/releases/${tag##*:}" ] || docker_ rmi "$tag" >/dev/null 2>&1 || :
	done <"$control/tags"
}

# Keeps the images that a release's containers run from: by a tag, which `docker image prune` respects, and by their
# ids in a file: SERVICE ID DIGEST IMAGE a line. It only prepares a way back, so that it fails is said and no more.
hold_images() { # RELEASE
	held=$records/releases/$1/images
	docker_ ps -aq --no-trunc --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.oneoff=False" |
		docker_each inspect --format "{{index .Config.Labels \"com.docker.compose.service\"}}$tab{{.Image}}$tab{{.Config.Image}}" >"$held.containers" 2>/dev/null || return 0
	cut -f 2 "$held.containers" | sort -u | docker_each image inspect --format "{{.Id}}$tab{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}-{{end}}" >"$held.digests" 2>/dev/null || return 0
	while IFS=$tab read -r service image_id image; do
		digest=$(sed -n "s/^$image_id$tab//p" "$held.digests")
		printf '%s\t%s\t%s\t%s\n' "$service" "$image_id" "${digest:--}" "$image"
		docker_ tag "$image_id" "$(keep_tag "$service" "$1")" >/dev/null 2>&1 || say output "$service" "its image could not be kept by a tag"
	done <"$held.containers" >"$held.new"
	mv -f "$held.new" "$held" 2>/dev/null || :
	rm -f "$held.containers" "$held.digests"
}

docker_each() { limited 60 xargs docker "$@" 9>&-; }

keep_tag() { printf 'provision.keep/%s/%s:%s' "$project" "$(printf %s "$1" | tr '[:upper:]' '[:lower:]')" "$2"; } # SERVICE RELEASE

# A tag that was moved or removed since a release ran is put back to the image that it ran.
restore_images() { # RELEASE
	[ -f "$records/releases/$1/images" ] || return 0
	while IFS=$tab read -r _ image_id _ image; do
		case $image in *@*) continue ;; esac
		have=$(docker_ image inspect -f '{{.Id}}' "$image" 2>/dev/null) || have=
		if [ "$have" = "$image_id" ]; then continue; fi
		if docker_ tag "$image_id" "$image" 2>/dev/null; then
			say output "$image" "its tag names the image of release $1 again"
		else
			say output "$image" "the image that release $1 ran is gone"
		fi
	done <"$records/releases/$1/images"
}

verb_pull() { # IMAGE
	if docker_ image inspect "$1" >/dev/null 2>&1; then return 0; fi
	say progress "$1" pulling
	if ! timeout "$pull" docker pull "$1" >"$control/pull" 2>&1 9>&-; then
		say_lines output "$1" <"$control/pull"
		failed pull "$1: $(tail -n 1 "$control/pull")"
		return 1
	fi
	say progress "$1" pulled
}

# Adds what releases put on this host to the list of what provision placed. Where nothing is added nothing is written:
# the way back needs no room.
note_placed() { # FOLDER-OF-A-RELEASE...
	{
		placed
		for folder in "$@"; do [ -z "$folder" ] || placed_by "$folder"; done
	} | sort -u >"$control/placed.new"
	keep_placed
}

# Leaves of the list of KIND only what a release has.
forget_placed() { # FOLDER-OF-A-RELEASE KIND
	{
		placed | grep -v "^$2$tab" || :
		placed_by "$1" | grep "^$2$tab" || :
	} | sort -u >"$control/placed.new"
	keep_placed
}

keep_placed() {
	cmp -s "$control/placed.new" "$records/placed" ||
		{ cp "$control/placed.new" "$records/placed.new" && mv -f "$records/placed.new" "$records/placed"; }
}

is_plain_file() { [ -f "$1" ] && [ ! -h "$1" ]; }

# What is in place and was not put there by provision is somebody's work: it is kept.
set_aside() { # PATH
	kept=$records/set-aside/$nonce/$1
	if ! is_plain_file "$live/$1"; then
		mkdir -p "${kept%/*}" && mv -f "$live/$1" "$kept" && say output "$1" "was put in the place of a file here; it is kept as $kept"
		return
	fi
	digest=$(sha256sum <"$live/$1" | cut -c 1-64)
	if placed | grep -q -x -F "file$tab$digest$tab$1"; then return 0; fi
	# Without room for a copy it is moved: whoever calls us replaces or removes it anyway.
	mkdir -p "${kept%/*}" && { cp "$live/$1" "$kept" 2>/dev/null || mv -f "$live/$1" "$kept"; } && say output "$1" "was edited here; the edited file is kept as $kept"
}

# Removes a file in the live tree, and the folders above it that are empty then.
take_away() { # PATH
	set_aside "$1" && rm -f "$live/$1" || return 1
	case $1 in */*) (cd "$live" && rmdir -p -- "${1%/*}" 2>/dev/null) || : ;; esac
}

# The same of what no line can name.
take_odd_away() {
	aside=$records/set-aside/$nonce
	# shellcheck disable=SC2016 # that shell's own values
	find_placed "$manifest" ! -type d \( -path "$odd" -o ! -type f \) -exec sh -c '
		aside=$1
		shift
		for path; do mkdir -p "$aside/${path%/*}" && mv -f "$path" "$aside/$path" || exit 1; done' sh "$aside" {} + >/dev/null
	if find_placed "$manifest" ! -type d \( -path "$odd" -o ! -type f \) | grep -q .; then return 1; fi
	say output "$1" "files that were put here by hand are kept in $aside: what is no file, or has a name that cannot be shown"
}

verb_place() { # RELEASE
	source=$records/releases/$1/files
	manifest_lines "$manifest" file >"$control/files" || return 1
	note_placed "$records/releases/$1" "${old_manifest%/manifest}" || { failed disk "cannot write $records: $(room_at "$records")"; return 1; }
	placed_paths >"$control/placed-paths"
	while IFS=$tab read -r _ path; do
		if is_plain_file "$live/$path" && cmp -s "$source/$path" "$live/$path" 2>/dev/null; then continue; fi
		if [ -e "$live/$path" ] || [ -h "$live/$path" ]; then set_aside "$path" || return 1; fi
		# Rename inside the folder: who mounted the folder sees the old file or the new one, never a half.
		(umask 022 && mkdir -p "$(dirname "$live/$path")" && cp "$source/$path" "$live/$path.provision-new" 2>/dev/null) &&
			chmod 0644 "$live/$path.provision-new" && mv -fT "$live/$path.provision-new" "$live/$path" || {
			rm -f "$live/$path.provision-new"
			failed disk "cannot write $live/$path: $(room_at "$live/$path")"
			return 1
		}
	done <"$control/files"
	# Ours, from a placing that was interrupted.
	while IFS= read -r path; do
		[ ! -e "$live/$path.provision-new" ] || rm -f "$live/$path.provision-new"
	done <"$control/placed-paths"
	# What this release does not have: of what provision put here, and of what lies in its services' configuration.
	in_place "$manifest" >"$control/in-place" || return 1
	cut -f 2 "$control/files" >"$control/paths"
	sed -n 's/^[0-9a-f]\{64\} //p' "$control/in-place" | grep -v -x -F -f "$control/paths" >"$control/to-go" || :
	while IFS= read -r path; do
		take_away "$path" || { failed disk "cannot remove $live/$path"; return 1; }
	done <"$control/to-go"
	if grep -q '^odd ' "$control/in-place"; then
		take_odd_away "$live" || { failed disk "cannot put away what lies in $live"; return 1; }
	fi
	forget_placed "$records/releases/$1" file || :
}

verb_unseal() { # RELEASE
	unseal "$records/releases/$1" || { failed unseal "$unseal_error"; return 1; }
	rm -f "$control/waiting"
}

verb_units() {
	[ -d /run/systemd/system ] || return 0
	changed=no
	for unit in "$records/releases/$release/units"/*; do
		[ -f "$unit" ] || continue
		name=${unit##*/}
		if cmp -s "$unit" "/etc/systemd/system/$name" && [ -e "/etc/systemd/system/multi-user.target.wants/$name" ]; then continue; fi
		keep_unit "$name" || { failed disk "cannot write $records: $(room_at "$records")"; return 1; }
		cp "$unit" "/etc/systemd/system/.$name.new" && chmod 0644 "/etc/systemd/system/.$name.new" &&
			mv -f "/etc/systemd/system/.$name.new" "/etc/systemd/system/$name" ||
			{ failed units "cannot write /etc/systemd/system/$name"; return 1; }
		changed=yes
	done
	placed | sed -n "s/^unit$tab//p" >"$control/units"
	while IFS= read -r name; do
		[ -f "$records/releases/$release/units/$name" ] || { remove_unit "$name" && changed=yes; }
	done <"$control/units"
	if [ "$changed" = no ]; then return 0; fi
	systemctl daemon-reload 9>&- || { failed units "systemctl daemon-reload failed"; return 1; }
	for unit in "$records/releases/$release/units"/*; do
		systemctl enable --quiet "${unit##*/}" 9>&- 2>/dev/null || { failed units "cannot enable ${unit##*/}"; return 1; }
	done
	forget_placed "$records/releases/$release" unit || :
}

# A unit in place that is no release's is somebody's work.
keep_unit() { # NAME
	[ -e "/etc/systemd/system/$1" ] || return 0
	for folder in "$records/releases/$release" "${old_manifest%/manifest}"; do
		if cmp -s "/etc/systemd/system/$1" "$folder/units/$1"; then return 0; fi
	done
	mkdir -p "$records/set-aside/$nonce" && cp "/etc/systemd/system/$1" "$records/set-aside/$nonce/$1" &&
		say output "$1" "was edited here; the edited unit is kept as $records/set-aside/$nonce/$1"
}

# By its exact name: another project's may begin with the same words.
remove_unit() { # NAME
	systemctl disable --quiet "$1" 9>&- 2>/dev/null || :
	rm -f "/etc/systemd/system/$1"
}

own_containers() { # prints ID STATE NAME SERVICE STATUS, tab-separated
	docker_ ps -a --no-trunc --filter "label=com.docker.compose.project=$project" \
		--format "{{.ID}}$tab{{.State}}$tab{{.Names}}$tab{{.Label \"com.docker.compose.service\"}}$tab{{.Status}}"
}

# A killed or failed `up` leaves created and misnamed containers, over which the next one stumbles.
clean_half_made() {
	own_containers >"$control/containers" || return 1
	while IFS=$tab read -r container state name service _; do
		right=$(manifest_lines_of "$manifest" service "$service" | cut -f 1)
		if [ "$state" = created ] || { [ -n "$right" ] && [ "$name" != "$right" ]; }; then
			say output "$service" "removing the half-made container $name"
			docker_ rm -f "$container" >/dev/null 2>&1 || return 1
		fi
	done <"$control/containers"
}

# Compose leaves a container alone that is there and does not do its work, and fails over a paused one.
clean_stuck() {
	own_containers >"$control/containers" || return 1
	while IFS=$tab read -r container state name service status; do
		case $state:$status in
		paused:*) what=paused ;;
		running:*"(unhealthy)"*) what=unhealthy ;;
		*) continue ;;
		esac
		say output "$service" "its container $name is $what: it is made anew"
		# Room to end in order; one that is paused cannot.
		[ "$what" = paused ] || docker_ stop "$container" >/dev/null 2>&1 || :
		docker_ rm -f "$container" >/dev/null 2>&1 || return 1
	done <"$control/containers"
}

verb_up() { # RELEASE
	# Restarts before we touched anything are not this release's.
	inspect_all >"$control/before" 2>/dev/null || :
	clean_stuck || { failed docker "docker does not answer"; return 1; }
	attempt=1
	while :; do
		clean_half_made || { failed docker "docker does not answer"; return 1; }
		{
			code=0
			compose up -d --pull never --remove-orphans 2>&1 || code=$?
			echo "$code" >"$control/up-code"
		} | tee "$control/up" | say_lines compose up
		if [ "$(cat "$control/up-code")" -eq 0 ] && all_made; then return 0; fi
		[ "$attempt" -lt 2 ] || break
		attempt=$((attempt + 1))
	done
	ask_docker compose version >/dev/null 2>&1 || { failed compose "docker has no \`compose\` there any more"; return 1; }
	words=$(grep -v '^ *Container\|^ *Network\|^ *Volume' "$control/up" | tail -n 1)
	failed up "${words:-compose left containers that are not of this release}"
}

# Sets the password of a role that a service logs in with, by the release's own SQL. On the way back only where the way
# forward came to it: what was not changed needs no database to be there.
verb_role() { # SERVICE [back]
	if [ "${2:-}" = back ] && [ ! -e "$records/activation/role.$1" ]; then return 0; fi
	manifest_lines_of "$manifest" role "$1" >"$control/role"
	IFS=$tab read -r in_container superuser database role sql <"$control/role" || {
		say output "$1" "release $release is of an older provision, which did not keep the password of its role"
		return 0
	}
	tries=0
	while :; do
		state=$(docker_ ps -a --filter "name=^$(printf %s "$in_container" | sed 's/\./\\./g')\$" --format '{{.State}}') || { failed docker "docker does not answer"; return 1; }
		if [ -z "$state" ]; then
			say output "$1" "there is no container $in_container here: the password of role $role is left to whoever has the database"
			return 0
		fi
		code=2
		if [ "$state" = running ]; then
			if [ "${2:-}" != back ]; then { : >"$records/activation/role.$1" && sync; } || { failed disk "cannot write $records"; return 1; }; fi
			# The verifier is a secret; psql does not quote it, and if it did it would stand in no file.
			{
				code=0
				cat "$run/role@$1/verifier" "$records/releases/$release/files/$sql" |
					docker_ exec -i "$in_container" psql -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=terse -v "role=$role" \
						-U "$superuser" -d "$database" -f - 2>&1 || code=$?
				echo "$code" >"$control/told"
			} | grep -v SCRAM-SHA-256 >"$control/role" || :
			code=$(cat "$control/told" 2>/dev/null || echo 1)
		else
			echo "the container $in_container is $state" >"$control/role"
		fi
		tries=$((tries + 1))
		# psql's 2: no connection. The database may only be starting, after a power loss for one.
		if [ "$code" -ne 2 ] || [ "$tries" -ge 30 ]; then break; fi
		sleep 1
	done
	say_lines output "$1" <"$control/role"
	last=$(tail -n 1 "$control/role")
	rm -f "$control/role" "$control/told"
	[ "$code" -eq 0 ] || failed role "$1: the password of role $role cannot be set in $database of $in_container: $last"
}

# Whether each service has a container of this release, whatever it does.
all_made() {
	inspect_all >"$control/now" || return 1
	manifest_lines "$manifest" service >"$control/services"
	while IFS=$tab read -r service name label _; do
		cut -d ' ' -f 1-3 "$control/now" | grep -q -x -F "$service $name $label" || return 1
	done <"$control/services"
}

# Sets container to the id of a service's running container, empty where it has none.
find_container() { # SERVICE
	container=$(docker_ ps -q --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1" \
		--filter "label=com.docker.compose.oneoff=False")
}

verb_signal() { # SERVICE SIGNAL
	find_container "$1" || return 1
	[ -n "$container" ] || { failed signal "$1 has no running container"; return 1; }
	# To the process itself: `docker kill` would mark the container as stopped by hand.
	pid=$(docker_ inspect -f '{{.State.Pid}}' "$container") || return 1
	# A container that is just restarting has the pid 0, which would mean ourselves.
	[ "${pid:-0}" -gt 1 ] || { failed signal "$1 has no running process"; return 1; }
	kill -s "$2" "$pid" || { failed signal "$1: signal $2 to process $pid failed"; return 1; }
	say progress "$1" "reload asked"
}

# Hands a secret to a command in the container on its standard input: as an argument other users would see it.
verb_tell() { # SERVICE FILE-COMMAND-ARGUMENTS, separated by tabs
	find_container "$1" || return 1
	[ -n "$container" ] || { failed tell "$1 has no running container"; return 1; }
	told=$1
	set -f
	fields=$IFS
	IFS=$tab
	# shellcheck disable=SC2086 # split at tabs
	set -- $2
	IFS=$fields
	set +f
	secret=$run/$told/$1
	shift
	# Whatever it prints, the secret is not passed on, and stands in no file.
	{
		code=0
		docker_ exec -i "$container" "$@" <"$secret" 2>&1 || code=$?
		echo "$code" >"$control/told"
	} | grep -v -F -f "$secret" | tail -n 15 >"$control/tell" || :
	code=$(cat "$control/told" 2>/dev/null || echo 1)
	[ "$code" -eq 0 ] || say_lines output "$told" <"$control/tell"
	rm -f "$control/tell" "$control/told"
	if [ "$code" -eq 0 ]; then
		say progress "$told" "took its changed secret ${secret##*/}"
		return 0
	fi
	failed tell "$told: its command for the changed secret ${secret##*/} failed"
}

# SERVICE NAME LABEL STATE HEALTH RESTARTS EXIT ID a line, for our project's containers. `.ID` and not `.Id`: with a
# name that its types do not have docker falls back to the raw JSON, where a container without a health check has
# no Health at all.
inspect_all() {
	ids=$(docker_ ps -aq --no-trunc --filter "label=com.docker.compose.project=$project") || return 1
	[ -n "$ids" ] || return 0
	# shellcheck disable=SC2086 # ids are hex words
	docker_ inspect --format '{{index .Config.Labels "com.docker.compose.service"}} {{.Name}} {{index .Config.Labels "provision.digest"}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.RestartCount}} {{.State.ExitCode}} {{.ID}}' $ids |
		sed 's| /| |'
}

last_lines() { # SERVICE CONTAINER
	docker_ logs --tail 15 "$2" 2>&1 | say_lines log "$1"
}

# Judges one expected service in $control/now: prints ok, wait REASON or fail REASON.
judge() { # SERVICE NAME LABEL ONE_SHOT
	while read -r service name label state health restarts code container; do
		[ "$service" = "$1" ] && [ "$name" = "$2" ] || continue
		before=$(sed -n "s/^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]* \([0-9]*\) [^ ]* $container\$/\1/p" "$control/before")
		if [ "$label" != "$3" ]; then
			echo "wait its container is not of this release yet"
		elif [ "$4" = 1 ]; then
			case $state:$code in
			exited:0) echo ok ;;
			exited:* | dead:*) echo "fail it ended with exit code $code" ;;
			*) echo "wait it runs" ;;
			esac
		elif [ "$restarts" -gt "${before:-0}" ] || [ "$state" = restarting ]; then
			# While it runs again docker says 0.
			[ "$state" = running ] || echo "fail it crashes: exit code $code, restarted $restarts times"
			[ "$state" != running ] || echo "fail it crashes: restarted $restarts times"
		elif [ "$state" != running ]; then
			echo "fail its container is $state, exit code $code"
		elif [ "$health" = unhealthy ]; then
			echo "fail its health check fails"
		elif [ "$health" = starting ]; then
			echo "wait its health check has not passed yet"
		else
			echo ok
		fi
		return
	done <"$control/now"
	echo "wait it has no container"
}

# What is excused was not well before we came: that it fails again is said and no more.
verb_settle() { # RELEASE, SECONDS and after a tab the services that are excused
	excused=
	case $2 in *"$tab"*) excused=" ${2#*"$tab"} " ;; esac
	set -- "$1" "${2%%"$tab"*}"
	settling=$(uptime_seconds)
	still=$settling
	longest=$2
	previous=
	manifest_lines "$manifest" service >"$control/services"
	while :; do
		inspect_all >"$control/now" || { failed docker "docker does not answer"; return 1; }
		now=$(uptime_seconds)
		waiting=
		given_up=' '
		while IFS=$tab read -r service name label once _; do
			verdict=$(judge "$service" "$name" "$label" "$once")
			case $verdict in
			fail*)
				case $excused in *" $service "*)
					given_up="$given_up$service "
					continue
					;;
				esac
				last_lines "$service" "$name"
				failed container "$service: ${verdict#fail }"
				return 1
				;;
			wait*)
				# As long as its own health check takes to give up; docker's defaults where it declares none.
				patience=$(manifest_lines_of "$manifest" patience "$service")
				patience=$((${patience:-180} + $2))
				[ "$patience" -le "$longest" ] || longest=$patience
				if [ "$((now - settling))" -ge "$patience" ]; then
					case $excused in *" $service "*)
						given_up="$given_up$service "
						continue
						;;
					esac
					last_lines "$service" "$name"
					failed settle "$service: ${verdict#wait }, after $((now - settling)) s"
					return 1
				fi
				waiting="$waiting$service: ${verdict#wait }; "
				;;
			esac
		done <"$control/services"
		look=$(while read -r service state; do case $given_up in *" $service "*) ;; *) echo "$service $state" ;; esac; done <"$control/now")
		if [ "$look" != "$previous" ] || [ -n "$waiting" ]; then still=$now; fi
		if [ "$look" != "$previous" ]; then
			while read -r service _ _ state health _; do say progress "$service" "$state, $health"; done <"$control/now"
		fi
		previous=$look
		if [ -z "$waiting" ] && [ "$((now - still))" -ge "$2" ]; then
			for service in $given_up; do say output "$service" "was not well before this deploy, and still is not"; done
			return 0
		fi
		if [ "$((now - settling))" -ge "$((longest + 180))" ]; then
			failed settle "${waiting:-containers keep changing}, after $((now - settling)) s"
			return 1
		fi
		sleep 0.5
	done
}

verb_down() {
	if [ -f "$live/docker-compose.provision.yml" ]; then
		# Half of its files may be gone already: what it leaves is removed by label below.
		compose down --remove-orphans >"$control/down" 2>&1 || say_lines output down <"$control/down"
	fi
	own_containers >"$control/containers" || return 1
	while IFS=$tab read -r container _; do docker_ rm -f "$container" >/dev/null 2>&1 || return 1; done <"$control/containers"
	docker_ network ls -q --filter "label=com.docker.compose.project=$project" >"$control/networks" || return 1
	while read -r network; do docker_ network rm "$network" >/dev/null 2>&1 || return 1; done <"$control/networks"
}

verb_clear() {
	placed_paths >"$control/placed-paths" || return 1
	while IFS= read -r path; do
		rm -f "$live/$path.provision-new"
		if [ ! -e "$live/$path" ] && [ ! -h "$live/$path" ]; then continue; fi
		take_away "$path" || return 1
	done <"$control/placed-paths"
	placed | sed -n "s/^unit$tab//p" >"$control/units"
	while IFS= read -r name; do
		[ ! -f "/etc/systemd/system/$name" ] || remove_unit "$name"
	done <"$control/units"
	if [ -d /run/systemd/system ]; then systemctl daemon-reload 9>&- || :; fi
	if grep -q " $run tmpfs " /proc/mounts; then umount "$run" || return 1; fi
	rmdir "$run" 2>/dev/null || :
	(drop_link "$remote") || :
	rm -rf "$records/releases/$release" "$records/placed"
}

# The way back of a release: images that were removed meanwhile are pulled again if they can be.
carry_back() { # RELEASE
	rm -rf "$records/activation/reserve"
	[ -z "$1" ] || restore_images "$1"
	if [ -f "$records/releases/$1/manifest" ]; then
		manifest_lines "$records/releases/$1/manifest" service >"$control/old"
		while IFS=$tab read -r _ _ _ _ image; do verb_pull "$image" || :; done <"$control/old"
	fi
	carry_out "$records/activation/back"
}

# Says who asked: the controller, or somebody by `provision unlock`, whose name is the second line. The controller's
# reason is the third.
told_to_return() {
	asker=$(sed -n 2p "$control/answer.$nonce")
	reason=$(sed -n 3p "$control/answer.$nonce")
	if [ -n "$asker" ]; then failed unlocked "$asker asked for the way back with \`provision unlock\`"; else failed returned "the controller asked to go back"; fi
}

# Carries a list out, step by step, until one fails. With `forward` the controller may ask to go back in between.
carry_out() { # LIST [forward]
	while IFS=$tab read -r verb first second <&3; do
		if [ "${2:-}" = forward ] && [ -f "$control/answer.$nonce" ] && grep -q '^return' "$control/answer.$nonce"; then
			told_to_return
			return 1
		fi
		say step "$verb" "$first${second:+ $second}"
		case $verb in
		pull) verb_pull "$first" ;;
		validate) verb_validate "$first" "$second" ;;
		place) verb_place "$first" ;;
		unseal) verb_unseal "$first" ;;
		units) verb_units ;;
		role) verb_role "$first" "$second" ;;
		up) verb_up "$first" ;;
		signal) verb_signal "$first" "$second" ;;
		tell) verb_tell "$first" "$second" ;;
		settle) verb_settle "$first" "$second" ;;
		down) verb_down ;;
		clear) verb_clear ;;
		*) failed verb "unknown verb $verb" ;;
		esac || return 1
	done 3<"$1"
}
