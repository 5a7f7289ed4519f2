"""A day of mail in Mutt or NeoMutt over TLS: open, read, flag, save, delete, purge, and new mail that comes in."""

import os

from roost_server import PASSWORD, Server, sample
from terminal import Terminal

RC = """
set folder = "imaps://u1@localhost:{port}/"
set spoolfile = "+INBOX"
set imap_pass = "{password}"
set ssl_force_tls = yes
set certificate_file = "{certificate}"
set record = ""
set postponed = "+Drafts"
set mbox_type = Maildir
set delete = yes
unset confirmappend confirmcreate mark_old wait_key help beep
set imap_idle = yes
set imap_check_subscribed = no
set mail_check = 1
set timeout = 1
set sort = mailbox-order
set index_format = "%4C %Z %s"
set status_format = "[%f: %m msgs]"
"""


class MuttDay:
    """Beside unittest.TestCase; `program` is the path of a Mutt, `options` what only it knows."""

    program = None
    options = ""

    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        self.home = os.path.join(self.server.folder, "home")
        os.mkdir(self.home, 0o700)
        self.rc = os.path.join(self.home, "rc")
        with open(self.rc, "w", encoding="ascii") as out:
            out.write(RC.format(port=self.server.imaps_port, password=PASSWORD,
                                certificate=self.server.certificate))
        for number in range(1, 6):
            self.server.deliver("u1", sample(number))

    def open(self):
        terminal = Terminal(self.home, "%s -n %s -F %s" % (self.program, self.options, self.rc), {"HOME": self.home})
        self.addCleanup(terminal.close)
        return terminal

    def test_a_day_of_mail(self):
        mutt = self.open()

        def go_to(number):
            mutt.keys(str(number))
            mutt.see("Jump to message: %d" % number)
            mutt.keys("Enter")

        mutt.see("INBOX: 5 msgs]", "message 5")
        go_to(2)
        mutt.keys("Enter")
        mutt.see("line of message 2, eight bit: é")
        mutt.keys("i")
        mutt.see("5 msgs]")
        go_to(3)
        mutt.keys("F")
        mutt.see("3 N ! message 3")
        go_to(4)
        mutt.keys("s")
        mutt.see("Save to mailbox")
        mutt.keys("C-u", "=Archive", "Enter")
        mutt.see("D  message 4")
        go_to(5)
        mutt.keys("d")
        mutt.see("D  message 5")
        mutt.keys("$")
        mutt.see("3 msgs]")
        self.assertEqual(self.server.flags("u1", "INBOX"), {1: [], 2: ["\\Seen"], 3: ["\\Flagged"]})
        self.assertEqual(list(self.server.flags("u1", "Archive")), [4])

        self.server.deliver("u1", sample(6))
        mutt.see("4 msgs]", "message 6")
        with self.server.wire("u1") as other:
            other.ok("SELECT INBOX")
            other.ok("STORE 1 +FLAGS (\\Flagged)")
        mutt.see("1 N ! message 1")

        mutt.keys("c")
        mutt.see("Open mailbox")
        mutt.keys("C-u", "=Archive", "Enter")
        mutt.see("1 msgs]", "message 4")
        mutt.keys("q")
        mutt.see("ended: 0")
        self.assertEqual(self.server.flags("u1", "INBOX"),
                         {1: ["\\Flagged"], 2: ["\\Seen"], 3: ["\\Flagged"], 6: []})
