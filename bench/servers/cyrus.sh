#!/usr/bin/env bash
# The same door as roost.sh, with Debian's Cyrus behind it: its defaults of durability and expunging, processes kept ready and reused, plain
# passwords in a sasldb (Cyrus reads no passwd-file), mailboxes of users made when they log in or get mail.
#
#   cyrus.sh start DIR | stop DIR | pid DIR | info | version
#
# Ports: BASE (25300) + 43 IMAP without TLS, + 93 IMAP over TLS, + 24 LMTP. Users u1..u50 (USERS), password "pass". Root only: Cyrus has a user of its
# own. Its package excludes Dovecot's, so what cyrus-common lacks of it is unpacked below CYRUS_ROOT (/var/tmp/roost-bench-cyrus).
set -eu

base=${BASE:-25300}
# shellcheck source=bench/servers/door.sh
. "$(dirname "$0")/door.sh"
end_signal=QUIT # master ends its services, then itself
root=${CYRUS_ROOT:-/var/tmp/roost-bench-cyrus}

# The folder with imapd and idled: Debian's own, or what was unpacked.
programs() {
    if [ -x /usr/lib/cyrus/bin/imapd ]; then
        echo /usr/lib/cyrus/bin
    else
        echo "$root/usr/lib/cyrus/bin"
    fi
}

need_cyrus() {
    local missing=()
    [ -x /usr/lib/cyrus/bin/master ] || missing+=(cyrus-common)
    command -v saslpasswd2 >/dev/null || missing+=(sasl2-bin)
    if [ ${#missing[@]} -gt 0 ]; then
        apt-get update >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2
    fi
    [ ! -x "$(programs)/imapd" ] || return 0
    mkdir -p "$root"
    (
        cd "$root"
        apt-get download cyrus-imapd >&2
        dpkg -x cyrus-imapd_*.deb .
    )
    chmod -R go+rX "$root"
}

make_store() {
    local dir=$1 i
    mkdir -p "$dir"/{config/socket,mail,run} # imapd and lmtpd bind theirs to idled below config/socket
    chmod 0755 "$dir"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
    for i in $(seq "${USERS:-50}"); do
        echo pass | saslpasswd2 -p -c -f "$dir/sasldb2" -u bench "u$i"
    done
    cat >"$dir/imapd.conf" <<END
configdirectory: $dir/config
defaultpartition: default
partition-default: $dir/mail
proc_path: $dir/run/proc
mboxname_lockpath: $dir/run/lock
idlesocket: $dir/run/idle
lmtpsocket: $dir/run/lmtp
servername: bench
admins: cyrus
altnamespace: yes
unixhierarchysep: yes
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $dir/sasldb2
sasl_mech_list: PLAIN
autocreate_quota: 0
autocreate_post: yes
duplicatesuppression: no
delete_mode: immediate
tls_server_cert: $dir/cert.pem
tls_server_key: $dir/key.pem
END
    cat >"$dir/cyrus.conf" <<END
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C $dir/imapd.conf -r"
}
SERVICES {
  imap cmd="$(programs)/imapd -C $dir/imapd.conf -U 30" listen="127.0.0.1:$imap" prefork=2 maxchild=-1
  imaps cmd="$(programs)/imapd -s -C $dir/imapd.conf -U 30" listen="127.0.0.1:$imaps" prefork=2 maxchild=-1
  lmtp cmd="/usr/lib/cyrus/bin/lmtpd -C $dir/imapd.conf -a" listen="127.0.0.1:$lmtp" prefork=1 maxchild=-1
}
DAEMON {
  idled cmd="$(programs)/idled -C $dir/imapd.conf"
}
EVENTS {
  checkpoint cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C $dir/imapd.conf -c" period=30
}
END
    chown -R cyrus:mail "$dir"
}

running() {
    ours "$1/run/master.pid" "-M $1/cyrus.conf"
}

start() {
    local dir=$1 i
    ! running "$dir" >/dev/null || fail "already running in $dir"
    need_cyrus
    [ -e "$dir/imapd.conf" ] || make_store "$dir"
    ulimit -n "$(ulimit -Hn)"
    setsid /usr/lib/cyrus/bin/master -C "$dir/imapd.conf" -M "$dir/cyrus.conf" -p "$dir/run/master.pid" \
        </dev/null >>"$dir/console.log" 2>&1 &
    for i in $(seq $wait_tenths); do
        if answers && running "$dir" >/dev/null; then
            return 0
        fi
        sleep 0.1
    done
    tail -n 5 "$dir/console.log" >&2
    fail "no answer on port $imap; see $dir/console.log and the system's log"
}

version() {
    need_cyrus && echo "Cyrus $(dpkg-query -W -f='${Version}' cyrus-common)"
}

door "$@"
