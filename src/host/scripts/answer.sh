# Tells a waiting activation to stay or to go back. Arguments: REMOTE PROJECT NONCE confirm|return REASON.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
mkdir -p "$control"
printf '%s\n\n%s\n' "$4" "$5" >"$control/answer.$3.new"
mv -f "$control/answer.$3.new" "$control/answer.$3"
echo "said"
