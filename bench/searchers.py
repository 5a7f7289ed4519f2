#!/usr/bin/env python3
"""What 64 sessions that search all the time cost everybody else: p50 and p99 of a mixed load with them and without, in turns.

    ROOST=build/release/src/roost python3 bench/searchers.py [ROUNDS [CLIENTS [OPERATIONS]]]

Each round is `load mixed` (CLIENTS of it over users u1, u2...; it checks every answer) with nobody searching, then with 64 sessions
that search mailboxes of other accounts, then of the accounts of the load itself. Their searches are those that no index answers:
needles of one octet, and words that are nowhere but whose trigrams are in most mails. Figures are medians of the rounds; beside them
what the searchers did and the processor time of the mail role. The driver, the searchers and the server share the machine.
"""

import os
import random
import re
import selectors
import statistics
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/lib"))
os.environ.setdefault("ROOST_SOURCE", os.path.join(HERE, ".."))
from roost_server import ROOST, Server

SESSIONS = 64
ACCOUNTS = 16  # of the load (two clients each) and as many others
MAILS, COPIES = 500, 8  # distinct ones of an account; a mailbox to search holds all copies
WORDS = ("the and there other another together weather gather rather either further father mother brother "
         "within without thing nothing something everything morning evening meeting reading writing").split()
NEEDLES = (b"TEXT ~", b"BODY ^", b"TEXT theringother", b"BODY everythingether", b"TEXT {1+}\r\n`")
LOAD = os.path.join(os.path.dirname(ROOST), "../bench/load")


def mail(rnd, number):
    lines = "".join(" ".join(rnd.choices(WORDS, k=12)) + "\r\n" for _ in range(40))
    return ("From: a%d@example.org\r\nSubject: number %d\r\n\r\n%s" % (number % 7, number, lines)).encode()


def fill(server, user, mails):
    with server.wire(user, tls=False) as wire:
        wire.ok("CREATE some")
        wire.ok("CREATE many")
        wire.ok(b"APPEND some" + b"".join(b" {%d+}\r\n%s" % (len(one), one) for one in mails))
        wire.ok("SELECT some")
        for _ in range(COPIES):
            wire.ok("COPY 1:* many")


class Searchers:
    """Sessions that send their next search as soon as the one before is answered; one thread."""

    def __init__(self, server, users):
        self.wires = [server.wire(users[i % len(users)], tls=False) for i in range(SESSIONS)]
        for wire in self.wires:
            wire.ok("SELECT many")
        self.done, self.failed, self.stop = 0, [], False
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()
        if self.failed:
            raise AssertionError(self.failed[0])

    def ask(self, wire, count):
        wire.raw(b"s UID SEARCH RETURN (COUNT) %s\r\n" % NEEDLES[count % len(NEEDLES)])

    def run(self):
        waiting = selectors.DefaultSelector()
        for number, wire in enumerate(self.wires):
            self.ask(wire, number)
            waiting.register(wire.sock, selectors.EVENT_READ, [wire, b"", number])
        left = len(self.wires)
        while left > 0:
            for key, _ in waiting.select():
                row = key.data
                row[1] += row[0].sock.recv(1 << 16)
                if not row[1].endswith(b"\r\n") or b"s OK" not in row[1]:
                    if re.search(rb"^s (NO|BAD)", row[1], re.M) or not row[1]:
                        self.failed.append(row[1])
                        return
                    continue
                self.done += 1
                row[1], row[2] = b"", row[2] + 1
                if self.stop:
                    waiting.unregister(row[0].sock)
                    row[0].close()
                    left -= 1
                else:
                    self.ask(row[0], row[2])


def cpu_ms(server):
    used = 0
    for pid in server.roles()["mail"]:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task), encoding="ascii") as text:
                used += int(text.read().split()[0]) / 1e6
    return used


def load(server, clients, operations):
    """p50 and p99 in microseconds."""
    done = subprocess.run([LOAD, "-h", "127.0.0.1", "-i", str(server.imap_port), "-I", str(server.imaps_port), "-l",
                           str(server.lmtp_port), "-p", "pass", "-c", str(clients), "-n", str(operations), "mixed"],
                          capture_output=True, text=True, check=True)
    return [int(re.search(r"\tp%d_us=(\d+)" % part, done.stdout)[1]) for part in (50, 99)]


def main():
    rounds, clients, operations = (int(arg) for arg in (sys.argv[1:] + ["5", "32", "400"][len(sys.argv) - 1:]))
    rnd = random.Random(1)
    with Server(users=2 * ACCOUNTS) as server:
        mails = [mail(rnd, number) for number in range(MAILS)]
        for user in range(1, 2 * ACCOUNTS + 1):
            fill(server, "u%d" % user, mails)
        crowds = {"nobody searches": [], "64 search elsewhere": ["u%d" % n for n in range(ACCOUNTS + 1, 2 * ACCOUNTS + 1)],
                  "64 search the same": ["u%d" % n for n in range(1, ACCOUNTS + 1)]}
        figures = {name: [] for name in crowds}
        for _ in range(rounds):
            for name, users in crowds.items():
                before = cpu_ms(server)
                if users:
                    with Searchers(server, users) as searchers:
                        p50, p99 = load(server, clients, operations)
                    done = searchers.done
                else:
                    (p50, p99), done = load(server, clients, operations), 0
                figures[name].append((p50, p99, done, cpu_ms(server) - before))
                print("%-22s p50 %6d us, p99 %7d us; %5d searches, mail role %6.0f ms" % (name, *figures[name][-1]), flush=True)
    print("\nmedians of %d rounds, %d clients" % (rounds, clients))
    alone = [statistics.median(row[i] for row in figures["nobody searches"]) for i in range(2)]
    for name, rows in figures.items():
        median = [statistics.median(row[i] for row in rows) for i in range(2)]
        print("%-22s p50 %6.0f us (%+4.0f %%), p99 %7.0f us (%+4.0f %%)" % (
            name, median[0], 100 * (median[0] / alone[0] - 1), median[1], 100 * (median[1] / alone[1] - 1)))


if __name__ == "__main__":
    main()
