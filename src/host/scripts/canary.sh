# Writes one line into a service's log, as the service itself would, and one into the journal.
# Arguments: REMOTE PROJECT SERVICE TEXT. Answers "journal no" where nothing writes into a journal.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
containers=$(ask_docker ps -q --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$3")
container=$(printf '%s\n' "$containers" | head -n 1)
[ -n "$container" ] || {
	echo "the service $3 does not run" >&2
	exit 1
}
# Its standard output: docker logs the line with the container's own labels, and no image needs a shell.
process=$(ask_docker inspect --format '{{.State.Pid}}' "$container")
# A container decides what that is: a pipe that nobody reads is not waited for, and a file is not emptied.
# shellcheck disable=SC2016 # that shell's own values
limited 10 sh -c 'printf "%s\n" "$1" >>"$2"' sh "$4" "/proc/$process/fd/1" || {
	echo "the standard output of $3 takes no line" >&2
	exit 1
}
if command -v systemd-cat >/dev/null 2>&1; then
	printf '%s\n' "$4" | limited 10 systemd-cat -t provision
elif command -v logger >/dev/null 2>&1; then
	limited 10 logger -t provision -- "$4"
else
	echo "journal no"
fi
