"""Exim asks Roost who may submit, verifies recipients over LMTP and delivers by it: the configuration of docs/operating.md, "With Exim"."""

import base64
import json
import os
import smtplib
import ssl
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from exim import USER, Exim, documented_configuration, need_exim
from roost_server import Server, wait_for

need_exim()
UNIX_TRANSPORT = """roost_lmtp:
  driver = lmtp
  socket = {socket}
"""


class Submission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=0, passwd_file="", domains=["example.org"])
        cls.addClassCleanup(cls.server.close)
        cls.exim = Exim(os.path.join(cls.server.folder, "exim"))
        cls.addClassCleanup(cls.exim.close)
        cls.key = os.path.join(cls.exim.folder, "key.pem")
        with open(os.path.join(cls.server.data, "key.pem"), "rb") as key, open(cls.key, "wb") as copy:
            copy.write(key.read())
        cls.server.set(auth_socket=os.path.join(cls.exim.sockets, "auth"), mta_group=USER, mta_mode="0660", lmtp_group=USER,
                       lmtp=["127.0.0.1:%d" % cls.server.lmtp_port, "unix:" + os.path.join(cls.exim.sockets, "lmtp")])
        cls.server.start()
        cls.exim.start(cls.configuration())
        cls.context = ssl.create_default_context(cafile=cls.server.certificate)
        cls.context.check_hostname = False
        cls.names = ("user%d" % i for i in range(1, 100))

    @classmethod
    def configuration(cls):
        """The documented one, with the places of this test."""
        text = documented_configuration()
        for there, here in (("/etc/ssl/certs/mail.pem", cls.server.certificate), ("/etc/ssl/private/mail.key", cls.key),
                            ("/run/roost-mta", cls.exim.sockets), ("port = 24\n", "port = %d\n" % cls.server.lmtp_port)):
            if there not in text:
                raise AssertionError("docs/operating.md has no " + there)
            text = text.replace(there, here)
        return text

    def roost(self, *words):
        return json.loads(self.server.run(*words[:2], "--json", *words[2:]).stdout)

    def user(self):
        name = next(self.names)
        (made,) = self.roost("user", "add", name)
        return name, made["password"]

    def smtp(self, tls=True):
        client = self.exim.smtp(self.context if tls else None)
        self.addCleanup(client.close)
        return client

    def log_in(self, mechanism, user, password):
        client = self.smtp()
        client.user, client.password = user, password
        try:
            return client, client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)[0]
        except smtplib.SMTPAuthenticationError as refusal:
            return client, refusal.smtp_code

    def subjects(self, user, n):
        """Of a user's INBOX, when n mails are there."""
        (reader,) = self.roost("device", "add", user, "reader", "--scope", "imap")
        with self.server.wire() as imap:
            imap.ok('LOGIN %s "%s"' % (user, reader["password"]))
            wait_for(lambda: b"* %d EXISTS" % n in imap.ok("SELECT INBOX"), self.exim.log)
            return b"".join(imap.ok("FETCH 1:* BODY.PEEK[]"))

    def test_it_offers_logins_over_tls_alone(self):
        self.assertNotIn("auth", self.smtp(tls=False).esmtp_features)
        self.assertEqual(sorted(self.smtp().esmtp_features["auth"].split()), ["LOGIN", "PLAIN"])

    def test_mail_goes_in_by_smtp_and_is_read_by_imap(self):
        sender, password = self.user()
        receiver, _ = self.user()
        for mechanism in ("PLAIN", "LOGIN"):
            client, code = self.log_in(mechanism, sender, password)
            self.assertEqual(code, 235, self.exim.log())
            client.sendmail(sender + "@example.org", [receiver + "@example.org"],
                            "Subject: by %s\r\n\r\nHello.\r\n.\r\n..dots\r\n" % mechanism)
        mail = self.subjects(receiver, 2)
        for mechanism in (b"PLAIN", b"LOGIN"):
            self.assertIn(b"Subject: by " + mechanism + b"\r\n", mail)
        self.assertEqual(mail.count(b"\r\nHello.\r\n.\r\n..dots\r\n"), 2)
        self.assertEqual(mail.count(b"Return-Path: <%s@example.org>" % sender.encode()), 2)
        self.assertIn("A=roost_plain:" + sender, self.exim.log())
        self.assertIn("A=roost_login:" + sender, self.exim.log())
        (line,) = [line for line in self.server.logged("user=%s " % sender) if "login.ok" in line and "method=PLAIN" in line]
        self.assertRegex(line, r"address=127\.0\.0\.1 .*service=submission .*tls=yes")

    def test_who_may_not_send_does_not(self):
        user, _ = self.user()
        (reader,) = self.roost("device", "add", user, "reader", "--scope", "imap")
        for mechanism in ("PLAIN", "LOGIN"):
            for name, password in ((user, "wrong"), (user, reader["password"]), ("nobody", "wrong")):
                client, code = self.log_in(mechanism, name, password)
                self.assertEqual(code, 535, (mechanism, name))
                client.mail(user + "@example.org")
                self.assertEqual(client.rcpt("somebody@elsewhere.example")[0], 550)
        self.server.logged("reason=device_scope service=submission", 2)

    def test_nonsense_is_refused_and_the_connection_lives(self):
        user, password = self.user()
        client = self.smtp()
        self.assertEqual(client.docmd("AUTH PLAIN", base64.b64encode(b"\0one field").decode())[0], 535)
        self.assertIn(client.docmd("AUTH PLAIN", "!!!")[0], (501, 535))
        self.assertEqual(client.docmd("AUTH PLAIN", base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode())[0], 235)

    def test_an_unknown_recipient_is_refused_while_the_sender_is_there(self):
        user, _ = self.user()
        client = self.smtp()
        client.mail("stranger@elsewhere.example")
        self.assertEqual(client.rcpt("nobody@example.org")[0], 550)
        self.assertEqual(client.rcpt(user + "@example.org")[0], 250)
        self.assertEqual(client.rcpt("somebody@elsewhere.example")[0], 550)

    def test_over_the_unix_socket(self):
        """A transport of an `accept` router, as the section says; an unknown recipient is found out too late."""
        user, _ = self.user()
        other = Exim(os.path.join(self.server.folder, "exim2"))
        self.addCleanup(other.close)
        text = self.configuration()
        transport = text[text.index("roost_lmtp:\n"):text.index("begin authenticators")]
        router = text[text.index("  driver = manualroute"):text.index("  transport = roost_lmtp")]
        text = text.replace(transport, UNIX_TRANSPORT.format(socket=os.path.join(self.exim.sockets, "lmtp")))
        text = text.replace(router, "  driver = accept\n  domains = example.org\n")
        other.start(text)
        with other.smtp() as client:
            client.mail("stranger@elsewhere.example")
            self.assertEqual(client.rcpt("nobody@example.org")[0], 250)
            client.rset()
            client.sendmail("stranger@elsewhere.example", [user + "@example.org"], "Subject: by unix\r\n\r\nHello.\r\n")
        wait_for(lambda: "=> " + user in other.log(), other.log)
        self.assertIn(b"Subject: by unix\r\n", self.subjects(user, 1))

    def test_roost_away_is_not_a_wrong_password(self):
        user, password = self.user()
        self.server.stop()
        _, code = self.log_in("PLAIN", user, password)
        self.assertEqual(code, 435)
        self.server.start()
        self.assertEqual(self.log_in("PLAIN", user, password)[1], 235)


if __name__ == "__main__":
    unittest.main()
