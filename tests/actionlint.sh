#!/bin/sh
# Checks the workflows with actionlint, which is put into target/ where the machine has none.
set -eu
cd "$(dirname "$0")/.."
version=v1.7.12
tools=$PWD/target/tools
PATH=$tools:$PATH:/usr/local/go/bin
if ! command -v actionlint >/dev/null 2>&1; then
	if command -v go >/dev/null 2>&1; then
		GOBIN=$tools go install "github.com/rhysd/actionlint/cmd/actionlint@$version"
	else
		echo "actionlint: not installed, and there is no go to build it with: the workflows are not checked" >&2
		# On a machine that decides over a change that would go unseen.
		[ -z "${CI:-}" ]
		exit
	fi
fi
actionlint
unpinned=$(grep -hE '^ *-? *uses: ' .github/workflows/*.yml | grep -vE '@[0-9a-f]{40} # v[0-9.]+$' || true)
[ -z "$unpinned" ] || {
	echo "not pinned by commit and version: $unpinned" >&2
	exit 1
}
