# Asks whoever holds the lock to go back, and follows that. Arguments: REMOTE PROJECT ASKER.
# The lock itself is never taken away: it belongs to a process, and a host half changed is worse than a held lock.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
if [ ! -f "$lock" ] || flock -n "$lock" true; then
	printf 'outcome\tfree\n'
	exit 0
fi
printf 'error\tlocked\t%s\n' "$(cat "$control/holder" 2>/dev/null || echo unknown)"
nonce=$(cat "$control/holder.nonce" 2>/dev/null || :)
log=$control/log.$nonce
if [ -z "$nonce" ] || [ ! -f "$log" ]; then
	# The host carries out a way back by itself: there is nothing that it could be asked.
	printf 'outcome\tbusy\n'
	exit 0
fi
if [ ! -f "$control/answer.$nonce" ]; then
	printf 'return\n%s\n' "$3" >"$control/answer.$nonce.new"
	mv -f "$control/answer.$nonce.new" "$control/answer.$nonce"
fi
follow "$log" "$(($(wc -c <"$log") - $(tail -n 1 "$log" | wc -c)))"
