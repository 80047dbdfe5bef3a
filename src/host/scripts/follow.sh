# Prints an activation's log as it grows, from OFFSET on, until it has its outcome.
# An own loop: busybox tail has no --pid and lingers.
# shellcheck shell=sh disable=SC2154
follow() { # LOG OFFSET
	offset=$2
	checked=0
	while :; do
		size=$(wc -c <"$1")
		if [ "$size" -gt "$offset" ]; then
			tail -c "+$((offset + 1))" "$1" | head -c "$((size - offset))"
			offset=$size
			continue
		fi
		case $(tail -n 1 "$1") in
		outcome*)
			# It may have been written after the size was read.
			if [ "$(wc -c <"$1")" -gt "$offset" ]; then continue; fi
			return 0
			;;
		esac
		checked=$((checked + 1))
		# Every two seconds: is there still somebody who writes? Whoever activates holds the lock.
		if [ "$((checked % 20))" -eq 0 ] && flock -n "$lock" true; then
			sleep 0.3
			case $(tail -n 1 "$1") in
			outcome*) continue ;;
			esac
			printf 'outcome\tvanished\n'
			return 0
		fi
		sleep 0.1
	done
}
