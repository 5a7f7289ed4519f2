"""SEARCH over IMAP finds exactly what the reference finds: a mailbox at rest, before it is indexed and after, programs made from a seed.

Mail in many scripts and mail that broke somebody's parser always; the corpus where there is one, of which ROOST_LARGE takes
everything and 5,000 searches, and what is broken in it by itself with 1,000 more: among thousands of others few needles come from it.
"""

import os
import random
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, HERE)
import rig
from corpus import corpus_folder, read_corpus
from mails import Mails
from queries import Book, Needle, Queries, Query
from roost_server import Server, is_sanitized
from seed import seed

LARGE = bool(os.environ.get("ROOST_LARGE"))
GENERATED, GENERATED_QUERIES = (5000, 3000) if LARGE else (400, 250)
CORPUS_SAMPLE, CORPUS_QUERIES = (None, 5000) if LARGE else (800, 150)
CORPUS_UNSURE_MAX = 16  # spans
BROKEN_COPIES, BROKEN_QUERIES = (20, 1000) if LARGE else (3, 100)
BROKEN_UNSURE_MAX = 0.1  # of the messages: damage makes such as have no independent answer
BROKEN_BOXES = ("mime", "mime-more")  # of the corpus
DATA = os.path.join(HERE, "../data/mime")
INDEX_MIN = 50  # messages: all mailboxes here get an index
if is_sanitized() and not LARGE:
    GENERATED_QUERIES, CORPUS_QUERIES, BROKEN_QUERIES = 80, 50, 40


def broken_by_hand():
    """tests/data/mime, each one whole."""
    out = []
    for name in sorted(name for name in os.listdir(DATA) if name.endswith(".eml")):
        with open(os.path.join(DATA, name), "rb") as data:
            out.append(data.read())
    return [message for message in out if message]


class Search(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=4, search_index_min=INDEX_MIN).start()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.seed = seed()
        self.random = random.Random(self.seed)

    def fill(self, user, messages):
        with rig.appender(self.server, user) as wire:
            book = Book().add(rig.append(wire, "INBOX", rig.dated(messages, self.random)))
        wire = self.server.wire(user, tls=False)
        self.addCleanup(wire.close)
        wire.ok("SELECT INBOX")
        return book, wire

    def ask(self, book, wire, count):
        """Half of them as soon as the mail is there, half when it is indexed."""
        queries, found = Queries(book, self.seed), 0
        for number in range(count):
            if number == count // 2:
                rig.wait_for_index(self.server, len(book.mails))
            query = queries.query()
            wanted = book.find(query.key)
            rig.compare(wanted, rig.search(wire, query, number % 2), query)
            found += bool(wanted)
        print("%d searches of %d messages, %d of them found something" % (count, len(book.mails), found), flush=True)
        self.assertGreater(found, count // 3)

    def test_mail_in_many_scripts(self):
        mails = Mails(self.seed)
        book, wire = self.fill("u1", [mails.message() for _ in range(GENERATED)])
        self.ask(book, wire, GENERATED_QUERIES)
        for key in (("BODY", Needle("")), ("TEXT", Needle("")), ("HEADER", b"Subject", Needle(""), True)):
            query = Query(key, None)
            rig.compare(book.find(key), rig.search(wire, query), query)

    def test_the_corpus(self):
        if corpus_folder() is None:
            self.skipTest("no corpus (ROOST_CORPUS)")
        boxes, _ = read_corpus(corpus_folder())
        messages = [message for _, box in sorted(boxes.items()) for message in box if message]
        if CORPUS_SAMPLE:
            messages = self.random.sample(messages, CORPUS_SAMPLE)
        book, wire = self.fill("u2", messages)
        self.assertLessEqual(sum(mail.unsure for mail in book.mails.values()), CORPUS_UNSURE_MAX)
        self.ask(book, wire, CORPUS_QUERIES)

    def test_broken_mail(self):
        """Written by hand, and damaged at random besides."""
        mails, messages = Mails(self.seed), broken_by_hand()
        messages += [mails.damage(message) for message in messages for _ in range(BROKEN_COPIES)]
        book, wire = self.fill("u3", [message for message in messages if message])
        self.assertLess(sum(mail.unsure for mail in book.mails.values()), BROKEN_UNSURE_MAX * len(messages))
        self.ask(book, wire, BROKEN_QUERIES)

    def test_broken_mail_of_the_corpus(self):
        if not LARGE or corpus_folder() is None:
            self.skipTest("no corpus (ROOST_CORPUS), or the normal size")
        boxes, _ = read_corpus(corpus_folder())
        book, wire = self.fill("u4", [message for name in BROKEN_BOXES for message in boxes[name] if message])
        self.assertLessEqual(sum(mail.unsure for mail in book.mails.values()), CORPUS_UNSURE_MAX)
        self.ask(book, wire, BROKEN_QUERIES)


if __name__ == "__main__":
    unittest.main()
