# Tells which settings of sshd speak of forwarding for a login: lines of `sshd -T`, nothing where it cannot be asked.
# As root. Arguments: USER.
# shellcheck shell=sh
set -u
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
user=$1
# The connection, which a `Match` may ask for, is in the environment of a process above this one (sudo takes it out
# of ours); the configuration that sshd was started with is in the title of its listener.
connection=
configuration=
pid=$$
while [ "${pid:-0}" -gt 1 ]; do
	if [ -z "$connection" ]; then
		connection=$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=//p' | head -n 1)
	fi
	case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in
	*sshd*' -f '*) configuration=$(tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's/.* -f \([^ ]*\).*/\1/') ;;
	esac
	pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
done
# shellcheck disable=SC2086
set -- $connection
sshd=$(command -v sshd) || exit 0
"$sshd" -T ${configuration:+-f "$configuration"} -C "user=$user,host=${1:-},addr=${1:-},laddr=${3:-},lport=${4:-22}" 2>/dev/null |
	grep -E '^(allowtcpforwarding|disableforwarding|permitopen) '
exit 0
