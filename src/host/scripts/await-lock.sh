# Waits until the lock is free, at most so long. Arguments: REMOTE PROJECT SECONDS.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
until=$(($(uptime_seconds) + $3))
until [ ! -f "$lock" ] || flock -n "$lock" true; do
	[ "$(uptime_seconds)" -lt "$until" ] || {
		echo held
		exit 0
	}
	sleep 0.5
done
echo free
