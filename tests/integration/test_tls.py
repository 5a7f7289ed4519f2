"""TLS at the doors: versions, ciphers, ALPN, names, OCSP, tickets, renegotiation, STARTTLS's injections, renewal under load."""

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, Server, Wire, wait_for

LARGE = bool(os.environ.get("ROOST_LARGE"))
RENEWALS = 60 if LARGE else 3
CLIENTS = 8 if LARGE else 4
NAMES = ("one.example.org", "two.example.net")


def openssl(*words, **options):
    return subprocess.run(["openssl", *words], capture_output=True, timeout=DEADLINE_SEC, **options)


def make_pair(folder, stem, *names, ca=None):
    """A certificate for these names, and its key; signed by ca (a stem) or itself."""
    key, cert = (os.path.join(folder, stem + end) for end in (".key", ".pem"))
    by = ["-CA", os.path.join(folder, ca + ".pem"), "-CAkey", os.path.join(folder, ca + ".key")] if ca else []
    done = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                   key + ".new", "-out", cert + ".new", "-subj", "/CN=" + stem, "-days", "30", "-addext",
                   "subjectAltName=" + ",".join("DNS:" + name for name in names), *by)
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    os.rename(key + ".new", key)
    os.rename(cert + ".new", cert)
    return cert, key


def context(**attributes):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def common_name(tls):
    done = openssl("x509", "-inform", "DER", "-noout", "-subject", input=tls.getpeercert(binary_form=True))
    return done.stdout.decode().split("=")[-1].strip()


class Doors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="roost-tls-", dir="/tmp")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", cls.folder])
        pairs = [make_pair(cls.folder, name, name, "*." + name) for name in NAMES]
        cls.server = Server(users=1, certificate=[pair[0] for pair in pairs],
                            certificate_key=[pair[1] for pair in pairs]).start()
        cls.addClassCleanup(cls.server.close)

    def handshake(self, made, name=None, session=None):
        raw = socket.create_connection(("127.0.0.1", self.server.imaps_port), timeout=DEADLINE_SEC)
        try:
            tls = made.wrap_socket(raw, server_hostname=name, session=session)
            self.addCleanup(tls.close)
            return tls
        except OSError:
            raw.close()
            raise

    def wire(self, tls):
        if not tls:
            return self.server.wire(tls=False)
        wire = Wire(self.handshake(context()))
        wire.greeting = wire.line()
        return wire

    def refused(self, made, name=None):
        with self.assertRaises(OSError):
            self.handshake(made, name)

    def client(self, *words, lines=b"a LOGOUT\r\n"):
        """What `openssl s_client` says, and whether it got the greeting."""
        done = openssl("s_client", "-connect", "127.0.0.1:%d" % self.server.imaps_port, "-ign_eof", *words, input=lines)
        return done.stdout + done.stderr, b"* OK [CAPABILITY" in done.stdout


