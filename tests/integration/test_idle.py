"""What idle sessions cost in memory, and what clients that never read cost others.

200 sessions; ROOST_LARGE=1 makes it 2,000.
"""

import os
import re
import resource
import socket
import statistics
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, PASSWORD, Server, Wire, is_sanitized, pss_kib, sample, wait_for

N = 2000 if os.environ.get("ROOST_LARGE") else 200
USERS = 50
GATE_KIB = 18  # a session in IDLE over TLS, proportional set size
MAIL_KIB = 4
DEAF = 200  # connections_per_user
HELD_KIB = 2 * (256 + 64)  # CLIENT_HELD_BYTES and what one step may add to it; as much sent and not yet dropped
GATE_DEAF_KIB = 100  # 16 KiB a direction, a TLS record being made, and the connection itself
ROUNDS = 300


class Memory(unittest.TestCase):
    def setUp(self):
        if is_sanitized():
            self.skipTest("a sanitizer's own memory is in the way")
        if os.geteuid() != 0:
            self.skipTest("only root reads smaps of processes that cannot be traced")
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.server = Server(users=USERS).start()
        self.addCleanup(self.server.close)
        self.roles = self.server.roles()

    def pss(self, role):
        return sum(pss_kib(pid) for pid in self.roles[role])

    def test_sessions_in_idle(self):
        clients = []
        self.addCleanup(lambda: [client.close() for client in clients])

        def grow(n):
            while len(clients) < n:
                client = self.server.wire("u%d" % (len(clients) % USERS + 1))
                clients.append(client)
                client.ok("SELECT INBOX")
                client.idle()

        grow(N // 4)
        grow(N // 2)
        half = {role: self.pss(role) for role in ("gate", "mail")}
        grow(N)

        def slope(role):
            return (self.pss(role) - half[role]) / (N - N // 2)

        # A gate gives the holes that handshakes leave back to the kernel every few seconds.
        wait_for(lambda: slope("gate") <= GATE_KIB and slope("mail") <= MAIL_KIB,
                 lambda: "gate %.2f KiB, mail %.2f KiB a session" % (slope("gate"), slope("mail")))
        print("\n%d sessions in IDLE: gate %.2f KiB, mail %.2f KiB each" %
              (N, slope("gate"), slope("mail")), file=sys.stderr)
        # And they hear of mail.
        self.server.deliver("u1", sample(1))
        for client in clients[::USERS]:
            self.assertEqual(client.line(), b"* 1 EXISTS")


class Deaf(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=2).start()
        self.addCleanup(self.server.close)

    def rounds(self, client):
        """Seconds of each round trip; each is answered in full."""
        out = []
        for _ in range(ROUNDS):
            before = time.monotonic()
            self.assertEqual(len(client.ok("FETCH 1:10 (FLAGS UID)")), 10)
            out.append(time.monotonic() - before)
        return sorted(out)

    def test_one_that_idles_and_does_not_read(self):
        """News wait in the mailbox, not in memory: of each message the last is told, not all."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the kernel holds little for it, at either end
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        sock.settimeout(DEADLINE_SEC)
        sock.connect(("127.0.0.1", self.server.imap_port))
        deaf, other = Wire(sock), self.server.wire("u1")
        self.addCleanup(deaf.close)
        self.addCleanup(other.close)
        deaf.line()
        deaf.ok("LOGIN u1 " + PASSWORD)
        other.append("INBOX", sample(1))
        other.ok("SELECT INBOX")
        for _ in range(10):
            other.ok("COPY 1:* INBOX")
        deaf.ok("SELECT INBOX")
        tag = deaf.idle()
        for number in range(ROUNDS):
            other.ok("STORE 1:* %sFLAGS.SILENT (\\Seen)" % "+-"[number % 2])
        other.ok("STORE 1:* FLAGS.SILENT (\\Seen \\Flagged)")
        told, _ = deaf.done(tag)
        flags = dict(re.fullmatch(rb"\* (\d+) FETCH \(.*FLAGS \(([^)]*)\).*\)", line).groups()
                     for line in told if b" FETCH " in line)
        self.assertEqual(len(flags), 1024)
        for words in flags.values():
            self.assertEqual(set(words.split()) - {b"\\Recent"}, {b"\\Seen", b"\\Flagged"})
        self.assertLess(len(told), ROUNDS * len(flags) // 4)

    def test_connections_that_never_read(self):
        other = self.server.wire("u2")
        self.addCleanup(other.close)
        for number in range(10):
            other.append("INBOX", sample(number))
        other.ok("SELECT INBOX")
        alone = self.rounds(other)
        with self.server.wire("u1") as client:
            client.append("INBOX", sample(1, 4 << 20))
        roles = self.server.roles()
        measures = not is_sanitized() and os.geteuid() == 0
        before = {role: sum(map(pss_kib, roles[role])) for role in ("mail", "gate")} if measures else {}
        deaf = []
        for _ in range(DEAF):
            client = self.server.wire("u1")
            self.addCleanup(client.close)
            client.ok("SELECT INBOX")
            for _ in range(20):
                client.send("FETCH 1 BODY.PEEK[]")
            deaf.append(client)
        beside = self.rounds(other)
        self.server.deliver("u2", sample(100))
        self.assertEqual(other.ok("NOOP")[0], b"* 11 EXISTS")
        if measures:
            grown = {role: sum(map(pss_kib, roles[role])) - before[role] for role in before}
            print("\n%d that never read: mail +%d KiB, gate +%d KiB; round trip of another, median %.0f us"
                  " alone, %.0f us beside them" % (
                      DEAF, grown["mail"], grown["gate"], 1e6 * statistics.median(alone),
                      1e6 * statistics.median(beside)), file=sys.stderr)
            self.assertLess(grown["mail"], DEAF * HELD_KIB)
            self.assertLess(grown["gate"], DEAF * GATE_DEAF_KIB)
        # One that wakes up gets all of it, in order.
        untagged, tagged = deaf[0].until(b"t%d" % deaf[0].n)
        self.assertTrue(tagged.startswith(b"OK"))
        self.assertEqual(sum(line.endswith(b")") and b" FETCH (" in line[:20] for line in untagged), 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
