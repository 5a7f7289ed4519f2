"""A folder of real mail, imported whole: every BODY[] is what went in, every answer is in the grammar.

Without the folder (tests/lib/corpus.py says where it is looked for) the test is skipped.
"""

import collections
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from corpus import corpus, read_corpus
from roost_server import ROOST, Server
from sections import walk
from seed import seed

JUDGE = os.environ["JUDGE"]
PARTLY = 3
SAMPLE = 400  # messages whose every section is asked for; ROOST_LARGE: all
KNOWN_MESSAGES = 8437  # what its README counts: an mbox is split at each dated From_ line behind an empty one


def digests(messages):
    return collections.Counter(hashlib.sha256(message).hexdigest() for message in messages)


class Corpus(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = corpus()
        cls.wanted, cls.extra = read_corpus(cls.folder)
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)
        done = subprocess.run([ROOST, "import", "u1", cls.folder, "--json", "-c", cls.server.config],
                              capture_output=True, text=True)
        if done.returncode != PARTLY:
            raise AssertionError(done.stdout + done.stderr)
        cls.done = json.loads(done.stdout)
        print("imported %d messages, %.0f a second" %
              (cls.done["imported"], cls.done["messages_per_second"]), flush=True)

    def wire(self, mailbox, utf8=False):
        wire = self.server.wire("u1", tls=False)
        self.addCleanup(wire.close)
        if utf8:
            wire.ok("ENABLE UTF8=ACCEPT")
        wire.ok('EXAMINE "%s"' % mailbox)
        return wire

    def judge(self, lines, what):
        done = subprocess.run([JUDGE], input=b"".join(line + b"\r\n" for line in lines), capture_output=True)
        self.assertEqual(done.returncode, 0, what + ": " + done.stdout.decode(errors="replace"))
        return int(done.stdout)

    def test_nothing_is_missing(self):
        self.assertEqual({os.path.basename(p["place"]) for p in self.done["problems"]},
                         {"README.md", "SOURCES.tsv"})
        self.assertEqual(self.done["imported"], KNOWN_MESSAGES + self.extra)
        self.assertEqual(self.done["imported"], sum(len(m) for m in self.wanted.values()))

    def test_every_body_is_what_went_in(self):
        for mailbox, wanted in self.wanted.items():
            # A literal holds no NUL (RFC 9051 4.3); the test of the export sees those bytes.
            wanted = [message.replace(b"\0", b"\x80") for message in wanted]
            found = [body for _, body in self.bodies(mailbox, utf8=True)]
            self.assertEqual(len(found), len(wanted), mailbox)
            for lost in set(wanted) - set(found):
                self.fail("%s: not there: %r" % (mailbox, lost[:500]))
            self.assertEqual(digests(found), digests(wanted), mailbox)

    def bodies(self, mailbox, utf8):
        """(RFC822.SIZE, BODY[]) of each message."""
        for line in self.wire(mailbox, utf8).ok("FETCH 1:* (RFC822.SIZE BODY.PEEK[])"):
            head = re.match(rb"\* \d+ FETCH \(RFC822.SIZE (\d+) BODY\[\] (?:\{(\d+)\}\r\n)?", line)
            if head is None:
                continue
            self.assertEqual(line[-1:], b")")
            body = line[head.end():-1]
            if head.group(2) is None:
                body = re.sub(rb'\\(["\\])', rb"\1", body[1:-1])  # a short one
            else:
                self.assertEqual(len(body), int(head.group(2)))
            yield int(head.group(1)), body

    def test_old_clients_are_shown_seven_bits_where_it_says_utf8(self):
        """RFC 6858: as stored, or downgraded: its own header is 7-bit, and the size is that of what is shown."""
        downgraded = 0
        for mailbox in self.wanted:
            stored = list(self.bodies(mailbox, utf8=True))
            for (size, body), (_, original) in zip(self.bodies(mailbox, utf8=False), stored, strict=True):
                self.assertEqual(size, len(body))
                if body != original:
                    downgraded += 1
                    header = re.split(rb"(?m)^\r?\n", body, maxsplit=1)[0]
                    self.assertTrue(header.isascii(), header)
        print("%d messages are shown downgraded" % downgraded, flush=True)
        self.assertGreater(downgraded, 0)

    def test_the_export_is_what_went_in(self):
        with tempfile.TemporaryDirectory(prefix="roost-corpus-", dir="/tmp") as folder:
            subprocess.run([ROOST, "export", "u1", folder, "-c", self.server.config], check=True,
                           capture_output=True)
            found = []
            for root, _, names in os.walk(folder):
                for name in names if os.path.basename(root) == "cur" else []:
                    with open(os.path.join(root, name), "rb") as data:
                        found.append(data.read())
        self.assertEqual(digests(found), digests(sum(self.wanted.values(), [])))

    def test_every_structure_is_in_the_grammar(self):
        total = 0
        for mailbox, wanted in self.wanted.items():
            wire = self.wire(mailbox)
            for items in ("(ENVELOPE BODYSTRUCTURE)", "(BODY RFC822.SIZE INTERNALDATE FLAGS)",
                          "BODY.PEEK[HEADER]"):
                lines = wire.ok("FETCH 1:* " + items)
                self.assertEqual(self.judge(lines, mailbox), len(lines))
                self.assertGreaterEqual(len(lines), len(wanted))
            total += len(wanted)
        self.assertEqual(total, self.done["imported"])

    def test_every_section_of_any_message_is_answered(self):
        every = [(mailbox, n + 1) for mailbox, wanted in self.wanted.items() for n in range(len(wanted))]
        if not os.environ.get("ROOST_LARGE"):
            every = random.Random(seed()).sample(every, SAMPLE)
        by_mailbox = collections.defaultdict(list)
        for mailbox, n in every:
            by_mailbox[mailbox].append(n)
        for mailbox, numbers in by_mailbox.items():
            with self.subTest(mailbox=mailbox):
                lines, _ = walk(self.wire(mailbox), sorted(numbers))
                self.assertEqual(self.judge(lines, mailbox), len(lines))

    def test_the_slowest_message_is_told(self):
        slowest = (0.0, "", 0)
        for mailbox, wanted in self.wanted.items():
            wire = self.wire(mailbox)
            for n in range(1, len(wanted) + 1):
                start = time.monotonic()
                lines = wire.ok("FETCH %d (ENVELOPE BODYSTRUCTURE BODY.PEEK[])" % n)
                slowest = max(slowest, (time.monotonic() - start, mailbox, n))
                self.assertEqual(len(lines), 1)
        print("slowest: %.1f ms, message %d of %s" % (slowest[0] * 1000, slowest[2], slowest[1]), flush=True)


if __name__ == "__main__":
    unittest.main()
