"""SCRAM with a real server: a client of our own, and GNU SASL, which knows channel binding."""

import json
import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, need, wait_for
from scram_client import Scram, challenge, b64, login

GSASL = need("gsasl", "gsasl")
SWITCHED_ON = dict(users=0, passwd_file="", scram_sha1="yes")


def next_year():
    return time.strftime("until %Y-%m-%d", time.gmtime(time.time() + 366 * 86400))


class Scrams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(legacy_passwords=next_year(), **SWITCHED_ON)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.names = iter("user%d" % i for i in range(1, 100))

    def roost(self, *words, stdin=None):
        done = subprocess.run([ROOST, *words[:2], "-c", self.server.config, "--json", *words[2:]],
                              capture_output=True, text=True, input=stdin)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def user(self):
        """A user and the app password of the first device."""
        name = next(self.names)
        (made,) = self.roost("user", "add", name)
        return name, made["password"]

    def wire(self, tls=True):
        wire = self.server.wire(tls=tls)
        self.addCleanup(wire.close)
        return wire

    def login(self, user, password, **options):
        """The tagged line of a login; a right one is followed by a command."""
        with self.server.wire() as wire:
            scram = Scram(user, password, options.pop("hash_name", "sha256"), options.pop("gs2", b"n,,"),
                          options.pop("authzid", None))
            said = login(wire, scram, **options)
            if said.startswith(b"OK"):
                wire.ok("SELECT INBOX")
            return said

    def assertIn_(self, user, password, **options):
        self.assertRegex(self.login(user, password, **options), rb"\AOK \[CAPABILITY ")

    def assertRefused(self, user, password, **options):
        self.assertTrue(self.login(user, password, **options).startswith(b"NO [AUTHENTICATIONFAILED] "))

    # ---- who gets in

    def test_is_offered_over_tls_only(self):
        offered = set(re.findall(rb"AUTH=(SCRAM-\S+?)[] ]", self.wire().greeting))
        self.assertEqual(offered, {b"SCRAM-SHA-256", b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-1", b"SCRAM-SHA-1-PLUS"})
        self.assertNotIn(b"SCRAM", self.wire(tls=False).greeting)

    def test_each_device_by_its_own_password(self):
        user, first = self.user()
        (second,) = self.roost("device", "add", user, "phone")
        for password in (first, second["password"]):
            self.assertIn_(user, password)
            self.assertIn_(user.upper(), password.replace("-", ""))
            self.assertIn_(user, password, initial=False)
            self.assertIn_(user, password, authzid=user)
        self.assertRefused(user, first[:-1])
        self.assertRefused(user, second["password"] + "x")
        self.roost("device", "revoke", user, str(second["device"]))
        self.assertRefused(user, second["password"])
        self.assertIn_(user, first)

    def test_many_devices_made_at_once(self):
        names = [next(self.names) for _ in range(20)]
        made = self.roost("user", "add", "--file", "-", stdin="\n".join(names) + "\n")
        self.assertEqual([row["user"] for row in made], names)
        for row in made:
            wait_for(lambda: self.login(row["user"], row["password"]).startswith(b"OK"), "SCRAM's keys are made")

    def test_nobody_acts_as_another(self):
        (user, password), (other, _) = self.user(), self.user()
        self.assertTrue(self.login(user, password, authzid=other).startswith(b"NO [AUTHORIZATIONFAILED] "))
        self.assertRefused(other, password)

    def test_the_session_is_that_of_the_device(self):
        user, _ = self.user()
        (reader,) = self.roost("device", "add", user, "screen", "--read-only")
        (sender,) = self.roost("device", "add", user, "scanner", "--scope", "send")
        with self.server.wire() as wire:
            self.assertTrue(login(wire, Scram(user, reader["password"])).startswith(b"OK"))
            self.assertTrue(wire.command("CREATE box")[1].startswith(b"NO"))
        self.assertTrue(self.login(user, sender["password"]).startswith(b"NO [AUTHORIZATIONFAILED] "))

    def test_a_device_of_another_network_stays_out(self):
        user, _ = self.user()
        (far,) = self.roost("device", "add", user, "far", "--network", "192.0.2.0/24,2001:db8::/32")
        (near,) = self.roost("device", "add", user, "near", "--network", "192.0.2.0/24,127.0.0.0/8")
        self.assertTrue(self.login(user, far["password"]).startswith(b"NO [AUTHORIZATIONFAILED] "))
        self.assertIn_(user, near["password"])
        with self.server.wire() as wire:
            self.assertTrue(wire.command("LOGIN %s %s" % (user, far["password"]))[1].startswith(
                b"NO [AUTHORIZATIONFAILED] "))
        self.server.logged("reason=device_network", 2)
        listed = {row["name"]: row["networks"] for row in self.roost("device", "list", user)}
        self.assertEqual(listed["far"].split(), ["192.0.2.0/24", "2001:db8::/32"])

    def test_a_device_revoked_between_the_proofs_stays_out(self):
        user, _ = self.user()
        (device,) = self.roost("device", "add", user, "phone")
        wire, scram = self.wire(), Scram(user, device["password"])
        wire.send(b"AUTHENTICATE SCRAM-SHA-256 " + b64(scram.first()))
        wire.raw(b64(scram.final(challenge(wire)[0])) + b"\r\n")
        self.assertTrue(scram.is_server(challenge(wire)[0]))
        self.roost("device", "revoke", user, str(device["device"]))
        wire.raw(b"\r\n")
        self.assertTrue(challenge(wire)[1].startswith(b"NO [AUTHENTICATIONFAILED] "))

    def test_sha_1_where_it_is_switched_on(self):
        user, password = self.user()
        self.assertIn_(user, password, hash_name="sha1", mechanism="SCRAM-SHA-1")
        self.assertRefused(user, password + "x", hash_name="sha1", mechanism="SCRAM-SHA-1")

    def test_an_account_password_after_its_first_plain_login(self):
        user, _ = self.user()
        self.roost("user", "passwd", user, "--password-stdin", stdin="correct horse, battery\n")
        self.assertRefused(user, "correct horse, battery")
        with self.server.wire() as wire:
            wire.ok('LOGIN %s "correct horse, battery"' % user)
        wait_for(lambda: self.login(user, "correct horse, battery").startswith(b"OK"), "SCRAM's keys are made")
        self.roost("user", "passwd", user, "--password-stdin", stdin="another horse\n")
        self.assertRefused(user, "correct horse, battery")

    # ---- what a stranger learns

    def salt(self, user):
        scram, wire = Scram(user, "x"), self.wire()
        self.assertTrue(login(wire, scram).startswith(b"NO [AUTHENTICATIONFAILED] "))
        return scram.salt

    def test_a_stranger_cannot_tell_who_exists(self):
        user, _ = self.user()
        salts = [self.salt(name) for name in (user, user.upper(), "nobody", "NoBody", "somebody else")]
        self.assertEqual(salts[0], salts[1])
        self.assertEqual(salts[2], salts[3])
        self.assertEqual(len(set(salts)), 3)
        self.assertEqual({len(salt) for salt in salts}, {16})
        before = self.salt("later")
        self.roost("user", "add", "later")
        self.assertEqual(before, self.salt("later"))
        self.server.logged("unknown_user", 3)

    # ---- the channel

    def test_channel_binding_is_not_talked_down(self):
        user, password = self.user()
        self.assertRefused(user, password, gs2=b"y,,")  # it was offered
        self.assertRefused(user, password, mechanism="SCRAM-SHA-256-PLUS")
        self.assertRefused(user, password, mechanism="SCRAM-SHA-256-PLUS", gs2=b"p=tls-unique,,")
        self.assertRefused(user, password, gs2=b"p=tls-exporter,,")
        self.assertRefused(user, password, mechanism="SCRAM-SHA-256-PLUS", gs2=b"p=tls-exporter,,")
        self.server.logged("channel_binding", 5)

    def test_rubbish_is_bad(self):
        wire = self.wire()
        for initial in (b"", b"n,,", b"n,,n=,r=x", b"n,,m=1,n=u,r=x", b"n,,n=u=41,r=x", b"n,,n=u,r=\x7f"):
            wire.send(b"AUTHENTICATE SCRAM-SHA-256 " + (b64(initial) or b"="))
            said, line = challenge(wire)
            self.assertIsNone(said)
            self.assertTrue(line.startswith(b"BAD "), (initial, line))

    def test_a_secret_is_nowhere_in_the_log(self):
        user, password = self.user()
        self.assertIn_(user, password)
        self.assertRefused(user, "not-" + password)
        self.assertNotIn(password, self.server.log())
        self.assertNotIn(password.replace("-", ""), self.server.log())

    # ---- clients of others

    def gsasl(self, mechanism, user, password):
        """Its exit status and output; it starts TLS on the imap port."""
        done = subprocess.run(
            [GSASL, "--imap", "--connect=localhost:%d" % self.server.imap_port, "--x509-ca-file=" +
             self.server.certificate, "--mechanism=" + mechanism, "--authentication-id=" + user,
             "--password=" + password, "--authorization-id=" + user, "--no-client-first", "--verbose",
             *([] if mechanism.endswith("-PLUS") else ["--no-cb"])],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def test_gnu_sasl(self):
        user, password = self.user()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
            with self.subTest(mechanism=mechanism):
                code, said = self.gsasl(mechanism, user, password)
                self.assertEqual(code, 0, said)
                self.server.logged('method=%s ' % mechanism)
                self.assertNotEqual(self.gsasl(mechanism, user, password + "x")[0], 0)


class Later(unittest.TestCase):
    def test_a_device_made_while_it_was_off(self):
        server = Server(users=0, passwd_file="", scram="no")
        self.addCleanup(server.close)
        server.start()
        made, = json.loads(server.run("user", "add", "anna", "--json").stdout)
        with server.wire() as wire:
            self.assertNotIn(b"SCRAM", wire.greeting)
            self.assertTrue(login(wire, Scram("anna", made["password"])).startswith(b"NO "))
        self.assertEqual(server.stop(), 0)
        server.set(scram="yes")
        server.start()

        def gets_in():
            with server.wire() as wire:
                return login(wire, Scram("anna", made["password"])).startswith(b"OK")

        self.assertFalse(gets_in())
        with server.wire() as wire:
            wire.ok("LOGIN anna " + made["password"].upper().replace("-", ""))
        wait_for(gets_in, "SCRAM's keys are made")

    def test_not_offered_beside_a_passwd_file(self):
        server = Server(users=1)
        self.addCleanup(server.close)
        with server.start().wire() as wire:
            self.assertNotIn(b"SCRAM", wire.greeting)


if __name__ == "__main__":
    unittest.main()
