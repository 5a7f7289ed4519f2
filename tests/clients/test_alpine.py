"""Alpine in a terminal, over TLS: open, read, flag, save, delete, expunge, new mail and another client's expunge."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, need, sample
from terminal import Terminal

ALPINE = need("alpine", "alpine")

# The last two lines: nothing is asked that a first start, or one in another month, asks.
RC = """
personal-name=U One
user-domain=example.org
inbox-path={{localhost:{port}/ssl/user=u1}}INBOX
folder-collections=Roost {{localhost:{port}/ssl/user=u1}}[]
postponed-folder={{localhost:{port}/ssl/user=u1}}Drafts
default-fcc=""
sort-key=arrival
initial-keystroke-list=I
feature-list=enable-flag-cmd,quit-without-confirm,expunge-without-confirm,disable-password-file-saving,save-will-advance
last-time-prune-questioned=999.12
last-version-used=9.99
"""


class Alpine(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        home = os.path.join(self.server.folder, "home")
        os.mkdir(home, 0o700)
        rc = os.path.join(home, "rc")
        with open(rc, "w", encoding="ascii") as out:
            out.write(RC.format(port=self.server.imaps_port))
        for number in range(1, 6):
            self.server.deliver("u1", sample(number))
        self.alpine = Terminal(home, "%s -p %s -P /dev/null" % (ALPINE, rc),
                               {"HOME": home, "SSL_CERT_FILE": self.server.certificate})
        self.addCleanup(self.alpine.close)

    def go_to(self, number, total):
        self.alpine.keys(str(number))
        self.alpine.see("Message number to jump to : %d" % number)
        self.alpine.keys("Enter")
        self.alpine.see("Message %d of %d" % (number, total))

    def test_a_day_of_mail(self):
        alpine = self.alpine
        alpine.see("USER: u1  ENTER PASSWORD:")
        alpine.keys(PASSWORD)
        alpine.see("PASSWORD: " + "*" * len(PASSWORD))
        alpine.keys("Enter")
        alpine.see("of 5", "N   1", "message 5")
        self.go_to(2, 5)
        alpine.keys("Enter")
        alpine.see("MESSAGE TEXT", "line of message 2")
        alpine.keys("<")
        alpine.see("MESSAGE INDEX", "N   3")
        self.go_to(3, 5)
        alpine.keys("*")
        alpine.see("Flag New, Deleted")
        alpine.keys("*")
        alpine.see('Flagged message 3 "Important"')
        self.go_to(4, 5)
        alpine.keys("S")
        alpine.see("SAVE Msg #4 to folder")
        alpine.keys("Archive")
        alpine.see(": Archive")
        alpine.keys("Enter")
        alpine.see("D   4")
        self.go_to(5, 5)
        alpine.keys("D")
        alpine.see("D   5")
        alpine.keys("X")
        alpine.see("2 messages expunged", "of 3")
        self.assertEqual(self.server.flags("u1", "INBOX"), {1: [], 2: ["\\Seen"], 3: ["\\Flagged"]})
        self.assertEqual(list(self.server.flags("u1", "Archive")), [4])

        self.server.deliver("u1", sample(6))
        alpine.keys("C-l")  # looks for new mail
        alpine.see("of 4", "message 6")
        with self.server.wire("u1") as other:
            other.ok("SELECT INBOX")
            other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
            other.ok("EXPUNGE")
        alpine.keys("C-l")
        alpine.see("of 3", "message 2")
        alpine.see_no("message 1")
        alpine.keys("Q")
        alpine.see("ended: 0")
        self.assertEqual(self.server.flags("u1", "INBOX"), {2: ["\\Seen"], 3: ["\\Flagged"], 6: []})


if __name__ == "__main__":
    unittest.main(verbosity=2)
