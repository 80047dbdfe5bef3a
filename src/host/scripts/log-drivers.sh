# Says how each running container of the host logs. Arguments: REMOTE PROJECT.
# Answers a header, "driver NAME KIND" of each, and a trailer.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
echo "provision-log-drivers 1"
ids=$(ask_docker ps -q --no-trunc)
if [ -n "$ids" ]; then
	echo "$ids" | ask_docker_each inspect --format 'driver {{.Name}} {{.HostConfig.LogConfig.Type}}' | sed 's|^driver /|driver |'
fi
echo "end"
