#!/usr/bin/env bash
# The fixed door for measuring: a Roost of the release build with its own data under DIR, on 127.0.0.1.
#
#   roost.sh start DIR   returns 0 when it answers (recovers after a kill)
#   roost.sh stop DIR    ends it cleanly
#   roost.sh pid DIR     the supervisor's pid
#   roost.sh info        host, ports, user and password, one line
#
# Ports: BASE (25100) + 43 IMAP without TLS, + 93 IMAP over TLS, + 24 LMTP. Users u1..u50, password "pass".
# Everything that is not said here is at its default: durable, sandboxed.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
roost=${ROOST:-$here/build/release/src/roost}
base=${BASE:-25100}
imap=$((base + 43)) imaps=$((base + 93)) lmtp=$((base + 24))
wait_tenths=200

usage() {
    echo "usage: $0 start DIR | stop DIR | pid DIR | info" >&2
    exit 2
}

make_store() {
    local dir=$1 i
    "$here/dev/users"
    "$roost" init "$dir" --user admin --hostname localhost --imaps "127.0.0.1:$imaps" \
        --imap "127.0.0.1:$imap" --lmtp "127.0.0.1:$lmtp" >"$dir.init"
    rm -f "$dir.init" # the first account's password is not needed here
    mkdir -p "$dir/users"
    chmod 0755 "$dir/users"
    for i in $(seq 50); do
        echo "u$i:{PLAIN}pass::::::"
    done >"$dir/users/passwd"
    sed -i 's/^domains = .*/domains = {"*"}/' "$dir/roost.conf"
    {
        echo "plaintext_loopback = yes"
        echo "passwd_file = \"users/passwd\""
        echo "log = \"file:$dir/log/roost.log\""
    } >>"$dir/roost.conf"
    mkdir -p "$dir/log"
    [ "$(id -u)" -ne 0 ] || chown roost-log "$dir/log"
}

running() { # the pid, if the process is there and is ours
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null &&
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q " serve " && echo "$pid"
}

answers() {
    local greeting
    exec 3<>"/dev/tcp/127.0.0.1/$imap" || return 1
    read -r -t 2 greeting <&3 && [ "${greeting#\* OK}" != "$greeting" ]
    local rc=$?
    exec 3>&-
    return $rc
} 2>/dev/null

start() {
    local dir=$1 i
    dir=$(mkdir -p "$(dirname "$dir")" && cd "$(dirname "$dir")" && pwd)/$(basename "$dir")
    if running "$dir" >/dev/null; then
        echo "$0: already running in $dir" >&2
        return 1
    fi
    [ -e "$dir/roost.conf" ] || make_store "$dir"
    setsid "$roost" serve -c "$dir/roost.conf" </dev/null >>"$dir/console.log" 2>&1 &
    echo $! >"$dir/pid"
    for i in $(seq $wait_tenths); do
        answers && return 0
        running "$dir" >/dev/null || break
        sleep 0.1
    done
    echo "$0: no answer on port $imap; see $dir/console.log" >&2
    return 1
}

stop() {
    local dir=$1 pid i
    pid=$(running "$dir") || return 0
    kill "$pid"
    for i in $(seq $wait_tenths); do
        kill -0 "$pid" 2>/dev/null || { rm -f "$dir/pid"; return 0; }
        sleep 0.1
    done
    echo "$0: process $pid does not end" >&2
    return 1
}

case "${1:-}" in
start) [ $# -eq 2 ] || usage; start "$2" ;;
stop) [ $# -eq 2 ] || usage; stop "$2" ;;
pid) [ $# -eq 2 ] || usage; running "$2" ;;
info) echo "host=127.0.0.1 imap=$imap imaps=$imaps lmtp=$lmtp user=u1 password=pass" ;;
*) usage ;;
esac
