# The only thing that a key can do whose line in authorized_keys names this script: answer what `provision plan` asks.
# Nothing of what is sent is ever run: it only chooses between two scripts that lie beside this one.
# Arguments: REMOTE PROJECT, which the line fixes, and what the client asked for.
# shellcheck shell=sh
set -euf
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

refuse() { # WHY
	echo "this key may only plan: $1" >&2
	exit 92
}

remote=$1
project=$2
here=${0%/*}
# The words behind the script that provision sends (src/ssh/bootstrap.rs): arguments in base64, an empty one as ''.
case $3 in
*"' sh "*) words=${3##*"' sh "} ;;
*) refuse 'no other command is run' ;;
esac
words=${words%" </dev/null"}
case $words in
*[!A-Za-z0-9+/=\'\ ]*) refuse 'no other command is run' ;;
esac
# shellcheck disable=SC2086 # a list of words
set -- $words
name=
for word do
	shift
	[ "$word" != "''" ] || word=
	word=$(printf %s "$word" | base64 -d 2>/dev/null) || refuse 'no other command is run'
	# What stands before the script's name says where the host keeps it, which this script knows by itself.
	if [ -z "$name" ]; then
		case $word in probe.sh | texts.sh) name=$word ;; esac
	else
		set -- "$@" "$word"
	fi
done
# Left are the digest of the script that is meant, and its arguments.
if [ -z "$name" ] || [ $# -lt 3 ]; then refuse 'only the probe and the texts of the running release are given'; fi
case $(sha256sum <"$here/$name") in
"$1"*) ;;
*) refuse "the scripts on this host are another version's" ;;
esac
if [ "$2" != "$remote" ] || [ "$3" != "$project" ]; then refuse "it is made for $project in $remote"; fi
case $name in
probe.sh)
	[ $# -eq 3 ] || refuse 'only the probe of the host is given'
	shift
	timeout 120 /bin/sh "$here/$name" "$@" </dev/null
	;;
texts.sh)
	# The files of the release that runs, never what somebody wrote into those in place.
	if [ $# -ne 4 ] || [ -n "$4" ]; then refuse 'only the texts of the running release are given'; fi
	# Paths below that folder alone, whatever else the script may understand.
	grep -v -e '^/' -e '^@' -e '\.\.' | timeout 120 /bin/sh "$here/$name" "$2" "$3" released
	;;
esac
