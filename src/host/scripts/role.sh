# Runs SQL from standard input in a database of a container. Arguments: CONTAINER USER DATABASE.
# Ends with 4 where the container does not run, else as psql does: 3 is a statement that was refused.
# shellcheck shell=sh
need_root
state=$(ask_docker container inspect --format '{{.Name}} {{.State.Status}}' "$1" 2>/dev/null) || {
	# An engine that does not answer says nothing of the container.
	ask_docker ps -q >/dev/null || exit 5
	state=
}
# Docker takes the beginning of an id as well: `db` may be another container's.
case $state in
"/$1 "*) state=${state##* } ;;
*)
	echo "there is no container $1" >&2
	exit 4
	;;
esac
[ "$state" = running ] || {
	echo "the container $1 is $state" >&2
	exit 4
}
limited 240 docker exec -i "$1" psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$2" -d "$3" -f -
