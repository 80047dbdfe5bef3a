#!/bin/sh
# Where the upstream image has its entrypoint.
exec /usr/share/grafana/bin/grafana server "$@"
