"""aerc in a terminal, over TLS: open, read, flag, move, delete, new mail while it idles, another client's flags."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, need, sample, wait_for
from terminal import Terminal

AERC = need("aerc", "aerc")

ACCOUNTS = """
[roost]
source = imaps://u1:{password}@localhost:{port}
default = INBOX
from = U One <u1@example.org>
postpone = Drafts
"""
CONFIG = """
[ui]
index-format = [%-4.4Z %s]
[viewer]
pager = cat
[filters]
text/plain = cat
"""


class Aerc(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        home = os.path.join(self.server.folder, "home")
        config = os.path.join(home, ".config", "aerc")
        os.makedirs(config, 0o700)
        for name, text in (("accounts.conf", ACCOUNTS.format(port=self.server.imaps_port, password=PASSWORD)),
                           ("aerc.conf", CONFIG)):
            with open(os.path.join(config, name), "w", encoding="ascii",
                      opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
                out.write(text)
        for number in range(1, 6):
            self.server.deliver("u1", sample(number))
        self.use_up_uids("Archive")
        env = {"HOME": home, "SSL_CERT_FILE": self.server.certificate, "XDG_RUNTIME_DIR": home}
        self.aerc = Terminal(home, "%s 2>%s/log" % (AERC, home), env)
        self.addCleanup(self.aerc.close)

    def use_up_uids(self, mailbox):
        """What aerc 0.14 hears of a uid in the mailbox it comes from, it shows at the same uid of the one it went to."""
        with self.server.wire("u1") as wire:
            wire.ok("SELECT INBOX")
            for _ in range(2):
                wire.ok("COPY 1:5 " + mailbox)
            wire.ok("SELECT " + mailbox)
            wire.ok("STORE 1:* +FLAGS (\\Deleted)")
            wire.ok("EXPUNGE")

    def test_a_day_of_mail(self):
        aerc = self.aerc
        aerc.see("message 5", "message 1")
        aerc.see("5/5 [")
        self.do("select 3")  # the newest is 0
        self.do("view")
        aerc.see("line of message 2, eight bit: é")
        self.do("close")
        aerc.see("4/5", "message 5")
        self.do("select 2")
        self.do("flag")
        aerc.see("!   message 3]")
        self.do("select 1")
        self.do("mv Archive")
        aerc.see_no("message 4]")
        self.do("select 0")
        self.do("delete-message")
        aerc.see_no("message 5]")
        wait_for(lambda: sorted(self.server.flags("u1", "INBOX")) == [1, 2, 3],
                 lambda: "three are left: %r" % self.server.flags("u1", "INBOX"))
        self.assertEqual(self.server.flags("u1", "INBOX"), {1: [], 2: ["\\Seen"], 3: ["\\Flagged"]})
        self.assertEqual(list(self.server.flags("u1", "Archive")), [4])

        self.server.deliver("u1", sample(6))
        aerc.see("message 6]")
        with self.server.wire("u1") as other:
            other.ok("SELECT INBOX")
            other.ok("STORE 1 +FLAGS (\\Flagged)")
            aerc.see("!   message 1]")
            other.ok("STORE 2 +FLAGS (\\Deleted)")
            other.ok("EXPUNGE")
        aerc.see_no("message 2]")
        self.do("cf Archive")
        aerc.see("message 4]")
        aerc.see_no("message 1]")
        self.do("quit")
        aerc.see("ended: 0")
        self.assertEqual(self.server.flags("u1", "INBOX"), {1: ["\\Flagged"], 3: ["\\Flagged"], 6: []})

    def do(self, command):
        self.aerc.keys(":")
        self.aerc.see("\n:")
        self.aerc.keys(command)
        self.aerc.see("\n:" + command)
        self.aerc.keys("Enter")
        self.aerc.see_no("\n:" + command)


if __name__ == "__main__":
    unittest.main(verbosity=2)
