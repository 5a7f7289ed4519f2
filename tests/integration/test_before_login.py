"""What the gate says before login, and where the mail role takes over: RFC 9051 6.1, 6.2, 7.1, 7.2.2; RFC 4959, 7888."""

import base64
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server

AFTER_ONLY = {b"IDLE", b"UIDPLUS", b"MOVE", b"NAMESPACE", b"ESEARCH", b"LIST-EXTENDED"}


def plain(user, password, authzid=b""):
    return base64.b64encode(authzid + b"\0" + user + b"\0" + password)


class BeforeLogin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=2).start()
        cls.addClassCleanup(cls.server.close)

    def wire(self, tls=True):
        wire = self.server.wire(tls=tls)
        self.addCleanup(wire.close)
        return wire

    def tagged(self, wire, text):
        return wire.command(text)[1]

    def capabilities(self, line):
        return set(line.split(b"CAPABILITY ")[1].split(b"]")[0].split())

    def test_the_greeting_and_capability_say_the_same(self):
        wire = self.wire()
        self.assertTrue(wire.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 "), wire.greeting)
        before = self.capabilities(wire.greeting)
        lines = wire.ok("CAPABILITY")
        self.assertEqual(len(lines), 1)
        self.assertEqual(self.capabilities(lines[0]), before)
        self.assertLessEqual({b"IMAP4rev1", b"IMAP4rev2", b"LITERAL+", b"SASL-IR", b"AUTH=PLAIN", b"ID", b"ENABLE"},
                             before)
        self.assertFalse(AFTER_ONLY & before)
        self.assertNotIn(b"STARTTLS", before)  # it is TLS already
        self.assertNotIn(b"LITERAL-", before)

    def test_login_tells_the_new_capabilities(self):
        wire = self.wire()
        tagged = self.tagged(wire, "LOGIN u1 pass")
        self.assertTrue(tagged.startswith(b"OK [CAPABILITY "), tagged)
        after = self.capabilities(tagged)
        self.assertLessEqual(AFTER_ONLY, after)
        self.assertFalse({c for c in after if c.startswith((b"AUTH=", b"SASL-IR", b"STARTTLS", b"LOGIN"))})
        self.assertEqual(self.capabilities(wire.ok("CAPABILITY")[0]), after)

    def test_authenticate_in_each_form(self):
        secret = plain(b"u1", b"pass")
        self.assertTrue(self.tagged(self.wire(), b"AUTHENTICATE PLAIN " + secret).startswith(b"OK [CAPABILITY "))
        wire = self.wire()
        tag = wire.send("authenticate plain")
        self.assertTrue(wire.line().startswith(b"+"))
        wire.raw(secret + b"\r\n")
        self.assertTrue(wire.until(tag)[1].startswith(b"OK "))
        wire.ok("SELECT INBOX")

    def test_authenticate_is_cancelled_or_refused(self):
        wire = self.wire()
        tag = wire.send("AUTHENTICATE PLAIN")
        wire.line()
        wire.raw(b"*\r\n")
        self.assertTrue(wire.until(tag)[1].startswith(b"BAD"))
        tag = wire.send("AUTHENTICATE PLAIN")
        wire.line()
        wire.raw(b"not base64!\r\n")
        self.assertTrue(wire.until(tag)[1].startswith(b"BAD"))
        self.assertTrue(self.tagged(wire, "AUTHENTICATE X-UNKNOWN").startswith((b"NO", b"BAD")))
        self.assertTrue(self.tagged(wire, b"AUTHENTICATE PLAIN " + plain(b"u1", b"wrong"))
                        .startswith(b"NO [AUTHENTICATIONFAILED]"))
        self.assertTrue(self.tagged(wire, b"AUTHENTICATE PLAIN " + plain(b"u1", b"pass", b"u2"))
                        .startswith(b"NO [AUTH"))
        wire.ok("LOGIN u1 pass")

    def test_login_takes_quotes_and_literals(self):
        self.wire().ok('LOGIN "u1" "pass"')
        self.wire().ok(b"LOGIN {2+}\r\nu1 {4+}\r\npass")
        wire = self.wire()
        tag = wire.send("LOGIN {2}")
        self.assertTrue(wire.line().startswith(b"+"))
        wire.raw(b"u1 {4}\r\n")
        self.assertTrue(wire.line().startswith(b"+"))
        wire.raw(b"pass\r\n")
        self.assertTrue(wire.until(tag)[1].startswith(b"OK"))

    def test_what_needs_a_login_is_refused(self):
        wire = self.wire()
        for text in ("SELECT INBOX", "LIST \"\" *", "NOSUCH", "LOGIN u1", "NOOP extra", "ENABLE IMAP4rev2"):
            self.assertTrue(self.tagged(wire, text).startswith(b"BAD"), text)
        wire.ok("NOOP")
        wire.ok("ID NIL")
        wire.ok("LOGIN u1 pass")

    def test_logout_and_pipelined_login(self):
        wire = self.wire()
        lines, tagged = wire.command("LOGOUT")
        self.assertTrue(lines[0].startswith(b"* BYE"))
        self.assertTrue(tagged.startswith(b"OK"))
        self.assertEqual(wire.file.read(), b"")
        wire = self.wire()
        wire.raw(b"a LOGIN u1 pass\r\nb ENABLE IMAP4rev2\r\nc SELECT INBOX\r\nd LOGOUT\r\n")
        for tag in (b"a", b"b", b"c", b"d"):
            self.assertTrue(wire.until(tag)[1].startswith(b"OK"))

    def test_wrong_passwords_look_like_unknown_names(self):
        wire = self.wire()
        self.assertEqual(self.tagged(wire, "LOGIN u1 wrong"), self.tagged(wire, "LOGIN nobody wrong"))


if __name__ == "__main__":
    unittest.main()
