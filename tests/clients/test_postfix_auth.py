"""Postfix asks Roost who may submit, and who there is: Dovecot's protocol, socketmap, address verification.

Mail goes in by SMTP over STARTTLS, out by LMTP, and is read by IMAP, with the configuration of docs/operating.md, "With Postfix".
"""

import base64
import json
import os
import re
import smtplib
import ssl
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from postfix import Postfix, need_postfix
from roost_server import DEADLINE_SEC, Server, wait_for
from scram_client import Scram

need_postfix()
# docs/operating.md, "With Postfix", with what a test's place asks for.
MAIN_CF = """
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/roost-auth
smtpd_sasl_security_options = noanonymous
mynetworks =
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ verified.example.org=reject_unverified_recipient }}
unverified_recipient_reject_code = 550
unverified_recipient_reject_reason = Nobody of that name here
address_verify_map =
virtual_mailbox_domains = example.org, verified.example.org
virtual_mailbox_maps = inline:{{ @verified.example.org=any }}, socketmap:unix:private/roost-map:recipients
virtual_transport = lmtp:unix:private/roost-lmtp
smtpd_sender_login_maps = socketmap:unix:private/roost-map:recipients
smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch
default_transport = discard:
"""


class Submission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=0, passwd_file="", domains=["example.org", "verified.example.org"])
        cls.addClassCleanup(cls.server.close)
        cls.postfix = Postfix(cls.server)
        cls.addClassCleanup(cls.postfix.close)
        cls.postfix.configure(MAIN_CF, certificate=cls.server.certificate,
                              key=os.path.join(cls.server.data, "key.pem"))
        private = os.path.join(cls.postfix.queue, "private")
        cls.server.set(lmtp=["unix:%s/roost-lmtp" % private], lmtp_group="postfix", lmtp_mode="0660",
                       auth_socket=private + "/roost-auth", socketmap_socket=private + "/roost-map",
                       mta_group="postfix", mta_mode="0660")
        cls.server.start()
        cls.postfix.start()
        cls.names = ("user%d" % i for i in range(1, 100))

    def roost(self, *words):
        return json.loads(self.server.run(*words[:2], "--json", *words[2:]).stdout)

    def user(self):
        """A user and the app password of the first device, which is for both."""
        name = next(self.names)
        (made,) = self.roost("user", "add", name)
        return name, made["password"]

    def smtp(self, tls=True):
        client = smtplib.SMTP("127.0.0.1", self.postfix.port.number, timeout=DEADLINE_SEC)
        self.addCleanup(client.close)
        client.ehlo()
        if tls:
            context = ssl.create_default_context(cafile=self.server.certificate)
            context.check_hostname = False
            client.starttls(context=context)
            client.ehlo()
        return client

    def try_auth(self, mechanism, user, password):
        """The reply to the last line of one exchange."""
        client = self.smtp()
        if mechanism == "PLAIN":
            return client.docmd("AUTH PLAIN", base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode())
        code, text = client.docmd("AUTH LOGIN")
        self.assertEqual((code, base64.b64decode(text)), (334, b"Username:"))
        code, text = client.docmd(base64.b64encode(user.encode()).decode())
        self.assertEqual((code, base64.b64decode(text)), (334, b"Password:"))
        return client.docmd(base64.b64encode(password.encode()).decode())

    def scram(self, client, user, password):
        exchange = Scram(user, password)
        code, text = client.docmd("AUTH SCRAM-SHA-256", base64.b64encode(exchange.first()).decode())
        self.assertEqual(code, 334, text)
        code, text = client.docmd(base64.b64encode(exchange.final(base64.b64decode(text))).decode())
        if code != 334:
            return code
        self.assertTrue(exchange.is_server(base64.b64decode(text)))
        return client.docmd("")[0]

    def login_lines(self, user, event):
        def lines():
            return [line for line in self.server.log().splitlines() if "user=%s " % user in line and event in line]

        return wait_for(lines, self.server.log)

    def test_it_offers_what_works_here_over_tls_alone(self):
        self.assertNotIn("auth", self.smtp(tls=False).esmtp_features)
        self.assertEqual(sorted(self.smtp().esmtp_features["auth"].split()), ["LOGIN", "PLAIN", "SCRAM-SHA-256"])

    def test_each_mechanism_sends_mail_that_arrives(self):
        user, password = self.user()
        outside, _ = self.user()
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
            client = self.smtp()
            if mechanism == "SCRAM-SHA-256":
                self.assertEqual(self.scram(client, user, password), 235)
            else:
                client.user, client.password = user, password
                auth = client.auth_plain if mechanism == "PLAIN" else client.auth_login
                self.assertEqual(client.auth(mechanism, auth)[0], 235)
            client.sendmail(user + "@example.org", [outside + "@example.org", "someone@elsewhere.example"],
                            "Subject: by %s\r\n\r\nHello.\r\n" % mechanism)
        wait_for(lambda: len(re.findall("to=<%s@example.org>.* status=sent" % outside, self.postfix.log())) == 3,
                 self.postfix.log)
        self.assertEqual(len(re.findall(r"sasl_method=\S+, sasl_username=%s\b" % user, self.postfix.log())), 3)
        (reader,) = self.roost("device", "add", outside, "reader", "--scope", "imap")
        with self.server.wire() as imap:
            imap.ok('LOGIN %s "%s"' % (outside, reader["password"]))
            self.assertIn(b"* 3 EXISTS", imap.ok("SELECT INBOX"))
            subjects = b"".join(imap.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
            for mechanism in (b"PLAIN", b"LOGIN", b"SCRAM-SHA-256"):
                self.assertIn(b"Subject: by " + mechanism + b"\r\n", subjects)

    def test_logins_stand_in_the_log_and_the_audit_as_submission(self):
        user, password = self.user()
        self.assertEqual(self.try_auth("PLAIN", user, password)[0], 235)
        self.assertEqual(self.try_auth("LOGIN", user, "wrong")[0], 535)
        (ok,) = self.login_lines(user, "login.ok")
        self.assertRegex(ok, r"address=127\.0\.0\.1 .*service=submission .*method=PLAIN .*tls=yes")
        (refused,) = self.login_lines(user, "login.refused")
        self.assertRegex(refused, r"address=127\.0\.0\.1 reason=unknown_user|reason=wrong_password")
        self.assertRegex(refused, r"service=submission .*method=LOGIN")
        self.assertRegex(self.postfix.log(), "sasl_username=%s" % user)

    def test_what_may_not_send_does_not(self):
        def reader(user, _):
            return self.roost("device", "add", user, "reader", "--scope", "imap")[0]["password"]

        def far(user, _):
            return self.roost("device", "add", user, "far", "--network", "192.0.2.0/24")[0]["password"]

        def revoked(user, _):
            (gone,) = self.roost("device", "add", user, "gone", "--scope", "both")
            self.assertEqual(self.try_auth("PLAIN", user, gone["password"])[0], 235)
            self.server.run("device", "revoke", user, str(gone["device"]))
            return gone["password"]

        def mistyped(_, password):
            return password[:-1] + ("a" if password[-1] != "a" else "b")

        for make in (lambda *_: "wrong", mistyped, reader, far, revoked):
            user, password = self.user()  # each with failures of their own, so that nobody waits
            secret = make(user, password)
            for mechanism in ("PLAIN", "LOGIN"):
                code, text = self.try_auth(mechanism, user, secret)
                self.assertEqual(code, 535, text)
            self.assertEqual(self.scram(self.smtp(), user, secret), 535)
            self.assertEqual(self.try_auth("PLAIN", user, password)[0], 235)
        self.assertEqual(self.try_auth("PLAIN", "nobody", "wrong")[0], 535)

    def test_a_scanner_sends_and_reads_nothing(self):
        user, _ = self.user()
        (scanner,) = self.roost("device", "add", user, "scanner", "--scope", "send")
        self.assertEqual(self.try_auth("LOGIN", user, scanner["password"])[0], 235)
        with self.server.wire() as imap:
            _, answer = imap.command('LOGIN %s "%s"' % (user, scanner["password"]))
            self.assertTrue(answer.startswith(b"NO"), answer)

    def test_imap_has_no_login_mechanism(self):
        user, password = self.user()
        with self.server.wire() as imap:
            self.assertNotIn(b"AUTH=LOGIN", imap.greeting)
            _, answer = imap.command("AUTHENTICATE LOGIN " + base64.b64encode(user.encode()).decode())
            self.assertTrue(answer.startswith(b"NO"), answer)
        self.assertEqual(self.try_auth("PLAIN", user, password)[0], 235)

    def test_a_stranger_relays_nothing_and_hears_who_is_not_there(self):
        user, _ = self.user()
        client = self.smtp()
        client.mail("anybody@elsewhere.example")
        self.assertEqual(client.rcpt("someone@elsewhere.example")[0], 554)
        code, text = client.rcpt("nobody@example.org")  # by socketmap
        self.assertEqual((code, text.startswith(b"5.1.1")), (550, True), text)
        self.assertEqual(client.rcpt(user + "@example.org")[0], 250)
        self.assertEqual(client.rcpt(user + "+list@example.org")[0], 250)

    def test_address_verification_ends_with_550(self):
        user, _ = self.user()

        def answer(address):
            with smtplib.SMTP("127.0.0.1", self.postfix.port.number, timeout=DEADLINE_SEC) as client:
                client.ehlo()
                client.mail("anybody@elsewhere.example")
                code, text = client.rcpt(address)
            return (code, text) if code not in (450, 451) else None  # the probe is under way

        code, text = wait_for(lambda: answer("nobody2@verified.example.org"), self.postfix.log)
        self.assertEqual(code, 550, text)
        self.assertIn(b"Nobody of that name here", text)
        code, text = wait_for(lambda: answer(user + "@verified.example.org"), self.postfix.log)
        self.assertEqual(code, 250, text)

    def test_the_map_says_whose_an_address_is(self):
        user, password = self.user()
        other, _ = self.user()
        self.server.run("alias", "add", "info-%s@example.org" % user, user)
        client = self.smtp()
        client.login(user, password)
        for sender, code in ((user + "@example.org", 250), ("info-%s@example.org" % user, 250),
                             (other + "@example.org", 553)):
            client.mail(sender)
            self.assertEqual(client.rcpt(other + "@example.org")[0], code, sender)
            client.rset()


if __name__ == "__main__":
    unittest.main(verbosity=2)
