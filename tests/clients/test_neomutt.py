"""NeoMutt in a terminal, over TLS: open, read, flag, save, delete, purge, and new mail that comes in."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, need, sample, wait_for

NEOMUTT = need("neomutt", "neomutt")
TMUX = need("tmux", "tmux")

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


class Neomutt(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        self.home = os.path.join(self.server.folder, "home")
        os.mkdir(self.home, 0o700)
        rc = os.path.join(self.home, "rc")
        with open(rc, "w", encoding="ascii") as out:
            out.write(RC.format(port=self.server.imaps_port, password=PASSWORD,
                                certificate=self.server.certificate))
        for number in range(1, 6):
            self.server.deliver("u1", sample(number))
        env = {"HOME": self.home, "TERM": "screen", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
               "PATH": os.environ["PATH"], "TMPDIR": self.home}
        self.socket = os.path.join(self.home, "tmux")
        subprocess.run([TMUX, "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", "100",
                        "-y", "30", "%s -n -F %s; sleep 1000" % (NEOMUTT, rc)], check=True, env=env)
        self.addCleanup(subprocess.run, [TMUX, "-S", self.socket, "kill-server"],
                        capture_output=True)

    def screen(self):
        return subprocess.run([TMUX, "-S", self.socket, "capture-pane", "-p"], check=True,
                              capture_output=True, text=True).stdout

    def see(self, *texts):
        """Wait until all of them are on the screen."""
        wait_for(lambda: all(text in self.screen() for text in texts),
                 lambda: "%r on\n%s" % (texts, self.screen()))

    def keys(self, *keys):
        subprocess.run([TMUX, "-S", self.socket, "send-keys", *keys], check=True)

    def go_to(self, number):
        self.keys(str(number))
        self.see("Jump to message: %d" % number)
        self.keys("Enter")

    def subjects(self, mailbox):
        """{number: flags} as another client sees them."""
        with self.server.wire("u1") as client:
            client.ok("EXAMINE " + mailbox)
            out = {}
            for line in client.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
                if b"Subject: message " in line:
                    flags = line.partition(b"FLAGS (")[2].partition(b")")[0].decode().split()
                    number = line.partition(b"Subject: message ")[2].split()[0]
                    out[int(number)] = sorted(set(flags) - {"\\Recent"})
            return out

    def test_a_day_of_mail(self):
        self.see("[+INBOX: 5 msgs]", "message 5")
        self.go_to(2)
        self.keys("Enter")
        self.see("line of message 2, eight bit: é")
        self.keys("i")
        self.see("5 msgs]")
        self.go_to(3)
        self.keys("F")
        self.see("3 N ! message 3")
        self.go_to(4)
        self.keys("s")
        self.see("Save to mailbox")
        self.keys("C-u", "=Archive", "Enter")
        self.see("D  message 4")
        self.go_to(5)
        self.keys("d")
        self.see("D  message 5")
        self.keys("$")
        self.see("3 msgs]")
        self.assertEqual(self.subjects("INBOX"), {1: [], 2: ["\\Seen"], 3: ["\\Flagged"]})
        self.assertEqual(list(self.subjects("Archive")), [4])

        self.server.deliver("u1", sample(6))
        self.see("4 msgs]", "message 6")
        with self.server.wire("u1") as other:
            other.ok("SELECT INBOX")
            other.ok("STORE 1 +FLAGS (\\Flagged)")
        self.see("1 N ! message 1")

        self.keys("c")
        self.see("Open mailbox")
        self.keys("C-u", "=Archive", "Enter")
        self.see("1 msgs]", "message 4")
        self.keys("q")
        wait_for(lambda: "msgs]" not in self.screen(), lambda: "neomutt's end:\n" + self.screen())
        self.assertEqual(self.subjects("INBOX"),
                         {1: ["\\Flagged"], 2: ["\\Seen"], 3: ["\\Flagged"], 6: []})


if __name__ == "__main__":
    unittest.main(verbosity=2)
