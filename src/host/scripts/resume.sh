# Follows a running activation again after the connection was lost. Arguments: REMOTE PROJECT NONCE OFFSET.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
log=$control/log.$3
if [ ! -f "$log" ]; then
	# The host rebooted meanwhile: what became of it is in the records on disk.
	printf 'outcome\tvanished\n'
	exit 0
fi
follow "$log" "$4"
