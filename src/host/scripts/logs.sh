# Prints the last lines of a service's log. Arguments: REMOTE PROJECT SERVICE LINES FOLLOW(yes|no).
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
containers=$(ask_docker ps -aq --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$3")
container=$(printf '%s\n' "$containers" | head -n 1)
[ -n "$container" ] || {
	echo "the service $3 has no container" >&2
	exit 4
}
if [ "$5" = yes ]; then exec docker logs --timestamps --tail "$4" --follow "$container" 2>&1; fi
limited 60 docker logs --timestamps --tail "$4" "$container" 2>&1
