# The verb `validate`: the images' own tools read the new configuration before anything of it is in place. Each runs in a
# container of its own that sees the release's files, no secret, no network and no volume, side by side.
# Part of verbs.sh on the host.
# shellcheck shell=sh disable=SC2154,SC2015,SC2034

# The longest that a tool may take, in seconds.
longest_validation=60

verb_validate() { # RELEASE SERVICES, separated by blanks
	trial=$control/validate
	end_validations
	mkdir "$trial" || { failed disk "cannot write $trial: $(df -P -k "$control" | tail -n 1)"; return 1; }
	for service in $2; do
		{
			code=0
			validate_one "$1" "$service" >"$trial/$service.said" 2>&1 || code=$?
			echo "$code" >"$trial/$service.code"
		} 9>&- &
	done
	wait
	valid=yes
	for service in $2; do
		code=$(cat "$trial/$service.code" 2>/dev/null || echo 1)
		case $code in
		0) say progress "$service" "its configuration is valid" ;;
		126 | 127)
			# docker's words for a program that is not in the image, or cannot be run there.
			say output "$service" "its image has no $(validation "$service" | cut -f 4): the configuration was not validated"
			;;
		*)
			tr -d '\r' <"$trial/$service.said" | grep '[^ ]' | head -n 40 | say_lines validate "$service"
			say error validate "$service" "$code"
			valid=no
			;;
		esac
	done
	end_validations
	if [ "$valid" = no ]; then
		# Nothing was put in place yet.
		refused=yes
		return 1
	fi
}

# The manifest's line for a service: IMAGE USER MEMORY WORD…
validation() { manifest_lines_of "$manifest" validate "$1"; } # SERVICE

# Removes what a run left that was interrupted, or whose tool took too long.
end_validations() {
	docker_ ps -aq --filter "label=provision.validate=$project" >"$control/validations" 2>/dev/null || :
	while read -r container; do docker_ rm -f "$container" >/dev/null 2>&1 || :; done <"$control/validations"
	rm -rf "${trial:?}" "$control/validations"
}

# Runs a service's tool; what it prints and its exit status are ours. 124: it took too long.
validate_one() { # RELEASE SERVICE
	place=$trial/$2
	mkdir "$place" "$place/secrets" || return 1
	# Programs want the files that a configuration names to be there; what is in them they read later.
	manifest_lines_of "$manifest" secret "$2" >"$place/wanted"
	while IFS=$tab read -r file _; do echo placeholder >"$place/secrets/$file" || return 1; done <"$place/wanted"
	manifest_lines_of "$manifest" mount "$2" >"$place/mounts"
	set -f
	fields=$IFS
	IFS=$tab
	# shellcheck disable=SC2046 # split at tabs
	set -- "$1" "$2" $(validation "$2")
	IFS=$fields
	set +f
	files=$records/releases/$1/files own=$2 image=$3 user=$4 memory=$5 program=$6
	shift 6
	set -- --entrypoint "$program" "$image" "$@"
	while IFS=$tab read -r source target; do
		case $source in
		"$run/$own") source=secrets ;;
		# Of the host nothing is shown.
		/*) continue ;;
		*)
			mkdir -p "$place/$(dirname "files/$source")" && cp -R "$files/$source" "$place/files/$source" || return 1
			source=files/$source
			;;
		esac
		set -- --mount "type=bind,source=$place/$source,target=$target,readonly" "$@"
	done <"$place/mounts"
	# Read by whichever user the service runs as. The way here is root's alone.
	chmod -R u=rwX,go=rX "$place" || return 1
	[ "$user" = - ] || set -- --user "$user" "$@"
	code=0
	timeout "$longest_validation" docker run --rm --pull never --label "provision.validate=$project" --network none \
		--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --pids-limit 128 --memory "$memory" \
		--log-driver none "$@" </dev/null || code=$?
	return "$code"
}
