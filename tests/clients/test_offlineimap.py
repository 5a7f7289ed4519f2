"""OfflineIMAP both ways over TLS: new messages, flags and deletions on both sides; a further run changes nothing."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from maildir import FLAGS, Maildir
from roost_server import PASSWORD, Server, need, sample

OFFLINEIMAP = need("offlineimap", "offlineimap3")
N_EACH = 30  # messages that start on each side

RC = """
[general]
accounts = roost
metadata = {home}/state
ui = basic

[Account roost]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {home}/mail
sync_deletes = yes

[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = u1
remotepass = {password}
ssl = yes
sslcacertfile = {certificate}
maxconnections = 1
folderfilter = lambda name: name in ("INBOX", "Work")
"""


def letters(flags):
    return {letter for letter, flag in FLAGS.items() if flag in flags}


class Offlineimap(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        self.home = os.path.join(self.server.folder, "home")
        os.mkdir(self.home)
        self.rc = os.path.join(self.home, "rc")
        with open(self.rc, "w", encoding="ascii") as out:
            out.write(RC.format(home=self.home, port=self.server.imaps_port, password=PASSWORD,
                                certificate=self.server.certificate))
        self.inbox = Maildir(os.path.join(self.home, "mail", "INBOX"))
        self.work = Maildir(os.path.join(self.home, "mail", "Work"))

    def sync(self):
        done = subprocess.run([OFFLINEIMAP, "-o", "-c", self.rc], capture_output=True, text=True,
                              env=dict(os.environ, HOME=self.home))
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        self.assertNotIn("ERROR", done.stdout + done.stderr)
        return done.stdout

    def near(self, maildir):
        return {number: flags for number, (_, flags, _) in maildir.messages().items()}

    def far(self, mailbox):
        return {n: letters(flags) for n, flags in self.server.flags("u1", mailbox).items()}

    def bodies(self):
        """Uids and bytes, as another client reads them."""
        with self.server.wire("u1") as client:
            client.ok("EXAMINE INBOX")
            return client.ok("UID FETCH 1:* (UID BODY.PEEK[])") + client.ok("STATUS INBOX (UIDNEXT)")

    def test_two_way(self):
        for number in range(N_EACH):
            self.inbox.add(number, sample(number), {"S"} if number % 2 else set())
        self.work.add(500, sample(500), {"F", "S"})
        with self.server.wire("u1") as client:
            for number in range(N_EACH, 2 * N_EACH):
                client.append("INBOX", sample(number), "\\Flagged" if number % 2 else "")
        self.sync()
        want = {n: ({"S"} if n < N_EACH else {"F"}) if n % 2 else set() for n in range(2 * N_EACH)}
        self.assertEqual(self.far("INBOX"), want)
        self.assertEqual(self.near(self.inbox), want)
        self.assertEqual(self.far("Work"), {500: {"F", "S"}})
        for number, (_, _, data) in self.inbox.messages().items():
            kept = b"\n".join(line for line in data.split(b"\n") if not line.startswith(b"X-OfflineIMAP:"))
            self.assertEqual(kept, sample(number).replace(b"\r\n", b"\n"))

        # Each side changes flags and deletes, of its own messages and of the other's.
        files = self.inbox.messages()
        for number in (0, N_EACH):
            os.unlink(files[number][0])
            del want[number]
        for number in (1, N_EACH + 1):
            self.inbox.set_flags(files[number][0], want[number] | {"R"})
            want[number] = want[number] | {"R"}
        uids = self.server.uids("u1", "INBOX")
        with self.server.wire("u1") as client:
            client.ok("SELECT INBOX")
            client.ok("UID STORE %d,%d +FLAGS (\\Deleted)" % (uids[2], uids[N_EACH + 2]))
            client.ok("EXPUNGE")
            client.ok("UID STORE %d,%d FLAGS (\\Answered)" % (uids[3], uids[N_EACH + 3]))
        for number in (2, N_EACH + 2):
            del want[number]
        for number in (3, N_EACH + 3):
            want[number] = {"R"}
        self.sync()
        self.assertEqual(self.far("INBOX"), want)
        self.assertEqual(self.near(self.inbox), want)

        # Nothing is left to do.
        before = self.near(self.inbox), self.far("INBOX"), self.bodies()
        said = self.sync()
        self.assertNotRegex(said, "(?i)copy message|adding flags|deleting flags|deleting [0-9]")
        self.assertEqual((self.near(self.inbox), self.far("INBOX"), self.bodies()), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
