#!/bin/sh
# What the program is made of: licences, bans and sources by deny.toml, dependencies that nothing uses, and a compiler
# that is old enough for all of them. With the argument `advisories` their database is fetched and asked, and nothing else;
# with `sbom` the bill of materials is written to target/provision.cdx.json, and nothing else.
set -eu
cd "$(dirname "$0")/.."
tools=$PWD/target/tools/supply-chain
PATH=$tools/bin:$PATH:$HOME/.cargo/bin
export PATH
mkdir -p target/tools
metadata() {
	cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')"
}
sbom() {
	metadata >target/metadata.json
	python3 tests/sbom.py <target/metadata.json >target/provision.cdx.json
}
if [ "${1:-}" = sbom ]; then
	sbom
	echo target/provision.cdx.json
	exit
fi
exec 9>target/tools/supply-chain.lock
flock 9
# pip takes only the programs whose hashes are written down, so what is there with the same list is the same.
if ! cmp -s tests/supply-chain.txt "$tools/installed.txt"; then
	rm -rf "$tools"
	python3 -m venv "$tools"
	"$tools/bin/pip" --disable-pip-version-check --quiet install --no-deps --only-binary :all: --require-hashes \
		-r tests/supply-chain.txt
	cp tests/supply-chain.txt "$tools/installed.txt"
fi
flock -u 9

if [ "${1:-}" = advisories ]; then
	exec cargo-deny --locked check --hide-inclusion-graph advisories
fi
cargo-deny --locked check --hide-inclusion-graph licenses bans sources
cargo-shear --locked
sbom
python3 -c '
import json
packages = json.load(open("target/metadata.json"))["packages"]
bill = json.load(open("target/provision.cdx.json"))
number = lambda package: [int(part) for part in (package["rust_version"] or "0").split(".")]
ours = next(package for package in packages if package["name"] == "provision")
newer = [package for package in packages if number(package) > number(ours)]
for package in newer:
    print("rust-version is {}, and {} {} needs {}".format(
        ours["rust_version"], package["name"], package["version"], package["rust_version"]))
if newer:
    raise SystemExit(1)
parts = {part["name"]: part for part in bill["components"]}
if not parts["russh"]["hashes"] or "actix-web" in parts:
    raise SystemExit("tests/sbom.py: what is in the program is not what is listed")
print("supply chain: {} packages, rust {} or newer".format(len(packages), ours["rust_version"]))
'
