"""SEARCH stays exact while its mailbox changes: mail comes and goes, derived data is still being made, the server is killed.

After each change the server must find what the reference finds, at once, whatever it has made ready by then. While mail comes in
a search may or may not see the newest; of what the client had been told of, nothing may be missing or too much.
"""

import os
import random
import re
import signal
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, HERE)
import rig
from mails import SCRIPTS, Mails
from queries import Book, Queries
from roost_server import Server, wait_for
from seed import seed

LARGE = bool(os.environ.get("ROOST_LARGE"))
FIRST, BATCH, ROUNDS, ASKED = (3000, 400, 40, 40) if LARGE else (150, 40, 8, 6)
LONG_MAILS, LONG_BYTES = 12, 400 << 10  # together more than an account needs for packs of its own
CROWD_BATCHES, CROWD_BATCH = (600, 10) if LARGE else (80, 5)


def long_mail(rnd, number):
    words = sum((text.split() for text, _ in SCRIPTS.values()), [])
    line = " ".join(rnd.choice(words) for _ in range(12))
    body = "".join("%d %s\r\n" % (rnd.randrange(1000), line[rnd.randrange(8):]) for _ in range(LONG_BYTES // len(line.encode())))
    return (b"From: a@example.org\r\nSubject: long %d\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\n" % number) + body.encode()


class Life(unittest.TestCase):
    def setUp(self):
        self.seed = seed()
        self.random = random.Random(self.seed)
        self.mails = Mails(self.seed)
        self.server = Server(users=1).start()
        self.addCleanup(self.server.close)
        self.book = Book()
        self.asked = 0

    def rows(self, count):
        return rig.dated([self.mails.message() for _ in range(count)], self.random)

    def append(self, count):
        with rig.appender(self.server, "u1") as wire:
            self.book.add(rig.append(wire, "INBOX", self.rows(count)))

    def first(self):
        """Enough mail that derived data is made of it."""
        self.append(FIRST)
        rows = rig.dated([long_mail(self.random, n) for n in range(LONG_MAILS)], self.random)
        with rig.appender(self.server, "u1") as wire:
            self.book.add(rig.append(wire, "INBOX", rows))

    def session(self):
        wire = self.server.wire("u1", tls=False)
        self.addCleanup(wire.close)
        wire.ok("SELECT INBOX")
        return wire

    def ask(self, wire, count, what):
        queries = Queries(self.book, self.random.random())
        for number in range(count):
            query = queries.query()
            rig.compare(self.book.find(query.key), rig.search(wire, query, number % 2), query, what + ": ")
            self.asked += 1

    def expunge(self, share):
        """By another session."""
        gone = self.random.sample(sorted(self.book.mails), int(len(self.book.mails) * share))
        with self.server.wire("u1", tls=False) as other:
            other.ok("SELECT INBOX")
            other.ok("UID STORE %s +FLAGS.SILENT (\\Deleted)" % ",".join(map(str, gone)))
            other.ok("EXPUNGE")
        self.book.without(gone)

    def restart(self, rows=None):
        """Kill everything, with an APPEND of these under way; it is there wholly or not at all."""
        with rig.appender(self.server, "u1") as wire:
            if rows:
                wire.raw(b"k APPEND INBOX%s\r\n" % b"".join(rig.arguments(*row) for row in rows))
            self.kill()
        self.server.start()
        if rows:
            with self.server.wire("u1", tls=False) as wire:
                wire.ok("EXAMINE INBOX")
                lines = wire.ok("UID FETCH 1:* (UID)")
            there = {int(re.search(rb"UID (\d+)", line).group(1)) for line in lines if b"UID" in line}
            new = sorted(there - set(self.book.mails))
            self.assertEqual(set(self.book.mails) - there, set())
            self.assertIn(len(new), (0, len(rows)))
            self.book.add({uid: (message, rig.days(date), flags) for uid, (message, date, flags) in zip(new, rows)})

    def kill(self):
        """kill -9 of every process, mail first."""
        roles = self.server.roles()
        for pid in roles.get("mail", []) + [self.server.process.pid]:
            os.kill(pid, signal.SIGKILL)
        self.server.process.wait()
        for pids in roles.values():
            for pid in pids:
                wait_for(lambda pid=pid: not os.path.exists("/proc/%d" % pid), "%d ends" % pid)

    def test_rounds_of_changes(self):
        self.first()
        wire = self.session()
        self.ask(wire, ASKED, "filled")
        for number in range(ROUNDS):
            way = ("append", "expunge", "kill", "append", "kill in an append", "expunge much")[number % 6]
            if way == "append":
                self.append(BATCH)
            elif way == "expunge":
                self.expunge(0.1)
                self.ask(wire, ASKED, "not yet told of the expunge")
            elif way == "expunge much":
                self.expunge(0.4)
            else:
                self.restart(self.rows(BATCH) if way == "kill in an append" else None)
                wire = self.session()
                self.ask(wire, ASKED, "just restarted")
            wire.ok("NOOP")
            self.ask(wire, ASKED, way)
        print("%d searches, %d messages at the end" % (self.asked, len(self.book.mails)), flush=True)

    def test_while_mail_comes_in(self):
        self.first()
        told = set(self.book.mails)
        batches = [self.rows(CROWD_BATCH) for _ in range(CROWD_BATCHES)]
        arrived, failed = {}, []

        def deliver():
            try:
                with rig.appender(self.server, "u1") as wire:
                    for rows in batches:
                        arrived.update(rig.append(wire, "INBOX", rows))
            except Exception as error:  # told by the main thread
                failed.append(error)

        wire = self.session()
        queries = [Queries(self.book, self.random.random()).query() for _ in range(ASKED * 4)]
        thread = threading.Thread(target=deliver)
        thread.start()
        answers = []
        while thread.is_alive() or len(answers) < len(queries):
            query = queries[len(answers) % len(queries)]
            answers.append((query, rig.search(wire, query)))
        thread.join()
        self.assertEqual(failed, [])
        old = {id(query): self.book.find(query.key) for query in queries}
        self.book.add(arrived)
        final = {id(query): self.book.find(query.key) for query in queries}
        for query, got in answers:
            rig.compare(old[id(query)], got & told, query, "of the old: ")
            self.assertLessEqual(got, final[id(query)], str(query))
        wire.ok("NOOP")
        self.ask(wire, ASKED, "all is there")
        print("%d searches while %d messages came" % (len(answers), len(arrived)), flush=True)


if __name__ == "__main__":
    unittest.main()
