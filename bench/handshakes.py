#!/usr/bin/env python3
"""Full TLS handshakes a second that a core of the server's can do, counted by CPU time, for each kind of key.

    ROOST=build/release/src/roost python3 bench/handshakes.py [--figure] [SECONDS]

`openssl s_time -new` makes them one after the other; what counts is what the gates and the process keys used, not
how long it took, so the machine may be busy. --figure: the kind that G45 is about, alone. A handshake here is the whole connection: accept, TLS, greeting, end.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/lib"))
os.environ.setdefault("ROOST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from roost_server import Server

KINDS = {
    "P-256": ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    "P-384": ("ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"),
    "Ed25519": ("ed25519",),
    "RSA-2048": ("rsa:2048",),
    "RSA-4096": ("rsa:4096",),
}


def cpu_us(pid):
    """User and system time, by the scheduler's nanoseconds."""
    with open("/proc/%d/schedstat" % pid, encoding="ascii") as text:
        return int(text.read().split()[0]) / 1000


def by_role(server):
    used = {}
    for role in ("gate", "keys"):
        used[role] = sum(cpu_us(pid) for pid in server.roles().get(role, ()))
    return used


def measure(kind, words, seconds, version):
    with Server(users=1) as server:
        subprocess.run(["openssl", "req", "-x509", "-newkey", *words, "-nodes", "-keyout",
                        os.path.join(server.data, "key.pem"), "-out", server.certificate, "-subj", "/CN=localhost",
                        "-days", "3"], check=True, capture_output=True)
        loaded = server.log().count("tls.loaded")
        server.process.send_signal(1)
        server.logged("tls.loaded", loaded + len(server.roles()["gate"]))
        before = by_role(server)
        done = subprocess.run(["openssl", "s_time", "-connect", "127.0.0.1:%d" % server.imaps_port, "-new", "-time",
                               str(seconds), version], capture_output=True, text=True, check=True)
        after = by_role(server)
    count = int(re.search(r"^(\d+) connections in \d+ real seconds", done.stdout, re.MULTILINE)[1])
    gate, keys = ((after[role] - before[role]) / count for role in ("gate", "keys"))
    print("%-9s %-8s %6d handshakes, CPU of each: gate %4.0f us, keys %4.0f us: %5.0f/s a core"
          % (kind, version[1:], count, gate, keys, 1e6 / (gate + keys)), flush=True)


def main():
    numbers = [word for word in sys.argv[1:] if word != "--figure"]
    seconds = int(numbers[0]) if numbers else 5
    if "--figure" in sys.argv[1:]:  # the one that the goal G45 is about
        measure("P-256", KINDS["P-256"], seconds, "-tls1_3")
        return
    for kind, words in KINDS.items():
        measure(kind, words, seconds, "-tls1_3")
    measure("P-256", KINDS["P-256"], seconds, "-tls1_2")


if __name__ == "__main__":
    main()
