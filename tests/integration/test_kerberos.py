"""SASL GSSAPI without a realm: when it is offered, what its process is, and that nothing but a ticket is one. nightly_kerberos.py has a real KDC."""

import base64
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from kdc import write_keytab
from roost_server import PASSWORD, Server, wait_for

OID = bytes.fromhex("06092a864886f712010202")
SPNEGO = bytes.fromhex("06062b0601050502")
REFUSED, MALFORMED = b"NO [AUTHENTICATIONFAILED]", b"BAD"
# What a client says first, and how it ends.
FIRST = [
    (b"", MALFORMED),
    (b"NTLMSSP\0\1\0\0\0", MALFORMED),
    (b"\x60\x80" + OID + b"\0\0", MALFORMED),
    (b"\x60\x84\xff\xff\xff\xff" + OID, MALFORMED),
    (b"\x60" + bytes([len(SPNEGO) + 2]) + SPNEGO + b"\xa0\0", MALFORMED),
    (b"\x60" + bytes([len(OID)]) + OID, REFUSED),
    (b"\x60" + bytes([len(OID) + 2]) + OID + b"\x01\x00", REFUSED),
    (b"\x60" + bytes([len(OID) + 4]) + OID + b"\x01\x00\x6e\x84", REFUSED),
    (b"\x60\x82\x10\x0d" + OID + b"\x01\x00" + b"\x6e\x82\x0f\xfc" * 1024, REFUSED),
    (b"\x60\x83\x00\xa0\x0d" + OID, MALFORMED),
]


class Kerberos(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=1)
        cls.addClassCleanup(cls.server.close)
        folder = os.path.join(cls.server.folder, "keys")
        os.mkdir(folder, 0o755)
        keytab = os.path.join(folder, "roost.keytab")
        write_keytab(keytab, "EXAMPLE.ORG", ("imap", "localhost"), os.urandom(32))
        if os.geteuid() == 0:
            subprocess.run(["chgrp", "roost-gss", keytab], check=True)
        os.chmod(keytab, 0o640)
        cls.server.set(gssapi_keytab=keytab, gssapi_realms=["EXAMPLE.ORG="])
        cls.server.start()

    def wire(self, **options):
        wire = self.server.wire(**options)
        self.addCleanup(wire.close)
        return wire

    def say(self, wire, data):
        return wire.command("AUTHENTICATE GSSAPI " + (base64.b64encode(data).decode() or "="))[1]

    def test_offered_over_tls_alone(self):
        self.assertIn(b" AUTH=GSSAPI ", self.wire().greeting.replace(b"]", b" "))
        plain = self.wire(tls=False)
        self.assertNotIn(b"GSSAPI", plain.greeting)
        self.assertTrue(self.say(plain, FIRST[-1][0]).startswith(b"NO [PRIVACYREQUIRED]"))
        plain.ok("LOGIN u1 " + PASSWORD)

    def test_nothing_but_a_ticket_is_one(self):
        for token, wanted in FIRST:
            answer = self.say(self.wire(), token)
            self.assertTrue(answer.startswith(wanted), (token[:40], answer))
        self.server.logged("login.ticket_refused", len(FIRST))
        self.assertEqual(self.server.log().count("role.ended role=gss"), self.killed())

    def killed(self):
        return getattr(Kerberos, "n_killed", 0)

    def test_the_client_may_wait_for_the_challenge_and_cancel(self):
        wire = self.wire()
        tag = wire.send("AUTHENTICATE GSSAPI")
        self.assertEqual(wire.line(), b"+ ")
        wire.raw(b"*\r\n")
        self.assertTrue(wire.until(tag)[1].startswith(b"BAD"))
        wire.ok("LOGIN u1 " + PASSWORD)

    @unittest.skipUnless(os.geteuid() == 0, "processes that cannot be traced show their maps to root alone")
    def test_its_process(self):
        (pid,) = self.server.roles()["gss"]
        with open("/proc/%d/maps" % pid, encoding="ascii") as maps:
            self.assertIn("libgssapi_krb5", maps.read())
        for role, pids in self.server.roles().items():
            with open("/proc/%d/maps" % pids[0], encoding="ascii") as maps:
                self.assertEqual("libgssapi_krb5" in maps.read(), role == "gss", role)
        uid = subprocess.run(["id", "-u", "roost-gss"], check=True, capture_output=True, text=True).stdout.strip()
        self.assertEqual(str(os.stat("/proc/%d" % pid).st_uid), uid)

    def test_others_do_not_feel_its_end(self):
        (pid,) = self.server.roles()["gss"]
        Kerberos.n_killed = self.killed() + 1
        os.kill(pid, signal.SIGKILL)
        self.wire().ok("LOGIN u1 " + PASSWORD)
        wait_for(lambda: self.server.roles().get("gss", [pid]) != [pid], "another gss")
        wait_for(lambda: self.say(self.wire(), FIRST[-2][0]).startswith(REFUSED), "it answers")


class Settings(unittest.TestCase):
    def starts(self, **settings):
        server = Server(users=0, **settings)
        self.addCleanup(server.close)
        return server.run("serve", check=False, timeout=120)

    def test_a_keytab_that_is_not_there(self):
        done = self.starts(gssapi_keytab="/nonexistent/roost.keytab", gssapi_realms=["A="])
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("gss cannot start: kerberos: ", done.stderr)

    def test_both_or_neither(self):
        for settings, word in (({"gssapi_keytab": "x"}, "go together"), ({"gssapi_realms": ["A="]}, "go together"),
                               ({"gssapi_keytab": "x", "gssapi_realms": ["A"]}, "want"),
                               ({"gssapi_keytab": "x", "gssapi_realms": ["A=a", "A=b"]}, "twice")):
            done = self.starts(**settings)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
