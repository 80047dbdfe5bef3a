# What listens on the host and who holds it, of /proc alone. `ss -p` reads the descriptors of every process for
# that, and not every host has it. Put in front of a script that is sent by itself.
# shellcheck shell=sh

# The sockets that listen, of FILES like /proc/net/tcp and tcp6: "listen ADDRESS PORT INODE", address and port in hex
# digits as the kernel prints them. 0A is LISTEN.
listening() { # FILE...
	sed -n 's/^ *[0-9]*: \([0-9A-F]*\):\([0-9A-F]*\) [0-9A-F:]* 0A [^ ]* [^ ]* [^ ]* *[0-9]* *[0-9]* \([0-9]*\) .*/listen \1 \2 \3/p' "$@" 2>/dev/null || :
}

# The sockets of a process, of what `ls -l` says of /proc/PID/fd on stdin: "holds PID", and "holds PID INODE" for
# each. Nothing where that is empty, as it is when the process has ended.
held_by() { # PID
	sed -n "s/.* -> socket:\[\([0-9]*\)\]$/holds $1 \1/p; 1s/.*/holds $1/p"
}
