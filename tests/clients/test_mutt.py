"""Mutt in a terminal, with QRESYNC and its header cache: a second start resynchronises what changed in between."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from mutt import MuttDay
from roost_server import need


class Mutt(MuttDay, unittest.TestCase):
    program = need("mutt", "mutt")
    options = "-d 2"  # what is sent goes to the log

    def setUp(self):
        super().setUp()
        self.log = os.path.join(self.home, ".muttdebug0")
        cache = os.path.join(self.home, "cache")
        os.mkdir(cache)
        with open(self.rc, "a", encoding="ascii") as out:
            out.write('set imap_condstore = yes\nset imap_qresync = yes\nset header_cache = "%s"\n' % cache)

    def test_a_second_start_resynchronises(self):
        mutt = self.open()
        mutt.see("INBOX: 5 msgs]", "message 5")
        mutt.keys("q")
        mutt.see("ended: 0")
        mutt.close()
        with self.server.wire("u1") as other:
            other.ok("SELECT INBOX")
            other.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
            other.ok("EXPUNGE")
            other.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
        mutt = self.open()
        mutt.see("INBOX: 3 msgs]", "! message 3", "message 1", "message 5")
        self.assertNotIn("message 2", mutt.screen())
        mutt.keys("q")
        mutt.see("ended: 0")
        with open(self.log, encoding="utf-8", errors="replace") as log:
            self.assertIn("< * VANISHED (EARLIER) 2,4\n", log.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
