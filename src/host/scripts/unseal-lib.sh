# Opens a release's sealed bundle into tmpfs. Sourced by the activation and by the boot units.
# shellcheck shell=sh disable=SC2154,SC2015,SC2034

# Sets unseal_error and returns 1 when it cannot.
unseal() { # RELEASE-FOLDER
	unseal_error=
	# Docker mounts as root: nobody else has a way here from the host. A service finds its own folder in its container.
	mkdir -p "$run" && chmod 0700 /run/provision || { unseal_error="cannot make $run"; return 1; }
	if ! grep -q " $run tmpfs " /proc/mounts; then
		# noswap: where the kernel has it, secrets do not reach a swap disk either.
		mount -t tmpfs -o noswap,size=8m,mode=0700 provision "$run" 2>/dev/null ||
			mount -t tmpfs -o size=8m,mode=0700 provision "$run" ||
			{ unseal_error="cannot mount a tmpfs at $run"; return 1; }
	fi
	chmod 0700 "$run"
	manifest_lines "$1/manifest" secret >"$run/.wanted"
	if [ -s "$run/.wanted" ]; then
		folder=$1
		set --
		for key in /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_rsa_key; do
			[ -f "$key" ] && set -- "$@" -i "$key"
		done
		rm -rf "$run/.new"
		mkdir "$run/.new"
		if ! age -d "$@" -o "$run/.tar" "$folder/sealed.age" 2>"$run/.error"; then
			unseal_error="age: $(tr '\n' ' ' <"$run/.error")"
			rm -rf "$run/.new" "$run/.tar"
			return 1
		fi
		tar -x -p -f "$run/.tar" -C "$run/.new" || { unseal_error="the bundle is not an archive"; return 1; }
		rm -f "$run/.tar" "$run/.error"
	fi
	while IFS=$tab read -r service file owner; do
		# A group that may read what is root's; of a release that names no group: the user alone.
		case $owner in *:*) rights=0550 ;; *) owner=$owner:$owner rights=0500 ;; esac
		# The folder stays the one that a container has mounted; the file in it is renamed over.
		[ -d "$run/$service" ] || mkdir "$run/$service" || { unseal_error="cannot make $run/$service"; return 1; }
		chown "$owner" "$run/$service" && chmod "$rights" "$run/$service" &&
			mv -f "$run/.new/$service/$file" "$run/$service/$file" ||
			{ unseal_error="cannot put $service/$file in place"; return 1; }
	done <"$run/.wanted"
	for folder in "$run"/*; do
		[ -d "$folder" ] || continue
		for path in "$folder"/*; do
			[ -f "$path" ] || continue
			cut -f 1,2 "$run/.wanted" | grep -q -x -F -e "${folder##*/}$tab${path##*/}" || rm -f "$path"
		done
		cut -f 1 "$run/.wanted" | grep -q -x -F -e "${folder##*/}" || rmdir "$folder" 2>/dev/null || :
	done
	rm -rf "$run/.new" "$run/.wanted"
}