class Scan(Doors):
    """What testssl.sh and sslyze look at."""

    def test_versions(self):
        for word, served in (("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            with self.subTest(version=word):
                self.assertEqual(self.client(word, "-cipher", "ALL:@SECLEVEL=0")[1], served)

    def test_ciphers_of_tls12(self):
        known = openssl("ciphers", "-tls1_2", "-s", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").stdout.decode().strip()
        taken = set()
        for cipher in known.split(":"):
            if cipher.startswith("TLS_"):
                continue
            made = context(maximum_version=ssl.TLSVersion.TLSv1_2)
            try:
                made.set_ciphers(cipher + ":@SECLEVEL=0")
                self.handshake(made)
                taken.add(cipher)
            except OSError:
                pass
        self.assertEqual(taken, {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                 "ECDHE-ECDSA-CHACHA20-POLY1305"})

    def test_ciphers_of_tls13(self):
        for cipher, served in (("TLS_AES_128_GCM_SHA256", True), ("TLS_AES_256_GCM_SHA384", True),
                               ("TLS_CHACHA20_POLY1305_SHA256", True), ("TLS_AES_128_CCM_SHA256", False),
                               ("TLS_AES_128_CCM_8_SHA256", False)):
            with self.subTest(cipher=cipher):
                self.assertEqual(self.client("-tls1_3", "-ciphersuites", cipher)[1], served)

    def test_groups_and_signatures(self):
        for group, served in (("X25519", True), ("P-256", True), ("P-384", True), ("P-521", False), ("ffdhe2048", False)):
            with self.subTest(group=group):  # in TLS 1.2 they name the certificate's curve as well
                self.assertEqual(self.client("-tls1_3", "-groups", group)[1], served)
        for words, served in ((("-groups", "P-256"), True), (("-groups", "P-521:P-256"), True),
                              (("-sigalgs", "ECDSA+SHA256"), True), (("-sigalgs", "ECDSA+SHA1"), False),
                              (("-sigalgs", "RSA+SHA1"), False), (("-sigalgs", "RSA-PSS+SHA256"), False)):
            for version in ("-tls1_2", "-tls1_3"):
                with self.subTest(words=words, version=version):
                    self.assertEqual(self.client(version, "-cipher", "ALL:@SECLEVEL=0", *words)[1], served)

    def test_nothing_is_compressed_or_early_and_the_old_mistakes_are_answered(self):
        said, _ = self.client("-tls1_2")
        self.assertIn(b"Compression: NONE", said)
        self.assertIn(b"Secure Renegotiation IS supported", said)
        self.assertIn(b"Extended master secret: yes", said)
        self.assertIn(b"Early data was not sent", self.client("-tls1_3")[0])

    def test_renegotiation_is_refused(self):
        with subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % self.server.imaps_port, "-tls1_2"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            said = b""
            while b"Roost ready" not in said:  # asked for again before it, OpenSSL's client ends itself
                said += os.read(client.stdout.fileno(), 65536) or self.fail(said)
            client.stdin.write(b"R\n")
            client.stdin.flush()
            said += client.stdout.read()  # it ends by itself
        self.assertIn(b"no renegotiation", said)

    def test_tickets(self):
        made = context(maximum_version=ssl.TLSVersion.TLSv1_2)
        first = self.handshake(made)
        self.assertTrue(first.session.has_ticket)
        again = [self.handshake(made, session=first.session) for _ in range(16)]  # at whichever gate
        self.assertTrue(all(tls.session_reused for tls in again))
        last = self.handshake(context(minimum_version=ssl.TLSVersion.TLSv1_3))
        last.recv(100)  # a ticket would have come before the greeting
        self.assertFalse(last.session.has_ticket)  # an EC signature costs less (docs/performance.md)


class Alpn(Doors):
    def test_imap_or_nothing(self):
        for offered, chosen in (([], None), (["imap"], "imap"), (["h2", "imap"], "imap"), (["imap", "http/1.1"], "imap")):
            with self.subTest(offered=offered):
                made = context()
                if offered:
                    made.set_alpn_protocols(offered)
                tls = self.handshake(made)
                self.assertEqual(tls.selected_alpn_protocol(), chosen)
                self.assertTrue(tls.recv(100).startswith(b"* OK"))

    def test_others_are_refused(self):
        for offered in (["http/1.1"], ["h2"], ["h2", "http/1.1"], ["IMAP"], ["imap2"], ["ima"], ["smtp"], ["pop3"],
                        ["managesieve"], ["ftp"], ["xmpp-client"], ["acme-tls/1"], ["x" * 255]):
            with self.subTest(offered=offered):
                made = context()
                made.set_alpn_protocols(offered)
                self.refused(made)

    def test_http_ends_the_connection(self):
        for verb in ("GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "DELETE", "TRACE", "PATCH"):
            for tls in (True, False):
                with self.subTest(verb=verb, tls=tls):
                    with self.wire(tls) as wire:
                        wire.raw(verb.encode() + b" /a1%20LOGIN%20u1%20pass HTTP/1.1\r\nHost: x\r\n"
                                 b"a1 LOGIN u1 pass\r\na2 LIST \"\" *\r\n\r\n")
                        rest = wire.file.read()
                        self.assertNotIn(b"a1 ", rest)
                        self.assertNotIn(b"LIST", rest)

    def test_the_preface_of_http2_ends_the_connection(self):
        with self.wire(True) as wire:
            wire.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\na1 NOOP\r\n")
            self.assertNotIn(b"a1 ", wire.file.read())


class Names(Doors):
    def test_the_name_chooses(self):
        first, second = NAMES
        for name, wanted in ((first, first), (second, second), ("imap." + second, second), (second.upper(), second),
                             ("a.b." + second, first), ("unknown.example.com", first), (None, first),
                             ("example.net", first), ("x" * 63 + ".example.org", first)):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(name=name, version=version):
                    tls = self.handshake(context(minimum_version=version, maximum_version=version), name)
                    self.assertEqual(common_name(tls), wanted)


class Ocsp(unittest.TestCase):
    def test_an_answer_beside_the_chain_is_sent(self):
        folder = tempfile.mkdtemp(prefix="roost-tls-", dir="/tmp")
        self.addCleanup(subprocess.run, ["rm", "-rf", folder])
        make_pair(folder, "ca", "ca")
        cert, key = make_pair(folder, "leaf", "localhost")
        at = lambda name: os.path.join(folder, name)
        openssl("req", "-new", "-key", key, "-subj", "/CN=leaf", "-out", at("leaf.csr"), check=True)
        openssl("x509", "-req", "-in", at("leaf.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-set_serial", "77",
                "-days", "30", "-out", cert, check=True)
        server = Server(users=1, certificate=[cert], certificate_key=[key])
        self.addCleanup(server.close)
        server.start()

        def asked():
            return openssl("s_client", "-connect", "127.0.0.1:%d" % server.imaps_port, "-status", input=b"a LOGOUT\r\n").stdout

        self.assertIn(b"OCSP response: no response sent", asked())
        with open(at("index.txt"), "w", encoding="ascii") as index:
            index.write("V\t361122000000Z\t\t4D\tunknown\t/CN=leaf\n")
        openssl("ocsp", "-index", at("index.txt"), "-CA", at("ca.pem"), "-rsigner", at("ca.pem"), "-rkey", at("ca.key"),
                "-issuer", at("ca.pem"), "-cert", cert, "-ndays", "1", "-respout", cert + ".ocsp", check=True)
        server.process.send_signal(1)
        wait_for(lambda: b"Cert Status: good" in asked(), lambda: "an OCSP answer: " + server.log())
        with open(cert + ".ocsp", "wb") as broken:
            broken.write(b"not an answer")
        server.process.send_signal(1)
        wait_for(lambda: b"OCSP response: no response sent" in asked(), "no answer but a bad one")


# What may lie behind STARTTLS in the same segment, and other ways to be taken for it: (what is sent, before TLS begins).
# The tag "evil" must never be answered, inside TLS or out (the NO STARTTLS paper's command injection, CVE-2021-33515,
# CVE-2021-38084, CVE-2011-0411, CVE-2011-1926, CVE-2011-1430).
BEHIND = (
    b"evil NOOP\r\n",
    b"evil LOGIN u1 pass\r\n",
    b"evil LOGIN {2+}\r\nu1 {4+}\r\npass\r\n",
    b"evil AUTHENTICATE PLAIN AHUxAHBhc3M=\r\n",
    b"evil AUTHENTICATE PLAIN\r\nAHUxAHBhc3M=\r\n",
    b"evil CAPABILITY\r\n",
    b"evil ID NIL\r\n",
    b"evil LOGOUT\r\n",
    b"evil STARTTLS\r\n",
    b"evil ENABLE IMAP4rev2\r\n",
    b"evil",
    b"e",
    b"\r\n",
    b"\n",
    b"\0",
    b" ",
    b"\r\nevil NOOP\r\n",
    b"\n\nevil NOOP\n",
    b"evil NOOP\r\n" * 100,
    b"evil LOGIN {100000+}\r\n" + b"x" * 5000,
    b"* PREAUTH\r\nevil NOOP\r\n",
    b"+ \r\nevil NOOP\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"\x15\x03\x01\x00\x02\x01\x00evil NOOP\r\n",
    b"\x80\x2e\x01\x00\x02evil NOOP\r\n",
)
# These are no STARTTLS that begins TLS at all.
NOT_STARTTLS = (
    b"s STARTTLS now\r\n",
    b"s STARTTLS {4+}\r\nevil\r\n",
    b"s STARTTLS \r\n",
    b"s  STARTTLS\r\n",
    b"STARTTLS\r\n",
    b"s START TLS\r\n",
    b"s UID STARTTLS\r\n",
    b"s NOOP STARTTLS\r\n",
    b"s LOGIN STARTTLS {8+}\r\nSTARTTLS\r\n",
    b"s STARTTLS\0\r\n",
)


class Starttls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=1, plaintext_loopback="no").start()
        cls.addClassCleanup(cls.server.close)

    def test_a_byte_behind_starttls_ends_the_connection(self):
        self.assertGreaterEqual(len(BEHIND), 20)
        forms = (b"s STARTTLS\r\n", b"s starttls\r\n", b"a NOOP\r\ns STARTTLS\r\n")
        for number, behind in enumerate(BEHIND):
            words = forms[number % len(forms)]
            with self.subTest(behind=behind[:40], words=words), self.server.wire(tls=False) as wire:
                self.assertFalse(wire.greeting.startswith(b"* PREAUTH"))
                wire.raw(words + behind)
                try:
                    rest = wire.file.read()  # to the end: no TLS begins
                except ConnectionResetError:
                    rest = b""  # more was sent than read
                self.assertNotIn(b"evil", rest)
                self.assertNotIn(b"s OK", rest)

    def test_what_only_looks_like_it_is_bad(self):
        for words in NOT_STARTTLS:
            with self.subTest(words=words), self.server.wire(tls=False) as wire:
                wire.raw(words)
                wire.raw(b"z LOGOUT\r\n")
                rest = wire.file.read()
                self.assertNotIn(b"OK Begin TLS", rest)
                self.assertNotIn(b"\ns OK", b"\n" + rest)

    def test_nothing_from_before_is_kept(self):
        with self.server.wire(tls=False) as wire:
            self.assertIn(b"LOGINDISABLED", wire.greeting)
            self.assertTrue(wire.command("LOGIN u1 pass")[1].startswith(b"NO [PRIVACYREQUIRED]"))
            wire.ok('ID ("name" "before")')
            tag = wire.send("STARTTLS")
            self.assertTrue(wire.until(tag)[1].startswith(b"OK"))
            wire.sock.settimeout(DEADLINE_SEC)
            tls = context().wrap_socket(wire.sock)
            tls.sendall(b"b CAPABILITY\r\nc STARTTLS\r\n")
            said = b""
            while b"\r\nc " not in said:
                said += tls.recv(4096)
            self.assertNotIn(b"LOGINDISABLED", said)
            self.assertNotIn(b"STARTTLS ", said.split(b"\r\n")[0])
            self.assertIn(b"\r\nc BAD", said)
            tls.sendall(b"d LOGIN u1 pass\r\ne STARTTLS\r\n")
            while b"\r\ne " not in said:
                said += tls.recv(4096)
            self.assertIn(b"d OK", said)
            self.assertIn(b"\r\ne BAD", said)
            tls.close()

    def test_half_a_line_waits_for_its_end(self):
        """STARTTLS in pieces, each in a segment of its own, is one; bytes behind its end still are not."""
        with self.server.wire(tls=False) as wire:
            wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in (b"s STA", b"RTTLS", b"\r", b"\nevil NOOP\r\n"):
                wire.raw(piece)
            rest = wire.file.read()
            self.assertNotIn(b"evil", rest)


class Renewal(unittest.TestCase):
    """Certificates change while everybody comes in: no handshake fails (each renewal is two: chain and key)."""

    def test_no_handshake_fails(self):
        folder = tempfile.mkdtemp(prefix="roost-tls-", dir="/tmp")
        self.addCleanup(subprocess.run, ["rm", "-rf", folder])
        cert, key = make_pair(folder, "serving", "localhost")
        server = Server(users=1, certificate=[cert], certificate_key=[key])
        self.addCleanup(server.close)
        server.start()
        stay = Wire(context().wrap_socket(socket.create_connection(("127.0.0.1", server.imaps_port), DEADLINE_SEC)))
        self.addCleanup(stay.close)
        stay.ok("LOGIN u1 pass")
        counts, failures, ending = [0] * CLIENTS, [], threading.Event()

        def come_in(number):
            made = context(maximum_version=ssl.TLSVersion.TLSv1_3 if number % 2 else ssl.TLSVersion.TLSv1_2)
            made.options |= ssl.OP_NO_TICKET  # each a whole handshake
            while not ending.is_set():
                try:
                    with socket.create_connection(("127.0.0.1", server.imaps_port), timeout=DEADLINE_SEC) as raw:
                        with made.wrap_socket(raw) as tls:
                            if not tls.recv(100).startswith(b"* OK"):
                                raise OSError("no greeting")
                    counts[number] += 1
                except OSError as error:
                    failures.append(repr(error))

        def served():
            with socket.create_connection(("127.0.0.1", server.imaps_port), timeout=DEADLINE_SEC) as raw:
                with context().wrap_socket(raw) as tls:
                    return tls.getpeercert(binary_form=True)

        threads = [threading.Thread(target=come_in, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(RENEWALS):
                before = list(counts)
                make_pair(folder, "serving", "localhost")
                with open(cert, encoding="ascii") as text:
                    wanted = ssl.PEM_cert_to_DER_cert(text.read())
                server.process.send_signal(1)
                wait_for(lambda: served() == wanted, "the new certificate")
                with open(key, "a", encoding="ascii") as broken:
                    broken.truncate(100)  # a pair that is written half: refused, and the last one stays
                refused = server.log().count("tls.refused")
                server.process.send_signal(1)
                wait_for(lambda: server.log().count("tls.refused") > refused, "the refusal")
                self.assertEqual(served(), wanted)
                wait_for(lambda: all(now > then for now, then in zip(counts, before)), "a handshake of each client")
        finally:
            ending.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        stay.ok("NOOP")
        print("%d handshakes through %d renewals, 0 failed" % (sum(counts), RENEWALS))


if __name__ == "__main__":
    unittest.main()
