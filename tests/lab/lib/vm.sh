# shellcheck shell=sh disable=SC2153,SC2034
# The lab's other machine: Debian's own kernel under qemu. It has what the VPS, a container, has not: control groups of
# version 2 whatever this machine has, real reboots, and power that can be lost. Without hardware acceleration it is slow.

VM=$STATE/vm
VM_PORT=${LAB_VM_PORT:-$(cat "$VM/port" 2>/dev/null || echo $((REGISTRY_PORT + 100)))}
# The addresses of qemu's own network: this machine's loopback, and its resolver.
VM_GATEWAY=10.0.2.2 VM_RESOLVER=10.0.2.3

lab_vm() {
    vm_command=${1:-}
    [ $# -eq 0 ] || shift
    case $vm_command in
        up | down | start | reboot | power-loss | exec | status) ;;
        *) usage >&2; exit 2 ;;
    esac
    make_state
    "vm_$(printf %s "$vm_command" | tr - _)" "$@"
}

vm_up() {
    running
    need qemu-system-x86_64:qemu-system-x86 mke2fs:e2fsprogs ssh:openssh-client
    mkdir -p "$VM"
    echo "$VM_PORT" >"$VM/port"
    export_proxy
    build "$IMAGES/vm" vm
    vm_want=$(docker image inspect -f '{{.Id}}' "$IMAGES/vm")-$(digest <"$KEY.pub")-$REGISTRY_PORT
    if [ "$(cat "$VM/made-for" 2>/dev/null)" != "$vm_want" ]; then
        vm_power_loss
        say 'making the disk of the virtual machine'
        logged vm-disk vm_disk
        echo "$vm_want" >"$VM/made-for"
    fi
    vm_start
    vm_project
    # The parts that follow ask for the VPS.
    SECRETS=$ROOT/secrets/vm.yml.age PATIENCE=10
    # shellcheck disable=SC2317 # they call it
    in_vps() { vm_exec "$@"; }
    application_up
    say 'the virtual machine is up'
    vm_status
}

# The image's files become a disk. Its kernel stays beside it: qemu starts that itself.
vm_disk() (
    set -eu
    root=$(mktemp -d /var/tmp/provision-lab.XXXXXX)
    # shellcheck disable=SC2064 # the folder of now
    trap "as_root rm -rf '$root'" EXIT
    box=$(docker create "$IMAGES/vm" true)
    docker export "$box" | as_root tar -x -C "$root"
    docker rm "$box" >/dev/null
    for file in vmlinuz initrd.img; do
        # shellcheck disable=SC2016 # root's shell finds the one file of that name
        as_root sh -c 'cat "$1"/boot/"$2"-*' sh "$root" "$file" >"$VM/$file"
    done
    files=$(mktemp -d "$STATE/vm-files.XXXXXX")
    mkdir -p "$files/etc/ssh" "$files/etc/docker"
    cp "$KEY.pub" "$files/etc/ssh/lab_authorized_keys"
    printf '{"registry-mirrors": ["http://%s"], "insecure-registries": ["%s"], "log-driver": "json-file"}\n' \
        "$VM_GATEWAY:$REGISTRY_PORT" "$VM_GATEWAY:$REGISTRY_PORT" >"$files/etc/docker/daemon.json"
    echo vm >"$files/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 vm\n%s mail.lab\n' "$MAIL_ADDRESS" >"$files/etc/hosts"
    echo "nameserver $VM_RESOLVER" >"$files/etc/resolv.conf"
    # With docker's mark systemd takes the machine for a container, and leaves `/` private.
    as_root rm -f "$root/etc/resolv.conf" "$root/.dockerenv"
    tar -C "$files" --owner=0 --group=0 --mode=u=rwX,go=rX -c . | as_root tar -x -C "$root"
    rm -rf "$files"
    rm -f "$VM/disk.img"
    truncate -s 12G "$VM/disk.img"
    as_root mke2fs -q -t ext4 -d "$root" "$VM/disk.img"
)

vm_runs() { [ -s "$VM/pid" ] && is_program "$(cat "$VM/pid")" qemu-system-x86; }

