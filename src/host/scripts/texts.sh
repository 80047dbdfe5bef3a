# Prints files whose paths come on standard input, a line each: "SIZE PATH", the content, a newline; packed.
# Arguments: REMOTE PROJECT FOLDER: the id of a kept release, `current` for the one that runs, `released` for the files
# of that one, or nothing for the files in place. A path that begins with `@records/` is one of the records.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
case $3 in
'') folder=$live ;;
current | released)
	release=$(current_release)
	folder=$records/releases/${release:-none}
	[ "$3" = current ] || folder=$folder/files
	;;
*) folder=$records/releases/$3 ;;
esac
# What is not there has no files: a host before its first deploy, or a release that it does not keep.
[ -d "$folder" ] || exec gzip -c </dev/null
while IFS= read -r path; do
	# No path leads out of the folder.
	case /$path/ in //* | */../*) continue ;; esac
	file=$folder/$path
	# A key that may only plan is given what was released, and no more.
	case $3:$path in
	released:*) ;;
	*:@records/*) file=$records/${path#@records/} ;;
	esac
	[ -f "$file" ] || continue
	printf '%s %s\n' "$(wc -c <"$file")" "$path"
	cat -- "$file"
	echo
done | gzip -c
