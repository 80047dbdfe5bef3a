# Runs the host's own copy of a script, where it is this very version; else ends with 90, and it has to be sent.
# Arguments: REMOTE NAME DIGEST (its first half), then those of the script.
# shellcheck shell=sh disable=SC1090
script=$1/.provision/bin/$2
case $(sha256sum 2>/dev/null <"$script") in
"$3"*) ;;
*) exit 90 ;;
esac
shift 3
. "$script"
