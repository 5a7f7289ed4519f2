"""Postfix as Debian ships it, its LMTP client chrooted: over a unix socket inside the chroot, and over TCP.

An instance of its own, with Debian's master.cf, on loopback ports; started and stopped by its own configuration
folder, so that one that runs on this machine is left alone.
"""

import os
import re
import smtplib
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from postfix import Postfix, need_postfix
from roost_server import Server, wait_for

need_postfix()
SOCKET = "private/roost-lmtp"  # below the queue folder, which is the chroot
MAIN_CF = """
virtual_mailbox_domains = unix.example.org, tcp.example.org
virtual_mailbox_maps = static:all
transport_maps = inline:{{ unix.example.org=lmtp:unix:{socket}, tcp.example.org=lmtp:inet:127.0.0.1:{lmtp} }}
"""


class Deliveries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.postfix = Postfix(cls.server)
        cls.addClassCleanup(cls.postfix.close)
        cls.postfix.configure(MAIN_CF, socket=SOCKET, lmtp=cls.server.lmtp_port)
        # The socket as docs/clients.md says for Debian.
        cls.server.set(lmtp=["127.0.0.1:%d" % cls.server.lmtp_port,
                             "unix:" + os.path.join(cls.postfix.queue, SOCKET)],
                       lmtp_owner="postfix", lmtp_group="postfix", lmtp_mode="0600")
        cls.server.start()
        cls.postfix.start()

    def submit(self, sender, recipients, subject):
        message = ("From: <%s>\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@relay.example.org>\r\n\r\n"
                   "Hello.\r\n.\r\nA dot stood alone.\r\n" % (
                       sender, ", ".join(recipients), subject, subject.replace(" ", "-")))
        with smtplib.SMTP("127.0.0.1", self.postfix.port.number, timeout=60) as smtp:
            smtp.sendmail(sender, recipients, message)

    def idle(self, user):
        client = self.server.wire(user)
        self.addCleanup(client.close)
        client.ok("SELECT INBOX")
        return client, client.idle()

    def newest(self, client, tag):
        """What the IDLE of a client was told of, fetched."""
        line = client.line()
        self.assertTrue(line.endswith(b" EXISTS"), line)
        client.done(tag)
        return b"".join(client.ok("FETCH * BODY.PEEK[]"))

    def arrives(self, domain):
        client, tag = self.idle("u1")
        subject = "to " + domain
        self.submit("somebody@unix.example.org", ["u1@" + domain], subject)
        message = self.newest(client, tag)
        self.assertIn(b"Subject: " + subject.encode(), message)
        self.assertIn(b"\r\nHello.\r\n.\r\nA dot stood alone.\r\n", message)
        self.assertTrue(b"Return-Path: <somebody@unix.example.org>\r\n" in message, message)
        self.assertEqual(message.count(b"Return-Path:"), 1)
        self.assertIn(b"Delivered-To: u1@" + domain.encode(), message)

    def test_over_the_socket_inside_the_chroot(self):
        self.arrives("unix.example.org")

    def test_over_tcp(self):
        self.arrives("tcp.example.org")

    def test_an_unknown_user_bounces(self):
        client, tag = self.idle("u3")
        self.submit("u3@unix.example.org", ["nobody@unix.example.org"], "to nobody")
        bounce = self.newest(client, tag)
        self.assertIn(b"Return-Path: <>\r\n", bounce)
        self.assertRegex(bounce, rb"550[- ]5\.1\.1")
        self.assertIn(b"Final-Recipient: rfc822; nobody@unix.example.org", bounce)

    def test_each_recipient_has_its_own_reply(self):
        names = ["u4@unix.example.org", "u5@unix.example.org", "nobody2@unix.example.org"]
        idles = [self.idle(user) for user in ("u4", "u5")]
        self.submit("u2@unix.example.org", names, "to three")
        for client, tag in idles:
            self.assertIn(b"Subject: to three", self.newest(client, tag))

        def replies():
            found = re.findall(r"to=<(u4|u5|nobody2)@unix\.example\.org>.* status=(\w+) \((?:host [^ ]+ said: )?([^)]*)",
                               self.postfix.log())
            return found if len(found) >= 3 else None

        found = wait_for(replies, self.postfix.log)
        self.assertEqual(sorted((who, status) for who, status, _ in found),
                         [("nobody2", "bounced"), ("u4", "sent"), ("u5", "sent")])
        for who, _, text in found:
            self.assertRegex(text, "550 5.1.1" if who == "nobody2" else "250 2[.]")


if __name__ == "__main__":
    unittest.main(verbosity=2)
