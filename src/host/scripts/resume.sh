# Follows a running activation again after the connection was lost. Arguments: REMOTE PROJECT NONCE LINES
# (so many lines of the log were read).
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
log=$control/log.$3
# The release may have arrived just now.
tries=0
while [ ! -f "$log" ] && [ "$4" -eq 0 ] && [ "$tries" -lt 50 ]; do
	tries=$((tries + 1))
	sleep 0.2
done
if [ ! -f "$log" ]; then
	# The host rebooted meanwhile: what became of it is in the records on disk.
	printf 'outcome\tvanished\n'
	exit 0
fi
follow "$log" "$(head -n "$4" "$log" | wc -c)"
