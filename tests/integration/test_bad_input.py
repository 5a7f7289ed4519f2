"""Input that breaks servers: a clear answer, nothing lost, work that grows no faster than the input.

Work is the processor time of the roles, compared between sizes, never the clock. What the reader refuses before
a command is whole stands in test_refused.py; names and syntax in conformance/.
"""

import os
import re
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, Server, pss_kib, sample, wait_for

TICKS_FLOOR = 20  # of processor time; below, the two sizes are not compared
GROWTH_MAX = 9  # of the work when the input grows fourfold: linear with room, not quadratic
CLOSED = (AssertionError, ConnectionError, OSError)


def cpu_ticks(server):
    """User and system time of all roles so far."""
    total = 0
    for pids in server.roles().values():
        for pid in pids:
            with open("/proc/%d/stat" % pid, encoding="ascii") as text:
                fields = text.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total


def keeps_freed_memory(pid):
    """The address sanitizer does, so that sizes mean nothing under it."""
    with open("/proc/%d/maps" % pid, encoding="ascii", errors="replace") as text:
        return "asan" in text.read()


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=9).start()
        cls.addClassCleanup(cls.server.close)

    def wire(self, user):
        wire = self.server.wire(user, tls=False)
        self.addCleanup(wire.close)
        return wire

    def mailbox(self, wire, name, count):
        wire.ok("CREATE " + name)
        message = sample(1)
        literal = b" {%d+}\r\n%s" % (len(message), message)
        for _ in range(0, count, 500):
            wire.ok(b"APPEND %s%s" % (name.encode(), literal * min(500, count)))
        wire.ok("SELECT " + name)

    def grows_linearly(self, work, small):
        """work(n) for n and 4n; the processor time of the second is compared with the first."""
        ticks = []
        for size in (small, 4 * small):
            before = cpu_ticks(self.server)
            work(size)
            ticks.append(cpu_ticks(self.server) - before)
        self.assertLessEqual(ticks[1], max(TICKS_FLOOR, ticks[0]) * GROWTH_MAX, ticks)

    def is_bad(self, wire, text):
        _, tagged = wire.command(text)
        self.assertTrue(tagged.startswith((b"BAD", b"NO")), tagged[:80])
        self.assertGreater(len(tagged), 8)  # says why
        wire.ok("NOOP")

    # ---- sets

    def test_sets_of_many_elements(self):
        wire = self.wire("u1")
        self.mailbox(wire, "sets", 1000)

        def fetch(count):
            for _ in range(20):
                wire.ok("UID FETCH %s UID" % ",".join(["9"] * count))
                wire.ok("UID SEARCH RETURN (COUNT) UID %s" % ",".join(["1"] * count))
                wire.ok("STORE %s +FLAGS.SILENT (\\Seen)" % ",".join(["7"] * count))
        self.grows_linearly(fetch, 7000)

    def test_a_set_of_100000_elements_is_refused_whole(self):
        wire = self.wire("u1")
        wire.ok("SELECT INBOX")
        self.is_bad(wire, "UID FETCH %s UID" % ",".join(str(n) for n in range(1, 100001)))
        self.is_bad(wire, "UID SEARCH UID %s" % ",".join(["1:*"] * 100000))

    def test_the_widest_ranges(self):
        wire = self.wire("u2")
        self.mailbox(wire, "ranges", 1000)
        lines = wire.ok("UID FETCH 1:4294967295 UID")
        self.assertEqual(len(lines), 1000)
        self.assertEqual(wire.ok("UID FETCH 4294967290:4294967294 UID"), [])
        self.is_bad(wire, "FETCH 1:4294967295 UID")
        self.is_bad(wire, "UID FETCH 1:4294967296 UID")
        self.is_bad(wire, "UID FETCH 0:1 UID")

        def fetch(count):
            for _ in range(10):
                lines = wire.ok("UID FETCH %s UID" % ",".join(["1:4294967295"] * count))
                self.assertEqual(len(lines), 1000)
        self.grows_linearly(fetch, 1200)

    # ---- lines

    def test_nul_and_bare_line_feeds(self):
        wire = self.wire("u1")
        self.is_bad(wire, b"NOOP\0")
        self.is_bad(wire, b"CREATE \"a\0b\"")
        self.is_bad(wire, b"CREATE {3+}\r\na\0b")
        wire.raw(b"x1 NOOP\nx2 NOOP\n")  # taken as line ends
        self.assertTrue(wire.until(b"x1")[1].startswith(b"OK"))
        self.assertTrue(wire.until(b"x2")[1].startswith(b"OK"))
        wire.raw(b"x3 NOOP\rx4 NOOP\r\n")  # a CR alone is no line end
        self.assertTrue(wire.until(b"x3")[1].startswith(b"BAD"))
        wire.ok("NOOP")

    def test_a_line_without_an_end(self):
        wire = self.wire("u3")
        mail = self.server.roles()["mail"][0]
        before = pss_kib(mail)
        with self.assertRaises(CLOSED):
            for _ in range(1000):
                wire.raw(b"x" * 100000)
            wire.line()
            wire.line()
        wait_for(lambda: pss_kib(mail) - before < 32 << 10, "the line's memory given back")
        self.wire("u3").ok("NOOP")

    def test_a_line_without_an_end_before_login(self):
        wire = self.wire(None)
        with self.assertRaises(CLOSED):
            for _ in range(1000):
                wire.raw(b"x" * 10000)
            while True:
                wire.line()
        self.wire("u3").ok("NOOP")

    # ---- nesting

    def test_nesting_bombs(self):
        wire = self.wire("u4")
        wire.append("INBOX", sample(1))
        wire.ok("SELECT INBOX")
        deep = 30000
        for text in ("SEARCH " + "(" * deep + "ALL" + ")" * deep, "SEARCH " + "NOT " * 15000 + "ALL",
                     "SEARCH " + "OR ALL " * 9000 + "ALL", "FETCH 1 " + "(" * deep, "LIST " + "(" * deep,
                     "STATUS INBOX " + "(" * deep, "STORE 1 FLAGS " + "(" * deep, "ID " + "(" * deep):
            self.is_bad(wire, text)
        wire.ok("FETCH 1 BODY.PEEK[%s]" % ".".join(["1"] * 50))
        _, tagged = wire.command("FETCH 1 BODY.PEEK[%s]" % ".".join(["1"] * 30000))
        self.assertTrue(tagged.startswith((b"NO", b"BAD")), tagged[:80])
        wire.ok("NOOP")

    # ---- pipelines

    def test_10000_pipelined_commands(self):
        wire = self.wire("u5")
        self.mailbox(wire, "pipe", 10)
        commands = (b"NOOP", b"FETCH 1:* FLAGS", b"STORE 3 +FLAGS (\\Seen)", b"UID SEARCH ALL")
        wire.sock.settimeout(DEADLINE_SEC)

        def send(count):
            tags = [b"p%d" % i for i in range(count)]
            for start in range(0, count, 100):  # read between, or both sides would wait
                wire.raw(b"".join(tag + b" " + commands[i % 4] + b"\r\n"
                                  for i, tag in list(enumerate(tags))[start:start + 100]))
                for tag in tags[start:start + 100]:
                    self.assertTrue(wire.until(tag)[1].startswith(b"OK"))
        self.grows_linearly(send, 2500)

    def test_10000_commands_in_one_write(self):
        wire = self.wire("u5")
        wire.raw(b"".join(b"q%d NOOP\r\n" % i for i in range(10000)))
        for i in range(10000):
            self.assertTrue(wire.until(b"q%d" % i)[1].startswith(b"OK"))

    # ---- names

    def test_names(self):
        wire = self.wire("u6")
        self.is_bad(wire, "CREATE " + "x" * 1001)
        wire.ok("CREATE " + "x" * 1000)
        self.is_bad(wire, b"CREATE \"\xff\xfe\"")
        wire.ok("ENABLE IMAP4rev2")
        self.is_bad(wire, b"CREATE \"\xff\xfe\"")
        self.is_bad(wire, b"CREATE \"\xc3\"")
        self.is_bad(wire, b"CREATE \"\xed\xa0\x80\"")  # a surrogate
        self.is_bad(wire, b"CREATE \"\xc0\xaf\"")  # an overlong "/"
        self.is_bad(wire, b"CREATE {1+}\r\n\r")
        self.is_bad(wire, "CREATE " + "a/" * 65)  # levels
        wire.ok("CREATE " + "a/" * 64)
        self.assertEqual(len(wire.ok("LIST \"\" a*")), 64)

    def test_a_new_mailbox_of_an_old_name_has_a_greater_uidvalidity(self):
        wire = self.wire("u6")
        seen = []
        for _ in range(5):
            wire.ok("CREATE again")
            line = wire.ok("STATUS again (UIDVALIDITY)")[0]
            seen.append(int(re.search(rb"UIDVALIDITY (\d+)", line).group(1)))
            wire.ok("DELETE again")
        self.assertEqual(seen, sorted(set(seen)))

    # ---- messages

    def hostile_messages(self):
        head = b"From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        nested = head
        for i in range(10000):
            nested += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
        rfc822 = head + b"Content-Type: message/rfc822\r\n\r\n" * 10000 + b"end\r\n"
        wide = head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 10000
        return {
            "10k nested multiparts": nested,
            "10k nested messages": rfc822,
            "10k parts": wide,
            "1M header lines": b"X: y\r\n" * 1000000 + b"\r\nbody\r\n",
            "a header line of 8 MB": b"Subject: " + b"x" * (8 << 20) + b"\r\n\r\nbody\r\n",
            "1M addresses": b"To: " + b"a@b," * 1000000 + b"a@b\r\n\r\n",
            "no header": b"\r\njust text\r\n",
            "no body": b"Subject: only\r\n",
            "one byte": b"x",
            "CR only": b"Subject: cr\rFrom: a@b\r\rbody\rmore\r",
            "unclosed quotes": b"From: \"a <b@c>\r\nTo: ((((((\r\nContent-Type: text/plain; charset=\"\r\n\r\nx\r\n",
            "no boundary": head + b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n--\r\n",
            "8 bit everywhere": bytes(range(128, 256)) * 50 + b": x\r\n\r\n" + bytes(range(1, 256)),
            "encoded words": b"Subject: " + b"=?utf-8?b?4oCL?= " * 50000 + b"\r\n\r\nx\r\n",
        }

    def test_hostile_messages(self):
        wire = self.wire("u7")
        wire.ok("ENABLE UTF8=ACCEPT")  # else a header with 8-bit bytes is refused (RFC 6855 4)
        wire.ok("CREATE hostile")
        messages = self.hostile_messages()
        for name, message in messages.items():
            _, tagged = wire.command(b"APPEND hostile {%d+}\r\n%s" % (len(message), message))
            self.assertTrue(tagged.startswith(b"OK"), (name, tagged))
        wire.ok("SELECT hostile")
        for seq, (name, message) in enumerate(messages.items(), 1):
            with self.subTest(name):
                lines, tagged = wire.command("FETCH %d (RFC822.SIZE BODY.PEEK[])" % seq)
                self.assertTrue(tagged.startswith(b"OK"), tagged)
                self.assertIn(b"RFC822.SIZE %d" % len(message), lines[0])
                self.assertIn(message, lines[0])
                for items in ("(ENVELOPE BODYSTRUCTURE BODY)", "(BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[1])"):
                    _, tagged = wire.command("FETCH %d %s" % (seq, items))
                    self.assertTrue(tagged.startswith(b"OK"), (name, items, tagged))
        wire.ok("SEARCH TEXT \"no such words\" SUBJECT x SENTSINCE 1-Jan-2020")
        self.assertEqual(len(self.server.roles()["mail"]), 1)

    def test_hostile_messages_by_lmtp(self):
        wire = self.wire("u8")
        with self.server.lmtp() as lmtp:
            for name, message in self.hostile_messages().items():
                if len(message) < 1 << 20 and b"\r\n" in message:
                    codes = lmtp.send("a@example.org", ["u8"], message)
                    self.assertIn(codes[0][0], (250, 550, 552, 554), (name, codes))
        wire.ok("SELECT INBOX")
        wire.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")

    def test_a_message_with_nul(self):
        wire = self.wire("u7")
        wire.ok("CREATE nul")
        body = b"a\0b\0\0c\r\n"
        message = b"Subject: x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + body
        self.is_bad(wire, b"APPEND nul {%d+}\r\n%s" % (len(message), message))  # no CHAR8
        wire.ok(b"APPEND nul ~{%d+}\r\n%s" % (len(message), message))
        wire.ok("SELECT nul")
        # RFC 9051 4.3.1: no literal holds a NUL, a literal8 may.
        line = wire.ok("FETCH 1 BODY.PEEK[]")[0]
        self.assertNotIn(b"\0", line)
        self.assertIn(b"{%d}" % len(message), line)
        for item, want in ((b"BINARY.PEEK[]", message), (b"BINARY.PEEK[1]", body)):
            line = wire.ok(b"FETCH 1 " + item)[0]
            self.assertIn(b" ~{%d}\r\n%s)" % (len(want), want), line)
        self.assertIn(b"<1> ~{2}\r\n\0b)", wire.ok("FETCH 1 BINARY.PEEK[1]<1.2>")[0])
        self.assertIn(b"BINARY.SIZE[1] %d" % len(body), wire.ok("FETCH 1 BINARY.SIZE[1]")[0])

    # ---- LMTP: where a message ends

    def test_only_crlf_dot_crlf_ends_a_message(self):
        smuggled = b"\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<u9>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
        ends = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\n.\0\r\n")
        for end in ends:
            with self.server.lmtp() as lmtp:
                lmtp.ask("MAIL FROM:<a@example.org>", 250)
                lmtp.ask("RCPT TO:<u9>", 250)
                lmtp.ask("DATA", 354)
                lmtp.sock.sendall(b"Subject: outer\r\n\r\nfirst" + end + smuggled.lstrip() + b"\r\n.\r\n")
                code, text = lmtp.reply()
                # One message, or none (a server may refuse a bare LF): one answer either way.
                self.assertIn(code, (250, 500, 550, 554, 555), (end, text))
                lmtp.ask("NOOP", 250)
        wire = self.wire("u9")
        wire.ok("SELECT INBOX")
        self.assertEqual(wire.ok("SEARCH SUBJECT smuggled"), [b"* SEARCH"])
        for line in wire.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]"):
            self.assertIn(b"Subject: outer", line)

    # ---- connections

    def test_a_half_closed_connection_gets_its_answers(self):
        wire = self.wire("u1")
        wire.raw(b"h1 NOOP\r\nh2 SELECT INBOX\r\nh3 FETCH 1:* FLAG")  # the last is not whole
        wire.sock.shutdown(socket.SHUT_WR)
        self.assertTrue(wire.until(b"h1")[1].startswith(b"OK"))
        self.assertTrue(wire.until(b"h2")[1].startswith(b"OK"))
        self.assertEqual(wire.file.read(), b"")

    def test_a_half_closed_idle_ends(self):
        wire = self.wire("u1")
        wire.ok("SELECT INBOX")
        wire.idle()
        wire.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(wire.file.read(), b"")

    def test_clients_that_never_read(self):
        mail = self.server.roles()["mail"][0]
        wire = self.wire("u2")
        wire.append("INBOX", sample(1, 4 << 20))
        wire.ok("SELECT INBOX")
        before = pss_kib(mail)
        stuck = [self.wire("u2") for _ in range(30)]
        for other in stuck:
            other.ok("SELECT INBOX")
            other.raw(b"".join(b"n%d FETCH 1:* BODY.PEEK[]\r\n" % i for i in range(50)))
        # Others, and the same user, are served meanwhile.
        for user in ("u2", "u3"):
            client = self.wire(user)
            client.append("INBOX", sample(2))
            client.ok("SELECT INBOX")
            for _ in range(20):
                client.ok("FETCH * BODY[]")
        if not keeps_freed_memory(mail):
            # One message each would be 120 MiB, for as long as they do not read. What is derived from the
            # message that has just come takes some memory too, for a moment.
            wait_for(lambda: pss_kib(mail) - before < 30 << 10, "a bound on what they hold")
        # One that reads late gets all of it.
        late = stuck[0]
        for i in range(50):
            self.assertTrue(late.until(b"n%d" % i)[1].startswith(b"OK"))

    def test_a_connection_cut_in_a_literal_stores_nothing(self):
        wire = self.wire("u4")
        wire.ok("CREATE cut")
        cut = self.server.wire("u4", tls=False)
        cut.raw(b"c1 APPEND cut {1000+}\r\n" + b"x" * 500)
        cut.close()
        cut = self.server.wire("u4", tls=False)
        message = sample(3)
        cut.raw(b"c1 APPEND cut {%d+}\r\n%s {1000+}\r\nSubject" % (len(message), message))
        cut.close()
        wire.append("cut", sample(4))
        wire.ok("SELECT cut")
        self.assertEqual(wire.ok("UID SEARCH ALL"), [b"* SEARCH 1"])


if __name__ == "__main__":
    unittest.main()
