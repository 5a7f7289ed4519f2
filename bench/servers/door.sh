# shellcheck shell=bash
# What the doors have in common; sourced by NAME.sh, which has set base and defines start, running (prints the pid of DIR's server, if it is there and
# is ours), version, and end_signal if it is not TERM. At its end it calls: door "$@".

# shellcheck disable=SC2034,SC2154 # for, and of, who sources this
imap=$((base + 43)) imaps=$((base + 93)) lmtp=$((base + 24))
wait_tenths=300
end_signal=TERM

fail() {
    echo "$0: $*" >&2
    exit 1
}

ours() { # FILE WORDS: the pid in that file, if the process is there and was called with such words
    local pid
    pid=$(cat "$1" 2>/dev/null) && kill -0 "$pid" 2>/dev/null &&
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "$2" && echo "$pid"
}

usage() {
    echo "usage: $0 start DIR | stop DIR | pid DIR | info | version" >&2
    exit 2
}

answers() {
    local greeting rc
    exec 3<>"/dev/tcp/127.0.0.1/$imap" || return 1
    read -r -t 2 greeting <&3 && [ "${greeting#\* OK}" != "$greeting" ]
    rc=$?
    exec 3>&-
    return $rc
} 2>/dev/null

# A server that first ends what it has started, and hangs over it, is told again after five seconds.
stop() {
    local pid i
    pid=$(running "$1") || return 0
    kill "-$end_signal" "$pid"
    for i in $(seq $wait_tenths); do
        kill -0 "$pid" 2>/dev/null || return 0
        [ "$i" -ne 50 ] || [ "$end_signal" = TERM ] || kill "$pid" 2>/dev/null || true
        sleep 0.1
    done
    fail "process $pid does not end"
}

door() {
    local dir=
    if [ $# -eq 2 ]; then
        mkdir -p "$(dirname "$2")"
        dir=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
    fi
    case "$#${1:-}" in
    2start) start "$dir" ;;
    2stop) stop "$dir" ;;
    2pid) running "$dir" ;;
    1info) echo "host=127.0.0.1 imap=$imap imaps=$imaps lmtp=$lmtp user=u1 password=pass" ;;
    1version) version ;;
    *) usage ;;
    esac
}
