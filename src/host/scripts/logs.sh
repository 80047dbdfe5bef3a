# Prints the last lines of a service's log. Arguments: REMOTE PROJECT SERVICE LINES FOLLOW(yes|no).
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
container=$(docker ps -aq --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$3" | head -n 1)
[ -n "$container" ] || {
	echo "the service $3 has no container" >&2
	exit 1
}
if [ "$5" = yes ]; then set -- "$4" --follow; else set -- "$4"; fi
lines=$1
shift
exec docker logs --timestamps --tail "$lines" "$@" "$container" 2>&1
