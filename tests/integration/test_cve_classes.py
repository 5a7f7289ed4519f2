"""What brought other IMAP servers down, class by class, tried on this one: none of it works here.

Each case is named by its class (docs/security.md, "Classes of failures of others") and by what it does. After each one
the server is looked at: no process has ended, and somebody who is logged in is served.
"""

import base64
import glob
import os
import random
import re
import socket
import ssl
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, PASSWORD, ROOST, Server, sample, wait_for
from seed import seed

LARGE = os.environ.get("ROOST_LARGE") == "1"
GREW_MAX_KIB = 8 << 10  # of a process, by what should leave nothing behind


class Classes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=3)
        cls.server.start()
        cls.inside = cls.server.wire("u1")
        cls.inside.ok("SELECT INBOX")
        with open(ROOST, "rb") as program:
            cls.instrumented = b"__asan_init" in program.read()

    @classmethod
    def tearDownClass(cls):
        cls.inside.close()
        cls.server.close()

    def setUp(self):
        self.pids = self.server.roles()

    def tearDown(self):
        """Nobody died of it, and who was inside before still is."""
        self.inside.ok("NOOP")
        self.assertEqual(self.server.roles(), self.pids)
        self.assertNotIn("role.ended", self.server.log())

    # ---- tools

    def kib(self, role):
        """Memory of a role's processes that is in RAM."""
        out = 0
        for pid in self.server.roles()[role]:
            with open("/proc/%d/status" % pid, encoding="ascii") as text:
                out += int(re.search(r"VmRSS:\s+(\d+)", text.read()).group(1))
        return out

    def grows_little(self, role, fill):
        """fill() twice: what the first one leaves is a pool, what the second adds would be a leak."""
        fill()
        before = self.kib(role)
        fill()
        grown = self.kib(role) - before
        if not self.instrumented:
            self.assertLess(grown, GREW_MAX_KIB, "KiB that %s grew by" % role)

    def stranger(self, tls=False):
        return self.server.wire(tls=tls)

    def ends_or_refuses(self, wire, octets):
        """Send them; the server answers BAD, NO or BYE, or closes, and takes no more than it must."""
        wire.sock.settimeout(DEADLINE_SEC)
        got = b""
        try:
            wire.raw(octets)
            wire.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has closed already, which is an answer
        try:
            while True:
                part = wire.sock.recv(65536)
                if not part:
                    break
                got += part
        except OSError:
            pass
        wire.close()
        self.assertNotRegex(got, rb"(?m)^t\S* OK")
        return got

    def tagged(self, wire, text):
        return wire.command(text)[1]

    def deliver_and_read(self, message, user="u2"):
        """By LMTP from a stranger; then read as clients do. The answers are grammatical lines."""
        self.server.deliver(user, message)
        with self.server.wire(user) as wire:
            wire.ok("SELECT INBOX")
            lines = wire.ok("FETCH * (ENVELOPE BODYSTRUCTURE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (From To)])")
            whole = wire.ok("FETCH * BODY.PEEK[]")
        self.assertEqual(len([line for line in lines if b" FETCH (" in line]), 1)
        tail = message.replace(b"\r\n", b"\n").rstrip(b"\n")[-40:]
        self.assertIn(tail, b"".join(whole).replace(b"\r\n", b"\n"), "the mail itself is there")
        return lines[0]

    # ---- A: exhaustion before login

    def test_a_parentheses_before_login(self):
        """CVE-2026-27857, CVE-2026-42006: memory for each open parenthesis or brace."""
        def fill():
            for octets in (b"t1 " + b"(" * 1_000_000, b"t1 LOGIN " + b"{" * 1_000_000, b"t1 ID (" + b"(" * 500_000):
                self.assertRegex(self.ends_or_refuses(self.stranger(), octets), rb"BAD|BYE|\A\Z")
        self.grows_little("gate", fill)

    def test_a_names_of_servers_at_random(self):
        """CVE-2017-15130: something kept for each SNI that somebody makes up."""
        chance = random.Random(seed())
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE

        def fill():
            for _ in range(2000 if LARGE else 150):
                name = "%x.example.org" % chance.getrandbits(200)
                plain = socket.create_connection(("127.0.0.1", self.server.imaps_port), timeout=DEADLINE_SEC)
                with context.wrap_socket(plain, server_hostname=name) as sock:
                    self.assertIn(b"OK", sock.recv(100))
        self.grows_little("gate", fill)

    def test_a_percent_signs_in_a_name(self):
        """CVE-2017-2669: the name of a user is expanded."""
        def fill():
            for name in ("%" * 4000, "%0999999999u", "%{u}%n%s%d" * 300, "%%%1000000000Lu"):
                with self.stranger() as wire:
                    self.assertRegex(self.tagged(wire, 'LOGIN "%s" x' % name), rb"\A(NO|BAD)")
        self.grows_little("auth", fill)
        self.server.logged("%0999999999u")

    def test_a_logins_that_are_given_up(self):
        """CVE-2017-15132: each AUTHENTICATE that is cancelled leaves something."""
        def fill():
            for _ in range(400 if LARGE else 60):
                with self.stranger() as wire:
                    for _ in range(3):
                        tag = wire.send("AUTHENTICATE PLAIN")
                        self.assertTrue(wire.line().startswith(b"+"))
                        wire.raw(b"*\r\n")
                        self.assertRegex(wire.until(tag)[1], rb"\A(BAD|NO)")
                    wire.send("AUTHENTICATE PLAIN")
                    wire.line()  # and gone, in the middle of it
        self.grows_little("auth", fill)
        self.grows_little("gate", fill)

    def test_a_literals_before_login(self):
        """CVE-2024-37358: a stranger's literal of any size is made room for."""
        def fill():
            for octets in (b"t1 LOGIN {999999999}\r\n", b"t1 LOGIN {4294967296+}\r\n", b"t1 LOGIN {99999999999999999999}\r\n",
                           b"t1 LOGIN {900000+}\r\n" + b"x" * 900_000,
                           b"t1 AUTHENTICATE PLAIN " + b"A" * 1_000_000):
                got = self.ends_or_refuses(self.stranger(), octets)
                self.assertNotIn(b"\r\n+ ", got)
        self.grows_little("gate", fill)

    # ---- B: exhaustion after login, by syntax

    def test_b_many_literals_in_a_command(self):
        """CVE-2024-34055: literals of a command are bounded one by one and not together."""
        def fill():
            with self.server.wire("u2", tls=False) as wire:
                wire.ok("SELECT INBOX")
                command = b"t9 SEARCH " + b" ".join(b"TEXT {4000+}\r\n" + b"x" * 4000 for _ in range(1000))
                self.assertRegex(self.ends_or_refuses(wire, command + b"\r\n"), rb"(?m)^t9 (BAD|NO)|BYE|\A\Z")
        self.grows_little("mail", fill)

    def test_b_names_that_collide(self):
        """CVE-2021-33582: a table whose hash the client can compute. Ours are sorted or keyed; here is a mailbox with as many
        keywords as there may be, of the same length and alike."""
        with self.server.wire("u2") as wire:
            wire.ok("CREATE keywords")
            wire.append("keywords", sample(1))
            wire.ok("SELECT keywords")
            told = [self.tagged(wire, "STORE 1 +FLAGS.SILENT (%s)" % " ".join(
                "Aa%04dBB" % (base + number) for number in range(50))) for base in range(0, 1000, 50)]
            self.assertTrue(told[0].startswith(b"OK"))
            self.assertTrue(any(line.startswith(b"NO [LIMIT]") for line in told), told)
            wire.ok("DELETE keywords")

    # ---- C: exhaustion by the content of a mail; no account is needed

    def test_c_addresses(self):
        """CVE-2024-23184: 100,000 addresses in a header took 12 s, 500,000 took 18 minutes."""
        many = b", ".join(b"a%d@example.org" % number for number in range(100_000))
        self.deliver_and_read(b"From: a@example.org\r\nTo: " + many + b"\r\nSubject: many\r\n\r\nThe end.\r\n")

    def test_c_a_header_that_does_not_end(self):
        """CVE-2024-23185: a header field of many megabytes is held several times."""
        self.deliver_and_read(b"From: a@example.org\r\nX: " + (b"y" * 900 + b"\r\n ") * 12_000 + b"z\r\n\r\nThe end.\r\n")

    def test_c_parts_in_parts(self):
        """CVE-2020-12100: each level of multipart is a call on the stack."""
        depth = 10_000
        parts = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i) for i in range(depth))
        self.deliver_and_read(b"From: a@example.org\r\nMIME-Version: 1.0\r\n" + parts + b"\r\nThe end.\r\n")

    def test_c_parameters_in_pieces(self):
        """CVE-2026-27859: parameters of RFC 2231 in thousands of pieces, in the wrong order."""
        pieces = b"".join(b";\r\n name*%d*=%%41" % number for number in range(20_000, 0, -1))
        self.deliver_and_read(b"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: text/plain" + pieces +
                              b"\r\n\r\nThe end.\r\n")

    def test_c_mails_in_mails(self):
        """CVE-2026-26312: message/rfc822 within itself."""
        inner = b"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" * 10_000
        self.deliver_and_read(inner + b"Subject: x\r\n\r\nThe end.\r\n")

    # ---- D: memory safety

    def test_d_nul_in_a_string(self):
        """CVE-2019-11500: NUL in a quoted string, before login and after."""
        got = self.ends_or_refuses(self.stranger(), b't1 LOGIN "u1\0xxxxxxxx" "pass\0"\r\n')
        self.assertRegex(got, rb"(?m)^t1 BAD|BYE")
        with self.server.wire("u2", tls=False) as wire:
            self.assertRegex(self.ends_or_refuses(wire, b't2 SELECT "a\\\0b"\r\n'), rb"(?m)^t2 BAD|BYE")

    def test_d_headers_that_end_too_early(self):
        """CVE-2017-14461, CVE-2026-47088, CVE-2019-11356: an address, comment or quoted string that ends in the middle of itself,
        a backslash last; what stands behind it in memory is somebody else's."""
        for number, address in enumerate((b'"', b"(", b"(\\", b'"\\', b"<", b"<@", b"a@[", b"a:", b"(a(b", b"=?", b"=?utf-8?q?=",
                                          b"=?utf-8?b?====", b"\\", b"a@b (\\", b"g: x@y, (\\", b"\x80\\")):
            # "* 1 FETCH (ENVELOPE (...": what is in it comes from this mail
            line = self.deliver_and_read(b"From: " + address + b"\r\nTo: " + address + b"\r\n\r\nThe end %d.\r\n" % number)
            self.assertNotIn(b"example", line)

    def test_d_lmtp_addresses(self):
        """CVE-2020-7046, -7957, -12673, -12674: replies and addresses of SMTP that are not closed."""
        for line in (b"MAIL FROM:<", b"MAIL FROM:<a\0b@c>", b'MAIL FROM:<"a\\', b"RCPT TO:<\\", b"MAIL FROM:<>" + b" X=" * 2000,
                     b"LHLO " + b"x" * 100_000, b"MAIL FROM:<@a,@b:c@d> AUTH=+", b"BDAT 99999999999999999999 LAST"):
            with socket.create_connection(("127.0.0.1", self.server.lmtp_port), timeout=DEADLINE_SEC) as sock:
                sock.recv(200)
                sock.sendall(b"LHLO x\r\n")
                wait_for(lambda: b"250 " in sock.recv(4096), "LHLO")
                try:
                    sock.sendall(line + b"\r\nNOOP\r\n")
                    self.assertRegex(sock.recv(4096), rb"\A(5\d\d|2\d\d|4\d\d|\Z)")
                except ConnectionError:
                    pass  # closed: a line of that length is no line

    # ---- E: authorisation

    def test_e_what_is_not_there_and_what_one_may_not_see(self):
        """CVE-2026-47081 to -47089, CVE-2026-40020: rights asked for in the wrong place, an oracle by LISTRIGHTS or ESEARCH."""
        with self.server.wire("u1") as owner, self.server.wire("u2") as guest:
            owner.ok("CREATE secret")
            for command in ("SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "LISTRIGHTS {} u2", "MYRIGHTS {}", "GETACL {}",
                            "DELETE {}", "RENAME {} x", "SETACL {} anyone lr", 'GETMETADATA {} (/shared/comment)',
                            'SETMETADATA {} (/shared/comment "x")', "SUBSCRIBE {}", "GETQUOTAROOT {}",
                            "ESEARCH IN (mailboxes {}) ALL", "APPEND {} {{1+}}\r\nx", "LIST \"\" {}"):
                there = guest.command(command.format('"Other Users/u1/secret"'))
                none = guest.command(command.format('"Other Users/u1/nosuch"'))
                self.assertEqual(str(there).replace("secret", "nosuch"), str(none), command)
            self.assertEqual([line for line in guest.ok('LIST "" "*"') if b"secret" in line], [])
            owner.ok("DELETE secret")

    def test_e_commands_that_are_nobodys(self):
        """CVE-2026-47081 (LOCALDELETE), -47085 (XAPPLEPUSHSERVICE) and their like: private commands without a check."""
        with self.server.wire("u2") as wire:
            for command in ("LOCALDELETE INBOX", "XAPPLEPUSHSERVICE aps-version 2", "XFER INBOX example.org", "XKILLMY INBOX",
                            "UNDUMP INBOX", "RECONSTRUCT INBOX", "X-SYNC", "DUMP INBOX", "XBACKUP u1", "SYNCAPPLY"):
                self.assertTrue(self.tagged(wire, command).startswith(b"BAD"), command)

    def test_e_urls_that_were_not_given(self):
        """CVE-2026-47082 to -47084: URLAUTH taken for a mailbox, a user or a key it was not made for."""
        with self.server.wire("u1") as owner, self.server.wire("u2") as guest:
            owner.ok("CREATE linked")
            owner.append("linked", sample(1))
            (given,) = owner.ok('GENURLAUTH "imap://u1@localhost/linked/;uid=1;urlauth=user+u1" INTERNAL')
            url = re.search(rb'imap:[^" ]+', given).group(0)
            self.assertIn(b"message 1", b"".join(owner.ok(b'URLFETCH "%s"' % url)))
            forged = [url[:-1] + (b"0" if url[-1:] != b"0" else b"1"), url.replace(b"linked", b"INBOX"),
                      url.replace(b"user+u1", b"user+u2"), url.replace(b"user+u1", b"anonymous"),
                      url.replace(b"u1@", b"u2@"), url.rpartition(b":")[0] + b":", url]
            for text in forged:
                lines = guest.command(b'URLFETCH "%s"' % text)[0]
                self.assertNotIn(b"message 1", b"".join(lines), text)
            owner.ok("RESETKEY linked")
            self.assertNotIn(b"message 1", b"".join(owner.command(b'URLFETCH "%s"' % url)[0]))
            owner.ok("DELETE linked")

    def test_e_a_connection_is_its_own_users(self):
        """CVE-2020-24386: after a rest, the answers are of another session."""
        with self.server.wire("u1") as first, self.server.wire("u2") as second:
            for user, wire in (("u1", first), ("u2", second)):
                wire.ok("CREATE own-%s" % user)
            tags = [wire.idle() for wire in (first, second)]
            for wire, tag in zip((first, second), tags):
                wire.done(tag)
            for user, wire in (("u1", first), ("u2", second)):
                names = b"".join(wire.ok('LIST "" "own-*"'))
                self.assertIn(b"own-" + user.encode(), names)
                self.assertEqual(names.count(b"own-"), 1)
                wire.ok("DELETE own-%s" % user)

    # ---- F: the logic of logins

    def test_f_the_login_of_one_is_not_anothers(self):
        """CVE-2025-30189: a cache whose key is the same for all. CVE-2022-30550: one database's answer taken for another's."""
        self.server.run("user", "add", "zora")
        secret = re.search(r"([a-z2-7]{4}-){4}[a-z2-7]{4}", self.server.run("device", "add", "zora", "phone").stdout).group(0)
        for _ in range(2):  # the second time whatever is kept of the first would answer
            for user, password, good in (("zora", secret, True), ("u2", secret, False), ("u3", secret, False),
                                         ("zora", PASSWORD, False), ("u2", PASSWORD, True), ("nobody", PASSWORD, False)):
                with self.stranger() as wire:
                    self.assertEqual(self.tagged(wire, "LOGIN %s %s" % (user, password)).startswith(b"OK"), good, user)

    def test_f_names_that_are_queries(self):
        """CVE-2026-24031 (SQL), CVE-2026-27860 (LDAP): a name is put into a question as it is."""
        for name in ("' OR '1'='1", "u1' --", "*)(uid=*", "u*", "u1\\\\00", "u1)(|(a=*", "u1;DROP TABLE account", "u_", "u%", "u1/**/"):
            with self.stranger() as wire:
                self.assertRegex(self.tagged(wire, 'LOGIN "%s" %s' % (name, PASSWORD)), rb"\A(NO|BAD)", name)
        with self.stranger() as wire:
            self.assertRegex(self.tagged(wire, "LOGIN u1 %s" % PASSWORD), rb"\AOK")

    def test_f_a_bad_login_is_nobody_elses(self):
        """CVE-2025-59028: base64 that is none ends the logins of others, who share a channel to auth."""
        good = base64.b64encode(b"\0u2\0" + PASSWORD.encode())
        with self.stranger() as patient:
            tag = patient.send("AUTHENTICATE PLAIN")
            self.assertTrue(patient.line().startswith(b"+"))
            for text in (b"====", b"A", b"\xff\xfe", b"AAAA=AAA", b"!" * 50, base64.b64encode(b"\0" * 300)):
                with self.stranger() as wire:
                    bad = wire.send("AUTHENTICATE PLAIN")
                    self.assertTrue(wire.line().startswith(b"+"))
                    wire.raw(text + b"\r\n")
                    self.assertRegex(wire.until(bad)[1], rb"\A(BAD|NO)")
            patient.raw(good + b"\r\n")
            self.assertRegex(patient.until(tag)[1], rb"\AOK")

    def test_f_mechanisms_that_are_not_offered(self):
        """CVE-2026-27855 (OTP replayed), CVE-2019-3814 (a certificate without a name), and what is old: none of them is there."""
        for mechanism in ("OTP", "SKEY", "CRAM-MD5", "DIGEST-MD5", "NTLM", "ANONYMOUS", "EXTERNAL", "LOGIN", "GSS-SPNEGO"):
            with self.stranger(tls=True) as wire:
                self.assertRegex(self.tagged(wire, "AUTHENTICATE %s =" % mechanism), rb"\A(NO|BAD)", mechanism)

    # ---- G: the way into TLS

    def test_g_what_is_sent_before_tls(self):
        """CVE-2021-33515, CVE-2021-38084, CVE-2021-38371, CVE-2022-28220: a command behind STARTTLS in the same packet is run
        as if it had come protected."""
        for behind in (b"t2 NOOP\r\n", b"t2 LOGIN u1 pass\r\n", b"x"):
            wire = self.stranger()
            got = self.ends_or_refuses(wire, b"t1 STARTTLS\r\n" + behind)
            self.assertNotIn(b"t2 ", got)

    # ---- H: other programs, other files

    def test_h_links_in_a_name(self):
        """CVE-2025-59031 (a link is followed), CVE-2018-19518 (a name becomes an argument): names of mailboxes are no paths."""
        with self.server.wire("u2") as wire:
            for name in ("../../etc/passwd", "-oProxyCommand=id", "a/../../b", "..", "`id`", "$(id)", "|id", "x;id"):
                if self.tagged(wire, 'CREATE "%s"' % name).startswith(b"OK"):
                    wire.ok('DELETE "%s"' % name)
        self.assertEqual(glob.glob(os.path.join(self.server.folder, "**/passwd"), recursive=True),
                         [os.path.join(self.server.data, "users/passwd")])


if __name__ == "__main__":
    unittest.main()
