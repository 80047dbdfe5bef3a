#!/bin/sh
# Prints the path of an `ansible-vault`, from a virtual environment that is made once in target/test-venv.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/target/test-venv
mkdir -p target
exec 9>target/test-venv.lock
flock 9
if ! "$folder/bin/ansible-vault" --version >/dev/null 2>&1; then
	rm -rf "$folder"
	python3 -m venv "$folder" >target/test-venv.log 2>&1 || {
		tail -n 5 target/test-venv.log >&2
		echo 'ansible-vault.sh: python3 cannot make a virtual environment (Debian: the package python3-venv)' >&2
		exit 1
	}
	"$folder/bin/pip" install --quiet ansible-core >>target/test-venv.log 2>&1 || {
		tail -n 5 target/test-venv.log >&2
		echo 'ansible-vault.sh: pip cannot install ansible-core: this test needs a Python package index' >&2
		rm -rf "$folder"
		exit 1
	}
fi
echo "$folder/bin/ansible-vault"
