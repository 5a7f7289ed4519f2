"""One message with UTF-8 in its header, stored as it is, and shown to old programs in 7 bits (RFC 6858)."""

import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server
from seed import seed

HEADER = "From: Jörg <jörg@exämple.example>\r\nSubject: grüße\r\nX-Note: ü\r\n\r\n".encode()
SHOWN = (b"From: =?utf-8?B?SsO2cmcgKGrDtnJnQGV4w6RtcGxlLmV4YW1wbGUp?= <invalid@internationalized-address.invalid>\r\n"
         b"Subject: =?utf-8?B?Z3LDvMOfZQ==?=\r\n\r\n")
BODY = b"".join(b"line %d: %s\r\n" % (n, "ü".encode() * (n % 30)) for n in range(30000))


class Downgraded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=1).start()
        cls.addClassCleanup(cls.server.close)
        with cls.server.wire("u1", tls=False) as wire:
            wire.ok("ENABLE UTF8=ACCEPT")
            wire.append("INBOX", HEADER + BODY)

    def wire(self, utf8=False):
        wire = self.server.wire("u1", tls=False)
        self.addCleanup(wire.close)
        if utf8:
            wire.ok("ENABLE UTF8=ACCEPT")
        wire.ok("EXAMINE INBOX")
        return wire

    def literal(self, wire, item):
        line, = [line for line in wire.ok("FETCH 1 " + item) if b" FETCH (" in line]
        found = re.match(rb"\* 1 FETCH \(\S+ (?:\{(\d+)\}\r\n)?", line, re.S)
        if found.group(1) is None:
            return line[found.end() + 1:-2]  # a quoted string
        self.assertEqual(len(line) - found.end() - 1, int(found.group(1)))
        return line[found.end():-1]

    def test_all_of_it_however_long_the_answer(self):
        wire = self.wire()
        self.assertEqual(self.literal(wire, "BODY[]"), SHOWN + BODY)
        self.assertEqual(self.literal(wire, "BODY[TEXT]"), BODY)
        self.assertEqual(self.literal(wire, "BODY[HEADER]"), SHOWN)
        self.assertEqual(wire.ok("FETCH 1 RFC822.SIZE")[0], b"* 1 FETCH (RFC822.SIZE %d)" % len(SHOWN + BODY))
        self.assertEqual(self.literal(self.wire(utf8=True), "BODY[]"), HEADER + BODY)

    def test_pieces_are_of_the_same_message(self):
        rng, wire, whole = random.Random(seed()), self.wire(), SHOWN + BODY
        for _ in range(50):
            start = rng.randrange(2 * len(SHOWN) if rng.random() < 0.5 else len(whole) + 10)
            n = rng.randrange(1001, 300000)
            self.assertEqual(self.literal(wire, "BODY[]<%d.%d>" % (start, n)), whole[start:start + n])

    def test_what_is_exported_is_what_came(self):
        with tempfile.TemporaryDirectory(prefix="roost-downgraded-", dir="/tmp") as folder:
            subprocess.run([ROOST, "export", "u1", folder, "-c", self.server.config], check=True, capture_output=True)
            found = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names
                     if os.path.basename(root) in ("cur", "new")]
            self.assertEqual(len(found), 1)
            with open(found[0], "rb") as data:
                self.assertEqual(data.read(), HEADER + BODY)


if __name__ == "__main__":
    unittest.main()
