"""SASL EXTERNAL with a real server: a certificate opens the account it names and nothing else; fifty that differ in one thing open nothing."""

import base64
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from certificates import CA, Authority
from roost_server import DEADLINE_SEC, Server, Wire

USER = "anna@example.org"


def make_authorities(authority):
    """root -> inner -> clients, and CAs that go wrong in one thing each."""
    authority.make("root", "root", CA)
    inner = {**CA, "authorityKeyIdentifier": "keyid"}
    authority.make("inner", "root", {**inner, "basicConstraints": "critical,CA:TRUE,pathlen:0"})
    authority.make("stranger", "stranger", CA)
    authority.make("deeper", "inner", inner)  # one more than inner's path length allows
    authority.make("nosign", "root", {**inner, "keyUsage": "critical,digitalSignature,cRLSign"})
    authority.make("noca", "root", {**inner, "basicConstraints": "critical,CA:FALSE"})
    authority.make("bound", "root", {**inner, "nameConstraints": "critical,permitted;email:elsewhere.example"})
    authority.make("excluded", "root", {**inner, "nameConstraints": "critical,excluded;email:example.org"})
    authority.make("servers", "root", {**inner, "extendedKeyUsage": "serverAuth"})
    authority.make("old", "root", inner, dates=("20200101000000Z", "20210101000000Z"))
    authority.make("unlisted", "root", inner)  # no revocation list of it
    authority.make("stale", "root", inner)     # one that is too old
    authority.make("forged", "root", inner)    # one that another CA signed
    # The same name as inner's, another key.
    authority.make("twin", "stranger", inner, subject="/CN=inner")


