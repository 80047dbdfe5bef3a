# Runs the host's own copy of a script, where it is this very version; else ends with 90, and it has to be sent.
# Arguments: PROJECT NAME DIGEST (its first half), then those of the script. The copy is read once: what was compared is
# what runs.
# shellcheck shell=sh
text=$(cat "/var/lib/provision/$1/records/bin/$2" 2>/dev/null && echo .) || exit 90
text=${text%.}
case $(printf %s "$text" | sha256sum 2>/dev/null) in
"$3"*) ;;
*) exit 90 ;;
esac
shift 3
eval "$text"