# Switches it on and waits until it has booted.
vm_start() {
    vm_runs || {
        say 'booting the virtual machine'
        rm -f "$VM/console.log"
        # A session of its own: it outlives this shell. The disk is not told to write through: what the machine has handed
        # over stays, and what it has not is lost with its power. A kernel that patches itself may trip over that where
        # two emulated processors run at once (seen once in five boots): it boots again by itself then.
        setsid qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m "${LAB_VM_MEMORY:-3072}" \
            -no-user-config -nodefaults -display none -monitor none -serial "file:$VM/console.log" \
            -kernel "$VM/vmlinuz" -initrd "$VM/initrd.img" -append 'root=/dev/vda rw console=ttyS0 panic=5' \
            -drive "file=$VM/disk.img,format=raw,if=virtio,cache=unsafe" -device virtio-rng-pci \
            -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$VM_PORT-:22" -device virtio-net-pci,netdev=net \
            >"$STATE/log/qemu.log" 2>&1 </dev/null &
        echo $! >"$VM/pid"
    }
    wait_for "${LAB_VM_TIMEOUT:-1200}" "the virtual machine boots (its console: $VM/console.log)" vm_booted_or_ended
    vm_runs || die "qemu ended (its log: $STATE/log/qemu.log)"
    wait_for 300 'docker in the virtual machine answers' vm_exec docker version
}
vm_booted_or_ended() { ! vm_runs || vm_booted; }
vm_booted() {
    case $(vm_exec systemctl is-system-running </dev/null 2>/dev/null) in running | degraded) ;; *) return 1 ;; esac
}

# As if somebody pulled the plug.
vm_power_loss() {
    ! vm_runs || {
        vm_process=$(cat "$VM/pid")
        kill -9 "$vm_process"
        wait_for 30 'qemu has ended' gone "$vm_process"
    }
    rm -f "$VM/pid"
}

vm_reboot() {
    vm_boot=$(vm_exec cat /proc/sys/kernel/random/boot_id </dev/null)
    vm_exec systemctl reboot </dev/null || true
    wait_for "${LAB_VM_TIMEOUT:-1200}" 'the virtual machine is back' vm_rebooted
    wait_for 300 'docker in the virtual machine answers' vm_exec docker version
}
vm_rebooted() { [ "$(vm_exec cat /proc/sys/kernel/random/boot_id </dev/null)" != "$vm_boot" ] && vm_booted; }

# A command in it as root. ssh hands one text to a shell: each word is quoted for that.
vm_exec() {
    vm_line=
    for vm_word; do vm_line="$vm_line '$(printf %s "$vm_word" | sed "s/'/'\\\\''/g")'"; done
    # Its host key is read over this very connection, on our own loopback.
    ssh -F /dev/null -i "$KEY" -p "$VM_PORT" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=20 -o LogLevel=ERROR \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null deploy@127.0.0.1 "sudo -n$vm_line"
}

# The environment `vm`: as `lab`, at another address, with time for a slow machine.
vm_project() {
    vm_exec sh -c 'cat /etc/ssh/ssh_host_*_key.pub' </dev/null |
        while read -r kind key _; do echo "[127.0.0.1]:$VM_PORT $kind $key"; done >"$ROOT/inventory/vm.known_hosts"
    sed -e "s/^    address: .*/    address: 127.0.0.1/" -e "s/^    port: 22\$/    port: $VM_PORT/" -e 's/^  vps:$/  vm:/' \
        -e 's/^  settle: .*/  settle: 10s/' -e 's/^  verify_timeout: .*/  verify_timeout: 600s/' \
        -e '/^  postgres_mountpoint:/d' -e '/^  # The root of a container/d' \
        -e 's/^  kernel_messages: .*/  kernel_messages: true/' "$ROOT/inventory/lab.yml" >"$ROOT/inventory/vm.yml"
    cp "$RECIPIENTS" "$ROOT/secrets/vm.recipients.txt"
    age -d -i "$IDENTITY" "$SECRETS" | sed 's/^_environment: .*/_environment: "vm"/' |
        age -e -a -R "$RECIPIENTS" -o "$ROOT/secrets/vm.yml.age"
}

vm_down() {
    vm_power_loss
    [ -d "$VM" ] || return 0
    rm -rf "$VM"
    rm -f "$ROOT/inventory/vm.yml" "$ROOT/inventory/vm.known_hosts" "$ROOT/secrets/vm.yml.age" "$ROOT/secrets/vm.recipients.txt"
    say 'the virtual machine is gone'
}

vm_status() {
    if vm_runs; then
        echo "VM         ssh -i tests/lab/.state/id_ed25519 -p $VM_PORT deploy@127.0.0.1; its console: tests/lab/.state/vm/console.log"
    else
        echo 'the virtual machine is off'
    fi
}
