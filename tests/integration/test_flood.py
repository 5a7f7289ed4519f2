"""Floods at the door: what a stranger costs, and what those inside notice.

Memory is counted; who is inside, and who has a good password, is served all the same. In the large size (ROOST_LARGE) floods
run at full speed and times are held to their goals; they are printed with the load of the machine. In the small one nothing
depends on time.
"""

import os
import re
import resource
import socket
import ssl
import statistics
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, PASSWORD, ROOST, Server, wait_for

LARGE = os.environ.get("ROOST_LARGE") == "1"
STRANGERS = 3000 if LARGE else 300  # below what a gate lets in at once
SLOW = 20_000 if LARGE else 400
HALF_LITERALS = 5_000 if LARGE else 100
FLOOD_SEC = 20 if LARGE else 0
LOGINS = 300 if LARGE else 10
AT_REST_KIB, HANDSHAKING_KIB = 20, 80  # a connection, TLS included
SLACK_KIB = 2048  # of a process: pools that the first connections fill
TOTAL_KIB = 256 << 10  # of all gates, whatever is sent


def raise_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def client_hello():
    """The first flight of a handshake that will not go on."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class Flood(unittest.TestCase):
    def setUp(self):
        self.files = raise_files()
        self.server = Server(users=3, strangers_per_source="4096")  # all come from one address
        self.addCleanup(self.server.close)
        self.server.start()
        self.inside = self.server.wire("u1")
        self.addCleanup(self.inside.close)
        self.inside.ok("SELECT INBOX")
        with open(ROOST, "rb") as program:
            self.instrumented = b"__asan_init" in program.read()
        self.socks = []
        self.addCleanup(self.close_all)

    def close_all(self):
        for sock in self.socks:
            sock.close()

    def gates_kib(self):
        out = 0
        for pid in self.server.roles()["gate"]:
            with open("/proc/%d/status" % pid, encoding="ascii") as text:
                out += int(re.search(r"RssAnon:\s+(\d+)", text.read()).group(1))
        return out

    def connect(self, port):
        sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SEC)
        self.socks.append(sock)
        return sock

    def cost(self, count, open_one, limit_kib, what):
        """KiB a connection, counted from the second half: the first fills pools."""
        for _ in range(count // 2):
            open_one()
        before = self.gates_kib()
        for _ in range(count - count // 2):
            open_one()
        grown = self.gates_kib() - before
        each = grown / (count - count // 2)
        print("%s: %.1f KiB each of %d; load %.1f" % (what, each, count, os.getloadavg()[0]))
        if not self.instrumented:
            self.assertLessEqual(grown, (count - count // 2) * limit_kib + SLACK_KIB, what)
            self.assertLessEqual(self.gates_kib(), TOTAL_KIB)

    def served(self):
        """Somebody inside, and somebody who comes now with a good password."""
        self.inside.ok("NOOP")
        with self.server.wire("u2") as wire:
            wire.ok("NOOP")

    # ---- memory

    def test_a_stranger_at_rest(self):
        context = self.server.tls_context()

        def open_one():
            sock = context.wrap_socket(self.connect(self.server.imaps_port), server_hostname="localhost")
            self.socks[-1] = sock
            self.assertIn(b"* OK", sock.recv(1000))
        self.cost(STRANGERS, open_one, AT_REST_KIB, "a stranger at rest, TLS")
        self.served()

    def test_a_handshake_that_does_not_go_on(self):
        hello = client_hello()

        def open_one():
            sock = self.connect(self.server.imaps_port)
            sock.sendall(hello)
            self.assertTrue(sock.recv(1, socket.MSG_PEEK))
        self.cost(min(STRANGERS, 400), open_one, HANDSHAKING_KIB, "a handshake that does not go on")
        self.served()

    def test_whatever_is_sent_there_is_an_end(self):
        """Lines, literals and logins that are as long as they may be and never end, many at once."""
        for number in range(STRANGERS):
            sock = self.connect(self.server.imap_port)
            try:
                sock.recv(300)
                if number % 3 == 0:
                    sock.sendall(b"a LOGIN " + b"x" * 8000)
                elif number % 3 == 1:
                    sock.sendall(b"a AUTHENTICATE PLAIN\r\n")
                    sock.sendall(b"A" * 87_000)
                else:
                    sock.sendall(b"a LOGIN {4000+}\r\n" + b"x" * 3999)
            except OSError:
                pass  # closed: that is an answer
        if not self.instrumented:
            self.assertLessEqual(self.gates_kib(), TOTAL_KIB)
        print("%d connections in the middle of something long: %d KiB of gates" % (STRANGERS, self.gates_kib()))
        self.served()

    # ---- slow ones

    def test_slow_strangers_and_half_literals(self):
        """More of them than there is room for: the oldest go first, and who is quick gets in."""
        slow = min(SLOW, self.files - HALF_LITERALS - 200)
        pids = self.server.roles()
        for _ in range(slow):
            self.connect(self.server.imap_port).sendall(b"a")
        for _ in range(HALF_LITERALS):
            self.connect(self.server.imap_port).sendall(b"a LOGIN u1 {%d+}\r\nhal" % len(PASSWORD))
        for _ in range(LOGINS // 10):
            self.served()
        self.assertEqual(self.server.roles(), pids)
        if LARGE and slow > 10_000:
            first, last = self.socks[0], self.socks[-1]
            first.settimeout(DEADLINE_SEC)
            self.assertEqual(self.ended(first), True, "the oldest has given way")
            last.setblocking(False)
            self.assertEqual(self.ended(last), False, "the newest is there")

    @staticmethod
    def ended(sock):
        try:
            while True:
                part = sock.recv(4096)
                if not part:
                    return True
        except (BlockingIOError, socket.timeout):
            return False
        except ConnectionError:
            return True

    # ---- fast ones

    def flood(self, stop, counts, at):
        context = self.server.tls_context()
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.server.imaps_port), timeout=DEADLINE_SEC) as plain:
                    with context.wrap_socket(plain, server_hostname="localhost") as sock:
                        if counts[at] % 4 == 0:
                            sock.recv(1000)
                            sock.sendall(b'a LOGIN u3 "wrong %d"\r\n' % counts[at])
                            sock.recv(1000)
                counts[at] += 1
            except OSError:
                counts[at] += 1

    def median(self, count):
        times = []
        for _ in range(count):
            begun = time.perf_counter()
            self.inside.ok("NOOP")
            times.append(time.perf_counter() - begun)
        return statistics.median(times)

    def test_a_flood_of_connections_and_bad_logins(self):
        calm = self.median(500 if LARGE else 20)
        stop, counts, late = threading.Event(), [0] * 8, 0
        threads = [threading.Thread(target=self.flood, args=(stop, counts, at), daemon=True) for at in range(len(counts))]
        for thread in threads:
            thread.start()
        wait_for(lambda: sum(counts) > 20, "a flood")
        end = time.monotonic() + FLOOD_SEC
        done = 0
        while done < LOGINS or time.monotonic() < end:
            begun = time.monotonic()
            with self.server.wire() as wire:
                answer = wire.command("LOGIN u2 %s" % PASSWORD)[1]
            self.assertTrue(answer.startswith(b"OK"), answer)
            late += time.monotonic() - begun > 2
            done += 1
            if done > 100 * LOGINS:
                break
        rough = self.median(500 if LARGE else 20)
        stop.set()
        for thread in threads:
            thread.join(DEADLINE_SEC)
        print("%d connections, a quarter with a bad login; %d good logins, %d of them over 2 s; inside, median %.3f ms, "
              "before %.3f; load %.1f" % (sum(counts), done, late, rough * 1e3, calm * 1e3, os.getloadavg()[0]))
        if LARGE:
            self.assertLessEqual(late, done // 100)


if __name__ == "__main__":
    unittest.main()
