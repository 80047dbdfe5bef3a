# shellcheck shell=sh
# The two programs of the project that the lab puts into images: the examples standin and backend.

programs_up() {
    if [ -n "${LAB_BIN_DIR:-}" ]; then
        for program in standin backend; do
            [ -x "$LAB_BIN_DIR/$program" ] || die "LAB_BIN_DIR=$LAB_BIN_DIR has no program $program"
        done
        take_programs "$LAB_BIN_DIR" "$(cat "$LAB_BIN_DIR/standin" "$LAB_BIN_DIR/backend" | digest)"
        return 0
    fi
    inputs=$(programs_inputs)
    programs_taken "$inputs" && return 0
    say 'building the examples standin and backend'
    (cd "$ROOT" && logged cargo cargo build --locked --example standin --example backend)
    take_programs "${CARGO_TARGET_DIR:-$ROOT/target}/debug/examples" "$inputs"
}

# What the programs are made from; the recording is built in. The library is none of it: they do not use it.
programs_inputs() {
    (cd "$ROOT" && tar --sort=name --mtime=@0 --mode=go=rX --owner=0 --group=0 -c examples tests/fixtures/recordings/loki-3.4.6/config.http Cargo.toml Cargo.lock && rustc --version) | digest
}

programs_taken() { [ "$(cat "$STATE/bin/inputs" 2>/dev/null)" = "$1" ]; }

# take_programs FOLDER INPUTS: without their debug information, which would be most of the image.
take_programs() {
    ! programs_taken "$2" || return 0
    for program in standin backend; do
        strip -o "$STATE/bin/$program" "$1/$program" 2>/dev/null || cp "$1/$program" "$STATE/bin/$program"
    done
    echo "$2" >"$STATE/bin/inputs"
}
