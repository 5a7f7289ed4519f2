"""SEARCH stays exact where an index answers: while it is made, after a kill in the middle, and when its files are damaged at rest.

The server indexes small accounts here (search_index_min), so what a large account meets is met by a small one. That an index is
there, is made again, and that damage is told is asked of the files in derived/ and of the log.
"""

import os
import random
import signal
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, HERE)
import rig
from mails import Mails
from queries import Book, Queries
from roost_server import Server, wait_for
from seed import seed

LARGE = bool(os.environ.get("ROOST_LARGE"))
INDEX_MIN = 20
FIRST, BATCH, ASKED, KILLS, FLIPS = (3000, 600, 120, 12, 60) if LARGE else (160, 120, 25, 3, 5)
BLOCK = 4096  # docs/formats/derived.md: header, then what is verified by the block


class Index(unittest.TestCase):
    def setUp(self):
        self.seed = seed()
        self.random = random.Random(self.seed)
        self.mails = Mails(self.seed)
        self.server = Server(users=1, search_index_min=INDEX_MIN).start()
        self.addCleanup(self.server.close)
        self.book = Book()
        self.bodies = self.asked = 0

    def append(self, count):
        """What came, for the book: to be read later, which takes longer."""
        rows = rig.dated([self.mails.message() for _ in range(count)], self.random)
        self.bodies += count
        with rig.appender(self.server, "u1") as wire:
            return rig.append(wire, "INBOX", rows)

    def wait_for_index(self):
        rig.wait_for_index(self.server, self.bodies)

    def ask(self, what, count=ASKED):
        queries = Queries(self.book, self.random.random())
        with self.server.wire("u1", tls=False) as wire:
            wire.ok("SELECT INBOX")
            for number in range(count):
                query = queries.query()
                rig.compare(self.book.find(query.key), rig.search(wire, query, number % 2), query, what + ": ")
                self.asked += 1

    def kill(self):
        """kill -9 of every process, mail first."""
        roles = self.server.roles()
        for pid in roles.get("mail", []) + [self.server.process.pid]:
            os.kill(pid, signal.SIGKILL)
        self.server.process.wait()
        for pid in sum(roles.values(), []):
            wait_for(lambda pid=pid: not os.path.exists("/proc/%d" % pid), "%d ends" % pid)

    def test_killed_while_it_is_made(self):
        """Mail comes; as soon as a file of the index is on its way, or is there, everything is killed."""
        folder = os.path.join(self.server.data, "mail/derived")
        for number in range(KILLS):
            before = len(rig.derived(self.server))
            came = self.append(FIRST if number == 0 else BATCH)

            def is_made(before=before):
                names = sum((files for _, _, files in os.walk(folder)), [])
                return any(name.endswith(".new") for name in names) or len(rig.derived(self.server)) != before

            wait_for(is_made, "a segment is begun")
            self.kill()
            self.server.start()
            self.book.add(came)
            self.ask("just restarted")
        self.wait_for_index()
        self.ask("whole")
        self.expunge(0.3)
        self.ask("after an expunge")
        print("%d searches" % self.asked, flush=True)

    def expunge(self, share):
        gone = self.random.sample(sorted(self.book.mails), int(len(self.book.mails) * share))
        with self.server.wire("u1", tls=False) as wire:
            wire.ok("SELECT INBOX")
            wire.ok("UID STORE %s +FLAGS.SILENT (\\Deleted)" % ",".join(map(str, gone)))
            wire.ok("EXPUNGE")
        self.book.without(gone)

    def flip(self, path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1 << self.random.randrange(8)]))

    def segment(self):
        paths = [path for path, _, _, _ in rig.derived(self.server)]
        self.assertTrue(paths)
        return self.random.choice(paths)

    def test_flipped_bits(self):
        """While the server is down, or runs and has the file open; at the ends, which are read first, and in the middle."""
        self.book.add(self.append(FIRST))
        self.wait_for_index()
        for number in range(FLIPS):
            path = self.segment()
            size = os.path.getsize(path)
            at = (self.random.randrange(64), size - 1 - self.random.randrange(64), self.random.randrange(BLOCK, size - 64))[number % 3]
            dropped = self.server.log().count("search.index_dropped")
            runs = number % 2 == 1
            if not runs:
                self.server.stop()
            self.flip(path, at)
            if not runs:
                self.server.start()
            self.ask("a bit of %s flipped at %d of %d" % ("an open file" if runs else "a file", at, size))
            if not runs and number % 3 != 2:  # header and footer are read whenever a file is opened
                self.server.logged("search.index_dropped", dropped + 1)
            self.wait_for_index()
            self.ask("again", 3)
        print("%d searches" % self.asked, flush=True)

    def test_a_file_full_of_damage(self):
        """Every block of it: whatever a search reads first says so; the index goes, is told of, and comes back."""
        self.book.add(self.append(FIRST))
        self.wait_for_index()
        self.ask("indexed")
        path = self.segment()
        inode = os.stat(path).st_ino
        for at in range(BLOCK + 7, os.path.getsize(path) - BLOCK, BLOCK):
            self.flip(path, at)
        self.flip(path, os.path.getsize(path) - 10)
        self.ask("all blocks damaged")
        self.assertIn("corrupt", self.server.logged("search.index_dropped")[0])
        wait_for(lambda: not os.path.exists(path) or os.stat(path).st_ino != inode, "it is removed")
        self.wait_for_index()
        self.ask("made again")


if __name__ == "__main__":
    unittest.main()
