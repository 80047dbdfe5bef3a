"""Writes the program's bill of materials, CycloneDX 1.5 as JSON, to standard output.

Standard input is `cargo metadata --locked --format-version 1 --filter-platform TARGET`. What goes into the program
counts: neither the crates of its tests nor those that only run while it is built are asked for apart, as Cargo's graph
marks them. https://cyclonedx.org/docs/1.5/json/
"""

import json
import re
import sys

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = metadata["resolve"]["root"]
# Cargo writes this file, a line for each field; Python before 3.11 has no reader of TOML.
with open(f"{metadata['workspace_root']}/Cargo.lock", encoding="utf-8") as lock:
    fields = [dict(re.findall(r'^(\w+) = "(.*)"$', part, re.M)) for part in lock.read().split("[[package]]")[1:]]
checksums = {(package["name"], package["version"]): package.get("checksum") for package in fields}


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def needed(node):
    """The crates that end up in the program or make it, without those of tests."""
    kinds = lambda dependency: {kind["kind"] for kind in dependency["dep_kinds"]}
    return [dependency["pkg"] for dependency in node["deps"] if kinds(dependency) - {"dev"}]


seen, waiting = set(), [root]
while waiting:
    package = waiting.pop()
    if package not in seen:
        seen.add(package)
        waiting.extend(needed(nodes[package]))


def component(package, kind):
    entry = {
        "type": kind,
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package["license"]:
        # Some crates still write the old form of `OR`.
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


ordered = sorted(seen, key=lambda package: reference(packages[package]))
document = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {"component": component(packages[root], "application")},
    "components": [component(packages[package], "library") for package in ordered if package != root],
    "dependencies": [
        {
            "ref": reference(packages[package]),
            "dependsOn": sorted(reference(packages[other]) for other in set(needed(nodes[package]))),
        }
        for package in ordered
    ],
}
json.dump(document, sys.stdout, indent=2, sort_keys=True)
print()
