"""mbsync both ways over TLS: 2,000 messages, flags and deletions on both sides, byte for byte."""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from maildir import FLAGS, Maildir, number_of
from roost_server import PASSWORD, Server, need, sample

MBSYNC = need("mbsync", "isync")
N_EACH = 1000  # messages that start on each side


def bytes_of(number):
    """Plain, 8-bit, empty-bodied and long-lined messages, and one with a dot alone in a line."""
    message = sample(number, 200 + number * 37 % 4000)
    if number % 10 == 1:
        message = message[:message.index(b"\r\n\r\n") + 4]
    elif number % 10 == 2:
        message += b"x" * (number % 5000) + b"\r\n.\r\n..\r\nFrom the start of a line\r\n"
    return message


def wanted_flags(number):
    return {letter for i, letter in enumerate("SFR") if number >> i & 1}


def plain(message):
    """As it was made: mbsync marks what it copies with a line X-TUID, and Maildir has bare LF."""
    return re.sub(rb"(?m)^X-TUID: .*\n", b"", message.replace(b"\r\n", b"\n"))


def on_server(client, mailbox="INBOX"):
    """{number: (uid, flags, bytes)}"""
    out = {}
    client.ok("SELECT " + mailbox)
    for line in client.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])"):
        if b" FETCH (" not in line[:30]:
            continue
        head, _, rest = line.partition(b"}\r\n")
        size = int(head.rpartition(b"{")[2])
        uid = int(re.search(rb"UID (\d+)", head + rest[size:]).group(1))
        flags = re.search(rb"FLAGS \(([^)]*)\)", head + rest[size:]).group(1).decode().split()
        letters = {letter for letter, flag in FLAGS.items() if flag in flags}
        assert number_of(rest[:size]) not in out, "twice: %d" % uid
        out[number_of(rest[:size])] = (uid, letters, rest[:size])
    return out


class Mbsync(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        self.home = os.path.join(self.server.folder, "home")
        os.mkdir(self.home)
        self.maildir = Maildir(os.path.join(self.home, "mail", "INBOX"))
        self.work = Maildir(os.path.join(self.home, "mail", "Work"))
        self.rc = os.path.join(self.home, "mbsyncrc")
        with open(self.rc, "w", encoding="ascii") as out:
            out.write("""IMAPAccount roost
Host localhost
Port %d
User u1
Pass %s
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account roost

MaildirStore near
Path %s/mail/
Inbox %s/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX Work
Create Both
Expunge Both
Sync All
SyncState *
""" % (self.server.imaps_port, PASSWORD, self.server.certificate, self.home, self.home))

    def sync(self):
        done = subprocess.run([MBSYNC, "-V", "-c", self.rc, "all"], capture_output=True,
                              text=True, env=dict(os.environ, HOME=self.home))
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        self.assertNotIn("warning", done.stderr.lower())

    def both(self):
        near = self.maildir.messages()
        with self.server.wire("u1") as client:
            far = on_server(client)
            uidnext = client.ok("STATUS INBOX (UIDNEXT MESSAGES)")
        return near, far, uidnext

    def check_equal(self, near, far, numbers):
        self.assertEqual(sorted(near), sorted(numbers))
        self.assertEqual(sorted(far), sorted(numbers))
        for number in numbers:
            with self.subTest(number=number):
                want = bytes_of(number).replace(b"\r\n", b"\n")
                self.assertEqual(plain(near[number][2]), want)
                self.assertEqual(plain(far[number][2]), want)
                self.assertEqual(near[number][1] - {"T"}, far[number][1])

    def test_two_thousand_messages_both_ways(self):
        for number in range(N_EACH):
            self.maildir.add(number, bytes_of(number), wanted_flags(number))
        self.work.add(5000, bytes_of(5000), {"S"})
        with self.server.wire("u1") as client:
            for number in range(N_EACH, 2 * N_EACH):
                flags = " ".join(FLAGS[letter] for letter in wanted_flags(number))
                client.append("INBOX", bytes_of(number), flags)
        self.sync()
        near, far, _ = self.both()
        self.check_equal(near, far, range(2 * N_EACH))
        for number in range(2 * N_EACH):
            self.assertEqual(far[number][1], wanted_flags(number), number)

        # Each side changes flags and deletes, of its own messages and of the other's.
        left = set(range(2 * N_EACH))
        for number in range(0, 2 * N_EACH, 20):
            self.maildir.set_flags(near[number][0], near[number][1] | {"T"})
            left.discard(number)
        for number in range(1, 2 * N_EACH, 20):
            self.maildir.set_flags(near[number][0], near[number][1] ^ {"F"})
        with self.server.wire("u1") as client:
            client.ok("SELECT INBOX")
            for step, what in ((2, "+FLAGS.SILENT (\\Deleted)"), (3, "+FLAGS.SILENT (\\Answered)"),
                               (4, "-FLAGS.SILENT (\\Seen)")):
                uids = ",".join(str(far[n][0]) for n in range(step, 2 * N_EACH, 20))
                client.ok("UID STORE %s %s" % (uids, what))
            client.ok("EXPUNGE")
        left -= set(range(2, 2 * N_EACH, 20))
        before = {n: (near[n][1], far[n][1]) for n in left}
        self.sync()
        near, far, _ = self.both()
        self.check_equal(near, far, left)
        for number in left:
            want = before[number][0]
            if number % 20 == 1:
                want = want ^ {"F"}
            elif number % 20 == 3:
                want = want | {"R"}
            elif number % 20 == 4:
                want = want - {"S"}
            self.assertEqual(far[number][1], want, number)
        with self.server.wire("u1") as client:
            work = on_server(client, "Work")
        self.assertEqual({n: work[n][1] for n in work}, {5000: {"S"}})

        # Nothing is left to do.
        before = self.both()
        self.sync()
        self.assertEqual(self.both(), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
