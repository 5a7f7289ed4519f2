"""SASL GSSAPI with a real KDC and real clients: a ticket opens the account of its principal, and nothing else does."""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from kdc import Kdc
from roost_server import DEADLINE_SEC, SKIPPED, Server, Wire, need

DEBIANS = "/usr/bin/python3"  # who has the package's module, whichever Python runs the tests

try:
    import gssapi
except ImportError:
    if sys.executable != DEBIANS and subprocess.run([DEBIANS, "-c", "import gssapi"], check=False, capture_output=True).returncode == 0:
        os.execv(DEBIANS, [DEBIANS, *sys.argv])
    print("skipped: python3-gssapi missing")
    sys.exit(SKIPPED)

REALM = "EXAMPLE.ORG"
PEOPLE = ("u1", "u2", "u1/admin", "nobody", "Stranger")


class Kerberos(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=3)
        cls.addClassCleanup(cls.server.close)
        cls.kdc = Kdc(os.path.join(cls.server.folder, "kdc"), REALM)
        cls.kdc.__enter__()
        cls.addClassCleanup(cls.kdc.__exit__)
        keys = os.path.join(cls.server.folder, "keys")
        os.mkdir(keys, 0o755)
        cls.keytab = os.path.join(keys, "roost.keytab")
        cls.kdc.keytab(cls.keytab, "imap/localhost", "host/localhost")
        cls.kdc.admin("addprinc -randkey smtp/localhost")  # a service whose key the keytab has not
        if os.geteuid() == 0:
            subprocess.run(["chgrp", "roost-gss", cls.keytab], check=True)
        os.chmod(cls.keytab, 0o640)
        for name in PEOPLE:
            cls.kdc.principal(name, "secret")
        cls.rules = os.path.join(keys, "policy")
        with open(cls.rules, "w", encoding="ascii") as out:
            out.write("allow\n")
        cls.server.set(gssapi_keytab=cls.keytab, gssapi_realms=[REALM + "="], policy_file=cls.rules)
        cls.server.start()
        os.environ["KRB5_CONFIG"] = cls.kdc.path("krb5.conf")

    def client(self, user, service="imap", flags=None, options=()):
        """A security context of that user's, with a ticket that was fetched now."""
        ticket = self.kdc.ticket(user, "secret", *options)
        credential = gssapi.Credentials(usage="initiate", store={"ccache": ticket["KRB5CCNAME"]})
        name = gssapi.Name(service + "@localhost", gssapi.NameType.hostbased_service)
        flags = gssapi.RequirementFlag.mutual_authentication if flags is None else flags
        return gssapi.SecurityContext(name=name, creds=credential, usage="initiate", mech=gssapi.MechType.kerberos,
                                      flags=flags | gssapi.RequirementFlag.integrity)

    def say(self, wire, data):
        wire.raw(base64.b64encode(data) + b"\r\n")

    def challenge(self, wire):
        """What the server asks, or the tagged line in its place."""
        line = wire.line()
        return base64.b64decode(line[2:]) if line.startswith(b"+ ") else line

    def talk(self, context, wire, authzid=b"", choice=b"\x01\0\0\0", initial=True, keep=None):
        """The whole exchange; the tagged line without its tag."""
        token = context.step()
        if keep is not None:
            keep.append(token)
        tag = wire.send("AUTHENTICATE GSSAPI" + (" " + base64.b64encode(token).decode() if initial else ""))
        if not initial:
            self.assertEqual(self.challenge(wire), b"")
            self.say(wire, token)
        answer = self.challenge(wire)
        while isinstance(answer, bytes) and not answer.startswith(tag) and not context.complete:
            self.say(wire, context.step(answer) or b"")
            answer = self.challenge(wire)
        if answer.startswith(tag):
            return answer[len(tag) + 1:]
        offer = context.unwrap(answer).message
        self.assertEqual(offer, b"\x01\0\0\0")
        wrapped = context.wrap(choice + authzid, False).message
        if keep is not None:
            keep.append(wrapped)
        self.say(wire, wrapped)
        return self.challenge(wire)[len(tag) + 1:]

    def wire(self):
        wire = self.server.wire()
        self.addCleanup(wire.close)
        return wire

    def test_a_ticket_opens_its_account(self):
        for initial in (True, False):
            wire = self.wire()
            self.assertIn(b" AUTH=GSSAPI", wire.greeting)
            answer = self.talk(self.client("u1"), wire, initial=initial)
            self.assertTrue(answer.startswith(b"OK [CAPABILITY"), answer)
            wire.ok("SELECT INBOX")
        line = self.server.logged("method=GSSAPI credential=ticket")[0]
        self.assertIn("user=u1", line)

    def test_the_client_may_ask_for_no_answer(self):
        """As curl does; the replay cache then is all that stands between (RFC 4120 3.2.3)."""
        kept = []
        none = gssapi.RequirementFlag.integrity
        self.assertTrue(self.talk(self.client("u1", flags=none), self.wire(), keep=kept).startswith(b"OK"))
        wire = self.wire()
        tag = wire.send("AUTHENTICATE GSSAPI " + base64.b64encode(kept[0]).decode())
        self.assertTrue(wire.until(tag)[1].startswith(b"NO [AUTHENTICATIONFAILED]"))
        self.server.logged("login.ticket_refused")
        # Nor by a process that was not there when it was used first.
        (pid,) = self.server.roles()["gss"]
        os.kill(pid, signal.SIGKILL)
        self.server.logged("role.ready role=gss", 2)
        wire = self.wire()
        tag = wire.send("AUTHENTICATE GSSAPI " + base64.b64encode(kept[0]).decode())
        self.assertTrue(wire.until(tag)[1].startswith(b"NO [AUTHENTICATIONFAILED]"))
        self.assertTrue(self.talk(self.client("u1"), self.wire()).startswith(b"OK"))

    def test_an_answer_cannot_be_used_again(self):
        """Another context, the wrapped choice of the first."""
        kept = []
        self.assertTrue(self.talk(self.client("u1"), self.wire(), keep=kept).startswith(b"OK"))
        context, wire = self.client("u1"), self.wire()
        tag = wire.send("AUTHENTICATE GSSAPI " + base64.b64encode(context.step()).decode())
        self.say(wire, context.step(self.challenge(wire)) or b"")
        self.challenge(wire)
        self.say(wire, kept[1])
        self.assertTrue(wire.until(tag)[1].startswith(b"NO"))

    def test_who_it_may_be(self):
        for user, authzid, wanted in (("u1", b"u1", b"OK"), ("u1", b"U1", b"OK"), ("u1", b"u2", b"NO [AUTHORIZATIONFAILED]"),
                                      ("u1", b"ghost", b"NO [AUTHORIZATIONFAILED]"), ("u1/admin", b"", b"NO [AUTHENTICATIONFAILED]"),
                                      ("nobody", b"", b"NO [AUTHENTICATIONFAILED]"), ("nobody", b"u1", b"NO")):
            answer = self.talk(self.client(user), self.wire(), authzid)
            self.assertTrue(answer.startswith(wanted), (user, authzid, answer))

    def test_what_was_not_offered(self):
        for choice in (b"\x02\0\0\0", b"\x04\x00\x10\x00", b"\x01\x00\x10\x00", b"\x07\0\0\0", b"\x01", b""):
            answer = self.talk(self.client("u1"), self.wire(), choice=choice)
            self.assertTrue(answer.startswith(b"BAD"), (choice, answer))

    def test_tickets_for_others(self):
        """For a service whose key the keytab has as well, and for one whose it has not."""
        for service, word in (("host", "another service"), ("smtp", "kerberos")):
            answer = self.talk(self.client("u1", service=service), self.wire())
            self.assertTrue(answer.startswith(b"NO [AUTHENTICATIONFAILED]"), (service, answer))
            self.server.logged(word)

    def test_another_realm_has_no_users_here(self):
        with Kdc(os.path.join(self.server.folder, "other"), "EVIL.EXAMPLE") as evil:
            # The same key on both sides: what a firm has whose realms trust each other.
            for kdc in (self.kdc, evil):
                kdc.admin("addprinc -pw trust krbtgt/%s@EVIL.EXAMPLE" % REALM)
            evil.principal("u1", "secret")
            with open(evil.path("krb5.conf"), encoding="ascii") as text:
                lines = text.read()
            evil.write("krb5.conf", lines.replace("[domain_realm]\nlocalhost = EVIL.EXAMPLE",
                                                  " %s = {\n kdc = 127.0.0.1:%d\n }\n[domain_realm]\nlocalhost = %s"
                                                  % (REALM, self.kdc.port.number, REALM)).replace("[domain_realm]", "[domain_realm]", 1))
            ticket = evil.ticket("u1", "secret")
            os.environ["KRB5_CONFIG"] = evil.path("krb5.conf")
            try:
                credential = gssapi.Credentials(usage="initiate", store={"ccache": ticket["KRB5CCNAME"]})
                name = gssapi.Name("imap@localhost", gssapi.NameType.hostbased_service)
                context = gssapi.SecurityContext(name=name, creds=credential, usage="initiate",
                                                 flags=gssapi.RequirementFlag.mutual_authentication)
                answer = self.talk(context, self.wire())
            finally:
                os.environ["KRB5_CONFIG"] = self.kdc.path("krb5.conf")
        self.assertTrue(answer.startswith(b"NO [AUTHENTICATIONFAILED]"), answer)
        self.assertIn("u1@EVIL.EXAMPLE", self.server.logged("gssapi_realms does not have")[0])

    def test_not_without_tls(self):
        wire = self.server.wire(tls=False)
        self.addCleanup(wire.close)
        self.assertNotIn(b"GSSAPI", wire.greeting)
        _, answer = wire.command("AUTHENTICATE GSSAPI " + base64.b64encode(self.client("u1").step()).decode())
        self.assertTrue(answer.startswith(b"NO [PRIVACYREQUIRED]"), answer)

    def test_a_session_ends_with_its_ticket(self):
        wire = self.wire()
        self.assertTrue(self.talk(self.client("u2", options=("-l", "20s")), wire).startswith(b"OK"))
        wire.ok("SELECT INBOX")
        wire.send("IDLE")
        self.assertTrue(wire.line().startswith(b"+"))
        wire.sock.settimeout(600)  # 20 s, and the five minutes by which clocks may differ
        line = wire.line()
        while line.startswith(b"* OK"):
            line = wire.line()
        self.assertTrue(line.startswith(b"* BYE"), line)

    def test_a_new_key_counts_at_once(self):
        fresh = self.keytab + ".new"
        self.kdc.admin("ktadd -k %s imap/localhost host/localhost" % fresh)
        if os.geteuid() == 0:
            subprocess.run(["chgrp", "roost-gss", fresh], check=True)
        os.chmod(fresh, 0o640)
        os.rename(fresh, self.keytab)
        self.assertTrue(self.talk(self.client("u1"), self.wire()).startswith(b"OK"))

    def test_rules_are_asked(self):
        """A ticket is one credential among others (tests/integration/test_policy.py has the others)."""
        def rules(text):
            count = self.server.log().count("policy.loaded")
            with open(self.rules + ".new", "w", encoding="ascii") as out:
                out.write("# %d\n%s" % (count, text))
            os.rename(self.rules + ".new", self.rules)
            self.server.run("reload")
            self.server.logged("policy.loaded", count + 1)

        self.addCleanup(rules, "allow\n")
        for text in ("deny user u1\nallow\n", "deny method GSSAPI\nallow\n", "deny credential ticket\nallow\n"):
            rules("allow\n")
            wire = self.wire()
            self.assertTrue(self.talk(self.client("u1"), wire).startswith(b"OK"))
            wire.idle()
            rules(text)
            self.assertTrue(wire.line().startswith(b"* BYE"))
            answer = self.talk(self.client("u1"), self.wire())
            self.assertTrue(answer.startswith(b"NO [AUTHORIZATIONFAILED]"), answer)
            self.assertIn("reason=deny", self.server.logged("policy.login")[-1])
        rules("read-only method GSSAPI\nallow\n")
        wire = self.wire()
        self.assertTrue(self.talk(self.client("u1"), wire).startswith(b"OK"))
        self.assertIn(b"[READ-ONLY]", wire.command("SELECT INBOX")[1])

    def test_curl(self):
        curl = need("curl", "curl")
        if "GSS-API" not in subprocess.run([curl, "--version"], check=True, capture_output=True, text=True).stdout:
            self.skipTest("this curl knows no GSS-API")
        environment = self.kdc.ticket("u1", "secret")
        done = subprocess.run([curl, "--silent", "--show-error", "--cacert", self.server.certificate, "--user", ":",
                               "--login-options", "AUTH=GSSAPI", "imaps://localhost:%d/" % self.server.imaps_port],
                              env=environment, check=True, capture_output=True, text=True)
        self.assertIn("INBOX", done.stdout)

    def test_gsasl(self):
        """Over STARTTLS; what it logs in with is one line of its standard input."""
        gsasl = need("gsasl", "gsasl")
        environment = self.kdc.ticket("u2", "secret")
        done = subprocess.run([gsasl, "--mechanism=GSSAPI", "--imap", "--connect=localhost:%d" % self.server.imap_port,
                               "--x509-ca-file=" + self.server.certificate, "--authorization-id=u2", "--authentication-id=u2",
                               "--service=imap", "--hostname=localhost"],
                              env=environment, check=False, capture_output=True, text=True, input=". LOGOUT\n", timeout=DEADLINE_SEC)
        self.assertIn("OK [CAPABILITY", done.stdout + done.stderr)
        self.assertTrue(self.server.logged("user=u2 method=GSSAPI credential=ticket"))


if __name__ == "__main__":
    unittest.main()
