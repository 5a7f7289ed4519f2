#!/usr/bin/env bash
# The same door as roost.sh, with Debian's Dovecot behind it: sdbox, its defaults of durability (mail_fsync = optimized) and of processes (a
# login process and a mail process for each connection; TUNED=1: reused), limits raised to thousands of sessions (inotify instances too), {PLAIN} passwords from a file.
#
#   dovecot.sh start DIR | stop DIR | pid DIR | info | version
#
# Ports: BASE (25200) + 43 IMAP without TLS, + 93 IMAP over TLS, + 24 LMTP. Users u1..u50 (USERS), password "pass". Root only: Dovecot's processes
# have users of their own. DIR/cert.pem is made by openssl.
set -eu

base=${BASE:-25200}
inotify_instances=16384
# shellcheck source=bench/servers/door.sh
. "$(dirname "$0")/door.sh"

need_dovecot() {
    if command -v dovecot >/dev/null && [ -e /usr/lib/dovecot/lmtp ]; then
        return 0
    fi
    apt-get update >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends dovecot-imapd dovecot-lmtpd >&2
}

make_store() {
    local dir=$1 i reuse_login='' reuse_imap=''
    if [ -n "${TUNED:-}" ]; then
        reuse_login=$'  service_count = 0\n  process_min_avail = 2'
        reuse_imap='  service_count = 100'
    fi
    mkdir -p "$dir/run" "$dir/mail"
    chmod 0755 "$dir"
    chown mail:mail "$dir/mail"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
    for i in $(seq "${USERS:-50}"); do
        echo "u$i:{PLAIN}pass::::::"
    done >"$dir/passwd"
    cat >"$dir/dovecot.conf" <<END
base_dir = $dir/run
state_dir = $dir/run
instance_name = bench
log_path = $dir/dovecot.log
listen = 127.0.0.1
protocols = imap lmtp
mail_location = sdbox:$dir/mail/%n
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
mail_max_userip_connections = 10000
disable_plaintext_auth = no
auth_mechanisms = plain
auth_username_format = %Ln
ssl = yes
ssl_cert = <$dir/cert.pem
ssl_key = <$dir/key.pem
passdb {
  driver = passwd-file
  args = scheme=PLAIN $dir/passwd
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$dir/mail/%n
}
namespace inbox {
  inbox = yes
  separator = /
}
protocol imap {
  mail_plugins = zlib imap_zlib
}
service anvil {
  client_limit = 18000
}
service auth {
  client_limit = 18000
}
service imap-login {
  client_limit = 8000
  process_limit = 8000
$reuse_login
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = $imaps
    ssl = yes
  }
}
service imap {
  process_limit = 8000
$reuse_imap
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $lmtp
  }
}
END
}

# A session in IDLE takes an instance of inotify. The system's 128 are soon gone, and who has none looks each half minute.
raise_inotify() {
    local limit=/proc/sys/fs/inotify/max_user_instances
    [ "$(cat "$limit")" -ge "$inotify_instances" ] || echo "$inotify_instances" >"$limit" || echo "$0: $limit stays too low" >&2
}

running() {
    ours "$1/run/master.pid" "-c $1/dovecot.conf"
}

start() {
    local dir=$1 i
    ! running "$dir" >/dev/null || fail "already running in $dir"
    need_dovecot
    [ -e "$dir/dovecot.conf" ] || make_store "$dir"
    ulimit -n "$(ulimit -Hn)"
    raise_inotify
    dovecot -c "$dir/dovecot.conf"
    for i in $(seq $wait_tenths); do
        if answers; then
            return 0
        fi
        sleep 0.1
    done
    tail -n 5 "$dir/dovecot.log" >&2
    fail "no answer on port $imap; see $dir/dovecot.log"
}

version() {
    need_dovecot && echo "Dovecot $(dovecot --version), sdbox${TUNED:+, processes reused}"
}

door "$@"
