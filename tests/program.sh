#!/bin/sh
# Builds the program of the integration tests, and prints its path.
set -eu
cd "$(dirname "$0")/.."
said=$("${CARGO:-cargo}" test --locked --no-run --lib --bins --examples --test it 2>&1) || {
	echo "$said" >&2
	exit 1
}
echo "$said" | sed -n 's|^ *Executable tests/it/main.rs (\(.*\))$|\1|p'
