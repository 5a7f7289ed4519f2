"""What mail programs send when they connect, in their order and pipelined where they pipeline."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, sample

N = 12
SPECIAL = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Junk": "\\Junk", "Trash": "\\Trash", "Archive": "\\Archive"}


class Sequences(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)
        with cls.server.wire("u1") as client:
            for number in range(1, N + 1):
                client.append("INBOX", sample(number), "\\Seen" if number % 2 else "")

    def wire(self, user=None):
        client = self.server.wire(user)
        self.addCleanup(client.close)
        return client

    def pipeline(self, client, *commands):
        """Send all, then read all answers: each in order and OK. [untagged lines] of each."""
        tags = [client.send(command) for command in commands]
        out = []
        for tag, command in zip(tags, commands):
            untagged, tagged = client.until(tag)
            self.assertTrue(tagged.startswith(b"OK"), (command, tagged))
            out.append(untagged)
        return out

    def one(self, lines, start):
        found = [line for line in lines if line.startswith(start)]
        self.assertEqual(len(found), 1, lines)
        return found[0]

    def test_thunderbird(self):
        client = self.wire()
        self.assertIn(b"AUTH=PLAIN", client.greeting)
        tag = client.send("CAPABILITY")
        self.assertIn(b"SASL-IR", self.one(client.until(tag)[0], b"* CAPABILITY"))
        tag = client.send("AUTHENTICATE PLAIN")
        self.assertEqual(client.line(), b"+ ")
        client.raw(b"AHUxAHBhc3M=\r\n")  # NUL u1 NUL pass
        untagged, tagged = client.until(tag)
        self.assertTrue(tagged.startswith(b"OK [CAPABILITY "), tagged)
        capability = set(tagged[len("OK [CAPABILITY "):].partition(b"]")[0].split())
        self.assertTrue({b"ID", b"ENABLE", b"NAMESPACE", b"LIST-EXTENDED", b"LIST-STATUS", b"IDLE",
                         b"SPECIAL-USE", b"UIDPLUS", b"MOVE"} <= capability, capability)
        ident = client.ok('ID ("name" "Thunderbird" "version" "115.10.1")')
        self.assertTrue(ident[0].startswith(b"* ID ("), ident)
        (namespace,) = client.ok("NAMESPACE")
        self.assertEqual(namespace, b'* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared Folders/" "/"))')
        lists = client.ok('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)')
        for name, use in SPECIAL.items():
            (line,) = [line for line in lists if line.endswith(b" " + name.encode())]
            self.assertIn(use.encode(), line)
        client.ok('LIST "" INBOX')
        client.ok('SELECT "INBOX"')
        found = client.ok("UID FETCH 1:* (FLAGS)")
        self.assertEqual(len(found), N)
        found = client.ok("UID FETCH 1:5 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc"
                          " Subject Date Message-ID Priority X-Priority References Newsgroups"
                          " In-Reply-To Content-Type Reply-To)])")
        self.assertEqual(len(found), 5)
        tag = client.idle()
        client.done(tag)
        client.ok('UID STORE 2 +FLAGS (\\Seen)')
        client.ok('UID COPY 2 "Trash"')
        client.ok('UID STORE 2 -FLAGS (\\Seen)')
        client.ok('STATUS "Trash" (UIDNEXT MESSAGES UNSEEN RECENT)')
        client.ok("CLOSE")
        self.assertTrue(client.ok("LOGOUT")[0].startswith(b"* BYE"))

    def test_apple_mail_pipelines(self):
        client = self.wire("u1")
        ident, _, status, lists, _ = self.pipeline(
            client, 'ID ("name" "Mac OS X Mail" "version" "16.0" "os" "Mac OS X")', "NAMESPACE",
            "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)",
            'LIST (SPECIAL-USE) "" "*" RETURN (STATUS (MESSAGES UNSEEN))', 'LSUB "" "*"')
        self.assertTrue(ident[0].startswith(b"* ID"))
        self.assertIn(b"MESSAGES %d" % N, status[0])
        self.assertEqual(len([line for line in lists if line.startswith(b"* STATUS")]), len(SPECIAL))
        _, envelopes, body, _ = self.pipeline(
            client, "SELECT INBOX",
            "FETCH 1:%d (INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to cc"
            " message-id in-reply-to references content-type x-priority)] ENVELOPE BODYSTRUCTURE)" % N,
            "UID FETCH 3 (BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[1])", "CHECK")
        self.assertEqual(len(envelopes), N)
        for line in envelopes:
            self.assertRegex(line, rb'(?s)ENVELOPE \("Sat, 21 Nov 2026 12:00:00 \+0000" "message \d+"')
        self.assertEqual(len(body), 1)

    def test_outlook_searches_by_uid(self):
        client = self.wire("u1")
        client.ok("SELECT INBOX")
        (found,) = client.ok("UID SEARCH 1:*")
        self.assertEqual(len(found.split()) - 2, N)
        (found,) = client.ok("UID SEARCH UNSEEN SINCE 1-Jan-2020")
        self.assertEqual(len(found.split()) - 2, N // 2)
        client.ok("UID FETCH %s (UID FLAGS RFC822.SIZE BODY.PEEK[] INTERNALDATE)" %
                  b",".join(found.split()[2:]).decode())

    def test_k9_watches_with_done_and_idle_pipelined(self):
        client = self.wire("u2")
        client.ok("SELECT INBOX")
        for number in range(1, 4):
            tag = client.idle()
            self.server.deliver("u2", sample(number))
            self.assertEqual(client.line(), b"* %d EXISTS" % number)
            client.raw(b"DONE\r\nx NOOP\r\n")
            client.until(tag)
            self.assertTrue(client.until(b"x")[1].startswith(b"OK"))

    def test_imap4rev2_is_chosen_by_enable(self):
        client = self.wire("u1")
        enabled, _, selected, found = self.pipeline(
            client, "ENABLE IMAP4rev2", 'LIST "" (INBOX Sent) RETURN (CHILDREN SUBSCRIBED)',
            "SELECT INBOX", "UID SEARCH RETURN (MIN MAX COUNT) ALL")
        self.assertEqual(enabled, [b"* ENABLED IMAP4rev2"])
        self.assertFalse([line for line in selected if b"RECENT" in line])
        self.assertTrue([line for line in selected if line.startswith(b"* LIST ")])
        self.assertTrue(re.match(rb'\* ESEARCH \(TAG "t\d+"\) UID MIN 1 MAX %d COUNT %d$' % (N, N),
                                 found[0]), found)

    def test_a_login_and_what_follows_in_one_write(self):
        client = self.wire()
        client.raw(b"1 LOGIN u1 %s\r\n2 SELECT INBOX\r\n3 FETCH 1 (UID)\r\n4 LOGOUT\r\n" % PASSWORD.encode())
        for tag in (b"1", b"2", b"3", b"4"):
            self.assertTrue(client.until(tag)[1].startswith(b"OK"))
        self.assertEqual(client.file.read(), b"")


if __name__ == "__main__":
    unittest.main(verbosity=2)
