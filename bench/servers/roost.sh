#!/usr/bin/env bash
# The fixed door for measuring: a Roost of the release build with its own data under DIR, on 127.0.0.1.
#
#   roost.sh start DIR   returns 0 when it answers; recovers what a kill -9 left
#   roost.sh stop DIR    ends it cleanly
#   roost.sh pid DIR     the supervisor's pid
#   roost.sh info        host, ports, user and password, one line
#   roost.sh version     what it is
#
# Ports: BASE (25100) + 43 IMAP without TLS, + 93 IMAP over TLS, + 24 LMTP. Users u1..u50 (USERS), password "pass"; u1 and
# u1@anything reach u1. DIR/cert.pem is the certificate, for localhost and 127.0.0.1. What is not said here is at its
# default: durable, sandboxed. ROOST names another executable.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
roost=${ROOST:-$here/build/release/src/roost}
base=${BASE:-25100}
# shellcheck source=bench/servers/door.sh
. "$(dirname "$0")/door.sh"

need_executable() {
    [ ! -x "$roost" ] || return 0
    [ -z "${ROOST:-}" ] || fail "no $ROOST"
    (
        cd "$here"
        dev/install-deps build
        cmake --preset release -DROOST_TESTS=OFF
        cmake --build --preset release --target roost
    ) >&2
}

# Started as root, the processes have users of their own, who must be able to walk to the data.
may_be_reached() {
    local at=$1
    while [ "$at" != / ]; do
        [ $((0$(stat -c %a "$at") & 1)) -eq 1 ] || return 1
        at=$(dirname "$at")
    done
}

make_store() {
    local dir=$1 i
    "$here/dev/users"
    "$roost" init "$dir" --user admin --hostname localhost --imaps "127.0.0.1:$imaps" --imap "127.0.0.1:$imap" \
        --lmtp "127.0.0.1:$lmtp" --sandbox auto >/dev/null
    mkdir -p "$dir/users" "$dir/log"
    chmod 0755 "$dir/users"
    for i in $(seq "${USERS:-50}"); do
        echo "u$i:{PLAIN}pass::::::"
    done >"$dir/users/passwd"
    sed -i 's/^domains = .*/domains = {"*"}/; /^log = /d' "$dir/roost.conf"
    {
        echo "plaintext_loopback = yes"
        echo "passwd_file = \"users/passwd\""
        echo "log = \"file:$dir/log/roost.log\""
    } >>"$dir/roost.conf"
    if [ "$(id -u)" -eq 0 ]; then
        if may_be_reached "$(dirname "$dir")"; then
            chown roost-log "$dir/log"
        else
            echo "$0: $dir lies below a folder that other users may not pass: one user for all processes" >&2
            own_everything "$dir"
        fi
    fi
}

own_everything() {
    echo 'user_prefix = ""' >>"$1/roost.conf"
    chown -R "$(id -u):$(id -g)" "$1"
}

running() {
    ours "$1/pid" " serve -c $1/roost.conf"
}

# After a kill -9 the supervisor itself may still be ending, and the roles of before may hold the ports for a moment: a
# server that is there gets a second to go, and one that ends at once is tried again.
start() {
    local dir=$1 i
    for i in $(seq 10); do
        running "$dir" >/dev/null || break
        sleep 0.1
    done
    ! running "$dir" >/dev/null || fail "already running in $dir"
    need_executable
    [ -e "$dir/roost.conf" ] || make_store "$dir"
    for i in $(seq $wait_tenths); do
        if ! running "$dir" >/dev/null; then
            setsid "$roost" serve -c "$dir/roost.conf" </dev/null >>"$dir/console.log" 2>&1 &
            echo $! >"$dir/pid"
            sleep 0.1
        fi
        if answers && running "$dir" >/dev/null; then
            return 0
        fi
        sleep 0.1
    done
    ! running "$dir" >/dev/null || kill "$(cat "$dir/pid")"
    tail -n 5 "$dir/console.log" >&2
    fail "no answer on port $imap; see $dir/console.log and $dir/log/roost.log"
}

version() {
    need_executable && "$roost" --version
}

door "$@"