class External(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=0, passwd_file="", domains=["example.org"])
        cls.addClassCleanup(cls.server.close)
        cls.ca = Authority(os.path.join(cls.server.folder, "ca"))
        os.chmod(cls.ca.folder, 0o755)
        make_authorities(cls.ca)
        cls.good = cls.ca.client("good")
        cls.ca.client("revoked")
        cls.ca.client("spare")
        good_lists = [cls.ca.crl("root", "root"), cls.ca.crl("inner", "inner", ["revoked"])]
        others = [cls.ca.crl(name, name) for name in ("deeper", "bound", "excluded", "servers", "old", "nosign")]
        others.append(cls.ca.crl("stale", "stale", dates=("20240101000000Z", "20240201000000Z")))
        cls.lists = cls.ca.bundle("lists.pem", *good_lists, *others)
        cls.server.set(client_ca=cls.ca.bundle("cas.pem", "root.pem"), client_crl=cls.lists)
        cls.server.start()
        (cls.made,) = json.loads(cls.server.run("user", "add", "anna", "--json").stdout)
        cls.server.run("user", "add", "berta")
        cls.bind("anna", "good")

    @classmethod
    def bind(cls, user, name, *options):
        return json.loads(cls.server.run("device", "add", user, name, "--certificate", cls.ca.path(name + ".pem"), *options,
                                         "--json").stdout)[0]

    def connect(self, name, chain=("inner",), version=None):
        """A client with that certificate, after the greeting; None if TLS itself refused."""
        context = self.server.tls_context()
        if version is not None:
            context.maximum_version = version
        if name is not None:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")  # the client would not offer some of these by itself
            bundle = self.ca.bundle("sent.pem", name + ".pem", *(issuer + ".pem" for issuer in chain))
            context.load_cert_chain(bundle, self.ca.path(name + ".key"))
        sock = socket.create_connection(("127.0.0.1", self.server.imaps_port), timeout=DEADLINE_SEC)
        try:
            wire = Wire(context.wrap_socket(sock, server_hostname="localhost"))
            wire.greeting = wire.line()
        except (ssl.SSLError, ConnectionError, AssertionError):
            sock.close()
            return None
        self.addCleanup(wire.close)
        return wire

    def external(self, wire, authzid=""):
        return wire.command("AUTHENTICATE EXTERNAL " + (base64.b64encode(authzid.encode()).decode() or "="))[1]

    def try_it(self, name, **options):
        """(Was it offered, did it get in?) Where it is not offered it must not work either."""
        wire = self.connect(name, **options)
        if wire is None:
            return False, False
        self.assertTrue(wire.greeting.startswith(b"* OK"), wire.greeting)
        offered = b" AUTH=EXTERNAL" in wire.greeting
        answer = self.external(wire)
        self.assertTrue(answer.startswith((b"OK", b"NO")), answer)
        if not offered:
            self.assertTrue(answer.startswith(b"NO"), (name, answer))
        return offered, answer.startswith(b"OK")

    def opens(self, name, **options):
        return self.try_it(name, **options)[1]

    def test_the_right_one_opens_its_account(self):
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            wire = self.connect("good", version=version)
            self.assertIn(b" AUTH=EXTERNAL", wire.greeting)
            self.assertTrue(self.external(wire).startswith(b"OK"))
            wire.ok("SELECT INBOX")
        self.server.logged("method=EXTERNAL credential=device")

    def test_the_client_may_wait_for_the_challenge(self):
        wire = self.connect("good")
        tag = wire.send("AUTHENTICATE EXTERNAL")
        self.assertEqual(wire.line(), b"+ ")
        wire.raw(b"\r\n")
        self.assertTrue(wire.until(tag)[1].startswith(b"OK"))

    def test_over_starttls_too(self):
        sock = socket.create_connection(("127.0.0.1", self.server.imap_port), timeout=DEADLINE_SEC)
        plain = Wire(sock)
        self.assertNotIn(b"EXTERNAL", plain.line())
        plain.ok("STARTTLS")
        context = self.server.tls_context()
        context.load_cert_chain(self.ca.bundle("sent.pem", "good.pem", "inner.pem"), self.ca.path("good.key"))
        wire = Wire(context.wrap_socket(sock, server_hostname="localhost"))
        self.addCleanup(wire.close)
        self.assertIn(b" AUTH=EXTERNAL", b"".join(wire.ok("CAPABILITY")))
        self.assertTrue(self.external(wire).startswith(b"OK"))

    def test_it_is_offered_to_nobody_else(self):
        wire = self.connect(None)
        self.assertNotIn(b"EXTERNAL", wire.greeting)
        self.assertTrue(self.external(wire).startswith(b"NO"))
        self.assertTrue(wire.command('LOGIN anna "%s"' % self.made["password"])[1].startswith(b"OK"))

    def test_the_authorization_identity_is_the_user_or_nobody(self):
        for authzid, good in (("anna", True), (USER, True), ("ANNA@example.org", True), ("berta", False),
                              ("berta@example.org", False), ("nobody", False), ("anna@elsewhere.example", False)):
            answer = self.external(self.connect("good"), authzid)
            self.assertEqual(answer.startswith(b"OK"), good, (authzid, answer))
        for raw in (b"anna\0", b"\xff", b"x" * 256):
            answer = self.connect("good").command(b"AUTHENTICATE EXTERNAL " + base64.b64encode(raw))[1]
            self.assertFalse(answer.startswith(b"OK"), answer)

    def test_a_device_is_revoked_and_has_its_rules(self):
        self.ca.client("phone")
        self.assertFalse(self.opens("phone"))  # believed, and bound to nothing
        made = self.bind("anna", "phone")
        self.assertFalse(made.get("password"))
        self.assertTrue(self.opens("phone"))
        wire = self.connect("phone")
        self.assertTrue(self.external(wire).startswith(b"OK"))
        self.server.run("device", "revoke", "anna", str(made["device"]))
        self.assertTrue(wire.line().startswith(b"* BYE"))
        self.assertFalse(self.opens("phone"))
        for name, options in (("sender", ["--scope", "send"]), ("far", ["--network", "192.0.2.0/24"])):
            self.ca.client(name)
            self.bind("anna", name, *options)
            self.assertFalse(self.opens(name), name)
        self.ca.client("hers")
        self.bind("berta", "hers")  # names anna, is bound to berta
        self.assertFalse(self.opens("hers"))

    def hostile(self):
        """(what differs, a certificate, the chain sent with it); each is bound to a device of anna's as the good one is."""
        names = iter("hostile%d" % i for i in range(100))

        def one(what, chain=("inner",), **options):
            return what, self.ca.client(next(names), **options), chain

        def san(what, text):
            return one(what, change={"subjectAltName": text})

        yield one("self-signed", chain=(), issuer="hostile0")
        yield one("another CA's", issuer="stranger", chain=("stranger",))
        yield one("a CA of the same name, another key", issuer="twin", chain=("twin", "stranger"))
        yield one("the same, sent with the right CA", issuer="twin", chain=("inner",))
        yield one("without the CA between", chain=())
        yield one("below a path length", issuer="deeper", chain=("deeper", "inner"))
        yield one("by a CA that may not sign", issuer="nosign", chain=("nosign",))
        yield one("by one that is no CA", issuer="noca", chain=("noca",))
        yield one("by another client", issuer="spare", chain=("spare", "inner"))
        yield one("outside of what its CA may name", issuer="bound", chain=("bound",))
        yield one("within what its CA may not name", issuer="excluded", chain=("excluded",))
        yield one("by a CA for servers", issuer="servers", chain=("servers",))
        yield one("by a CA that has expired", issuer="old", chain=("old",))
        yield one("by a CA without a revocation list", issuer="unlisted", chain=("unlisted",))
        yield one("by a CA whose list is too old", issuer="stale", chain=("stale",))
        yield one("by a CA whose list another signed", issuer="forged", chain=("forged",))
        yield "revoked", "revoked", ("inner",)
        yield one("expired", dates=("20200101000000Z", "20210101000000Z"))
        yield one("not valid yet", dates=("20990101000000Z", "20991231000000Z"))
        yield one("for servers", change={"extendedKeyUsage": "serverAuth"})
        yield one("for any purpose", change={"extendedKeyUsage": "anyExtendedKeyUsage"})
        yield one("for no purpose", change={"extendedKeyUsage": None})
        yield one("for signing code", change={"extendedKeyUsage": "codeSigning,emailProtection"})
        yield one("for encryption alone", change={"keyUsage": "critical,keyEncipherment"})
        yield one("for no usage", change={"keyUsage": None})
        yield one("a CA itself", change={"basicConstraints": "critical,CA:TRUE", "keyUsage": "critical,digitalSignature,keyCertSign"})
        yield one("signed with SHA-1", digest="sha1")
        yield one("a key that is too short", key="RSA-1024")
        yield one("an extension nobody knows, critical", change={"1.2.3.4": "critical,DER:0500"})
        yield one("no subjectAltName", change={"subjectAltName": None}, subject="/CN=" + USER)
        yield one("the name in the subject alone", change={"subjectAltName": None}, subject="/CN=x/emailAddress=" + USER)
        yield san("another kind of name", "DNS:anna.example.org")
        yield san("another kind of name, the same text", "URI:acct:" + USER)
        yield san("a UPN", "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:" + USER)
        yield san("two names", "email:%s,email:berta@example.org" % USER)
        yield san("the same name twice", "email:%s,email:%s" % (USER, USER))
        yield san("a wildcard", "email:*@example.org")
        yield san("a wildcard part", "email:an*a@example.org")
        yield san("no domain", "email:anna")
        yield san("another domain", "email:anna@elsewhere.example")
        yield san("a domain alone", "email:@example.org")
        yield san("two at signs", "email:anna@example.org@example.org")
        yield san("a percent", "email:ann%61@example.org")
        yield san("somebody who is not there", "email:nobody@example.org")
        # IA5Strings with bytes that no configuration can hold: NUL, LF, 8 bit.
        for what, raw in (("a NUL behind", b"anna@example.org\0"), ("a NUL between", b"anna\0@example.org"),
                          ("a NUL, and another domain", b"anna@example.org\0.evil.example"), ("a line end", b"anna@example.org\n"),
                          ("8 bit", "änna@example.org".encode()), ("a space", b" anna@example.org"), ("nothing", b"")):
            der = bytes([0x30, len(raw) + 2, 0x81, len(raw)]) + raw
            yield san(what, "DER:" + der.hex())

    def test_of_all_that_differ_in_one_thing_none_opens(self):
        n, offered = 0, []
        for what, name, chain in self.hostile():
            self.bind("anna", name)
            shown, opened = self.try_it(name, chain=chain)
            self.assertFalse(opened, what)
            offered += [what] if shown else []
            n += 1
        self.assertGreaterEqual(n, 40)
        # Those that are believed and name somebody else, or nobody.
        self.assertEqual(offered, ["another domain", "somebody who is not there"])
        self.assertTrue(self.opens("good"))

    def test_the_list_counts_as_it_is_now(self):
        self.ca.client("later")
        self.bind("anna", "later")
        self.assertTrue(self.opens("later"))
        with open(self.lists, "rb") as file:
            kept = file.read()

        def replace(lists):
            if lists is None:
                os.remove(self.lists)
                return
            with open(self.lists + ".new", "wb") as out:
                out.write(lists)
            os.rename(self.lists + ".new", self.lists)

        try:
            replace(None)
            self.assertFalse(self.opens("later"))
            replace(b"no list\n")
            self.assertFalse(self.opens("later"))
            replace(b"")
            self.assertFalse(self.opens("later"))
            self.ca.crl("inner3", "inner", ["later"])
            with open(self.ca.path("inner3.crl"), "rb") as inner, open(self.ca.path("root.crl"), "rb") as root:
                replace(inner.read() + root.read())
            self.assertFalse(self.opens("later"))
            self.assertTrue(self.opens("good"))
        finally:
            replace(kept)
        self.assertTrue(self.opens("later"))

    def login(self, name):
        wire = self.connect(name)
        self.assertTrue(self.external(wire).startswith(b"OK"))
        wire.ok("SELECT INBOX")
        return wire

    def test_a_new_list_ends_sessions_of_what_it_revokes(self):
        """Of certificates that are bound to a device, and of others that client_cert_any lets in."""
        for name in ("lost", "stolen", "kept"):
            self.ca.client(name)
        self.bind("anna", "lost")
        self.bind("anna", "kept")
        with open(self.lists, "rb") as file:
            before = file.read()

        def replace(lists):
            with open(self.lists + ".new", "wb") as out:
                out.write(lists)
            os.rename(self.lists + ".new", self.lists)

        self.server.stop()
        self.server.set(client_cert_any="yes")
        self.server.start()
        try:
            wires = {name: self.login(name) for name in ("lost", "stolen", "kept")}
            wires["lost"].idle()
            replace(b"no list\n")  # nobody gets in, nobody is thrown out
            self.assertFalse(self.opens("kept"))
            self.ca.crl("inner4", "inner", ["lost", "stolen", "revoked"])
            with open(self.ca.path("inner4.crl"), "rb") as inner, open(self.ca.path("root.crl"), "rb") as root:
                replace(inner.read() + root.read())
            self.server.run("reload")
            for name in ("lost", "stolen"):
                while not wires[name].line().startswith(b"* BYE"):
                    pass
                wires[name].close()
            self.assertIn("credential=certificate", self.server.logged("credential.void", 2)[0])
            wires["kept"].ok("NOOP")
            wires["kept"].close()
            self.ca.crl("inner5", "inner", ["lost", "stolen", "kept", "revoked"])  # and without a reload
            wire = self.login("kept")
            with open(self.ca.path("inner5.crl"), "rb") as inner, open(self.ca.path("root.crl"), "rb") as root:
                replace(inner.read() + root.read())
            self.assertTrue(wire.line().startswith(b"* BYE"))
            wire.close()
        finally:
            replace(before)
            self.server.stop()
            self.server.set(client_cert_any="no")
            self.server.start()

    def test_the_list_of_devices_tells_certificates(self):
        self.ca.client("shown")
        made = self.bind("anna", "shown")
        fingerprint = subprocess.run(["openssl", "x509", "-in", self.ca.path("shown.pem"), "-outform", "DER"], check=True,
                                     capture_output=True).stdout
        rows = json.loads(self.server.run("device", "list", "anna", "--json").stdout)
        told = {row["device"]: row["certificate"] for row in rows}
        self.assertEqual(told[made["device"]], hashlib.sha256(fingerprint).hexdigest())
        self.assertIn("", told.values())  # that of `user add` has an app password


if __name__ == "__main__":
    unittest.main(verbosity=2)
