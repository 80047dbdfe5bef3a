#!/bin/sh
# Starts PostgreSQL as the upstream image does, as far as the application uses it:
# POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD_FILE count when the data folder is empty.
set -eu

if [ "$(id -u)" = 0 ]; then
    chown postgres:postgres "$PGDATA"
    mkdir -p /run/postgresql
    chown postgres:postgres /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="${POSTGRES_USER:=postgres}" --pwfile="${POSTGRES_PASSWORD_FILE:?must name a file}" --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256 -D "$PGDATA"
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    if [ "${POSTGRES_DB:=$POSTGRES_USER}" != postgres ]; then
        printf 'CREATE DATABASE "%s";\n' "$POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
    fi
fi
exec "$@"
