# Prints the last lines of the audit log. Arguments: REMOTE PROJECT LINES.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
if [ -f "$records/audit.jsonl" ]; then tail -n "$3" "$records/audit.jsonl"; fi
echo "end"
