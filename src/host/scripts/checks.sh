# Prints the checks of a kept release. Arguments: REMOTE PROJECT RELEASE.
# shellcheck shell=sh disable=SC2154
use "$1" "$2"
cat "$records/releases/$3/checks.json"
