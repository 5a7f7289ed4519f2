"""Commands that are refused before they are whole, and lines where DONE should be: the session goes on."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, sample

LITERAL_MAX = 64 << 20
LINE_MAX = 64 << 10


class Refused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.client = self.server.wire("u1")
        self.addCleanup(self.client.close)

    def refused(self, text, *starts):
        _, tagged = self.client.command(text)
        self.assertTrue(tagged.startswith(starts), tagged)
        self.client.ok("NOOP")

    def test_a_synchronising_literal_over_the_limit_gets_no_plus(self):
        self.refused("APPEND INBOX {%d}" % (LITERAL_MAX + 1), b"NO [TOOBIG]")
        self.refused("SEARCH SUBJECT {200000}", b"NO [TOOBIG]", b"BAD")

    def test_a_non_synchronising_literal_just_over_the_limit_is_swallowed(self):
        self.refused(b"SEARCH SUBJECT {140000+}\r\n" + b"x" * 140000, b"NO [TOOBIG]", b"BAD")

    def test_a_mailbox_that_is_not_there_is_known_before_the_message(self):
        self.refused("APPEND nowhere {10}", b"NO [TRYCREATE]")
        self.refused(b"APPEND nowhere {10+}\r\n0123456789", b"NO [TRYCREATE]")
        self.refused("APPEND INBOX {0}", b"NO")

    def test_a_line_that_is_too_long(self):
        self.refused(b"NOOP " + b"x" * (LINE_MAX + 10), b"BAD")

    def test_nul_in_a_literal(self):
        self.refused(b"APPEND INBOX {10+}\r\n01234\x006789", b"BAD")

    def test_what_is_not_done_ends_idle(self):
        self.client.ok("SELECT INBOX")
        for line in (b"nonsense\r\n", b"x" * 200 + b"\r\n"):
            tag = self.client.idle()
            self.client.raw(line)
            self.assertTrue(self.client.until(tag)[1].startswith(b"BAD"))
        # The session watches its mailbox as before, once.
        tag = self.client.idle()
        self.server.deliver("u1", sample(1))
        self.assertTrue(self.client.line().endswith(b" EXISTS"))
        self.client.done(tag)

    def test_ten_in_a_row_end_the_session(self):
        for _ in range(10):
            self.client.send("APPEND nowhere")
        lines = [self.client.line() for _ in range(11)]
        self.assertTrue(lines[-1].startswith(b"* BYE"), lines[-1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
