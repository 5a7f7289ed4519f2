"""CAPABILITY in each state: what README.md says, no more and no less (RFC 9051 6.1.1, 7.2.2)."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, SOURCE, Server
from test_compress import compress

ANY = {"IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID", "ENABLE", "LANGUAGE"}


def words(line):
    """Of a greeting, of a tagged OK or of an untagged answer."""
    return re.search(r"CAPABILITY ([^\]\r\n]*)", line if isinstance(line, str) else line.decode()).group(1).split()


def from_readme(ends_with):
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as readme:
        line, = [line for line in readme if "[CAPABILITY " in line and line.rstrip().endswith(ends_with)]
    return words(line)


class Capability(unittest.TestCase):
    def server(self, **settings):
        server = Server(users=1, **settings)
        self.addCleanup(server.close)
        return server.start()

    def before(self, server, tls):
        with server.wire(tls=tls) as wire:
            greeted = words(wire.greeting)
            self.assertEqual(greeted, words(wire.ok("CAPABILITY")[0]))
            self.assertEqual(len(greeted), len(set(greeted)))
            self.assertTrue(ANY <= set(greeted), greeted)
            return set(greeted)

    def test_before_login(self):
        server = self.server(plaintext_loopback="no", passwd_file="")  # as `roost init` leaves it: with SCRAM
        tls, plain = self.before(server, True), self.before(server, False)
        self.assertEqual(set(from_readme("Roost ready")), tls)
        mechanisms = {word for word in tls if word.startswith("AUTH=")}
        self.assertEqual(ANY | {"SASL-IR"} | mechanisms, tls)
        self.assertTrue(mechanisms)
        self.assertEqual(ANY | {"SASL-IR", "STARTTLS", "LOGINDISABLED"}, plain)

    def test_before_login_where_plaintext_is_allowed(self):
        server = self.server()
        self.assertEqual(self.before(server, True) | {"STARTTLS"}, self.before(server, False))

    def test_no_starttls_where_there_is_none(self):
        server = self.server(starttls="no", plaintext_loopback="yes")
        self.assertEqual(self.before(server, True), self.before(server, False))

    def test_after_login_it_is_the_list_of_the_readme(self):
        with self.server().wire() as wire:
            _, tagged = wire.command("LOGIN u1 " + PASSWORD)
            told = words(tagged)
            self.assertEqual(sorted(from_readme("Logged in")), sorted(told))
            self.assertEqual(told, words(wire.ok("CAPABILITY")[0]))
            wire.ok("SELECT INBOX")
            wire.ok("ENABLE IMAP4rev2 QRESYNC UIDONLY UTF8=ACCEPT")
            self.assertEqual(told, words(wire.ok("CAPABILITY")[0]))
            compress(wire)
            self.assertEqual([word for word in told if word != "COMPRESS=DEFLATE"], words(wire.ok("CAPABILITY")[0]))

    def test_limits_where_they_are_configured(self):
        readme = set(from_readme("Logged in"))
        for setting, word in (("message_limit", "MESSAGELIMIT=1000"), ("save_limit", "SAVELIMIT=1000")):
            with self.subTest(setting=setting), self.server(**{setting: "1000"}).wire("u1") as wire:
                self.assertEqual(readme | {word}, set(words(wire.ok("CAPABILITY")[0])))

    def test_tokens_that_exclude_each_other(self):
        told = set(from_readme("Logged in"))
        for one, other in (("LITERAL+", "LITERAL-"), ("METADATA", "METADATA-SERVER"),
                           ("I18NLEVEL=2", "I18NLEVEL=1"), ("MESSAGELIMIT", "SAVELIMIT")):
            self.assertFalse({one, other} <= told, (one, other))


if __name__ == "__main__":
    unittest.main()
