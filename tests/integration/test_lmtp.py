"""The delivery door from outside: who gets a message, what is answered, what is stored."""

import grp
import os
import pwd
import re
import select
import signal
import socket
import stat
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, Lmtp, Server, sample, wait_for

MESSAGE_MAX = 1 << 20
TRACE_BYTES = 8 << 10  # kept for the fields that a delivery adds


class Door(unittest.TestCase):
    """One server for many tests; each uses a user of its own."""

    n_users = 40
    settings = {"domains": ["example.org", "example.net"], "message_max": "1M"}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=cls.n_users, **cls.settings)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.next_user = 0

    def setUp(self):
        type(self).next_user += 1
        self.user = "u%d" % self.next_user

    def lmtp(self):
        lmtp = self.server.lmtp()
        self.addCleanup(lmtp.close)
        return lmtp

    def raw(self):
        """A connection without LHLO: (socket, file), the greeting read."""
        sock = socket.create_connection(("127.0.0.1", self.server.lmtp_port), timeout=DEADLINE_SEC)
        self.addCleanup(sock.close)
        file = sock.makefile("rb")
        self.addCleanup(file.close)
        self.assertTrue(file.readline().startswith(b"220 "))
        return sock, file

    def replies(self, file, n):
        """Codes of n replies, of which the last line counts."""
        out = []
        while len(out) < n:
            line = file.readline()
            self.assertTrue(line.endswith(b"\r\n"), line)
            if line[3:4] == b" ":
                out.append(line[:3].decode())
        return out

    def codes(self, recipients, message=b"Subject: x\r\n\r\nx\r\n", sender="s@example.org"):
        with self.server.lmtp() as lmtp:
            return ["%d %s" % (code, text.split(" ")[0])
                    for code, text in lmtp.send(sender, recipients, message)]

    def mail(self, user=None, mailbox="INBOX"):
        """All messages of a mailbox, as they are stored."""
        with self.server.wire(user or self.user) as wire:
            wire.ok("ENABLE UTF8=ACCEPT")
            wire.ok('EXAMINE "%s"' % mailbox)
            out = []
            for line in wire.ok("UID FETCH 1:* BODY.PEEK[]"):
                if b" FETCH " in line:
                    head, _, data = line.partition(b"}\r\n")
                    out.append(data[:int(head[head.rindex(b"{") + 1:])])
            return out

    def split(self, message):
        """Trace fields by name, and what was sent."""
        pattern = rb"\AReturn-Path: <(.*)>\r\nDelivered-To: (.*)\r\nReceived: ((?:.*\r\n[ \t])*.*)\r\n"
        match = re.match(pattern, message)
        self.assertIsNotNone(match, message[:300])
        return match.group(1), match.group(2), match.group(3), message[match.end():]


class Recipients(Door):
    def test_each_recipient_has_one_reply_in_order(self):
        others = ["u%d@example.org" % n for n in (38, 39)]
        self.assertEqual(
            self.codes([others[0], "nobody@example.org", self.user, others[1]]),
            ["250 2.0.0", "550 5.1.1", "250 2.0.0", "250 2.0.0"])
        for user, address in ((self.user, self.user), ("u38", others[0]), ("u39", others[1])):
            messages = self.mail(user)
            self.assertEqual(len(messages), 1)
            sender, recipient, received, content = self.split(messages[0])
            self.assertEqual((sender, recipient), (b"s@example.org", address.encode()))
            self.assertIn(b"for <%s>" % address.encode(), received)
            self.assertIn(b"from client.example.org ([127.0.0.1])", received)
            self.assertIn(b" with LMTP id ", received)
            self.assertEqual(content, b"Subject: x\r\n\r\nx\r\n")

    def test_the_local_part_counts_in_our_domains_only(self):
        self.assertEqual(
            self.codes([self.user + "@example.org", self.user + "@EXAMPLE.NET",
                        self.user.upper() + "@example.org", self.user,
                        self.user + "@elsewhere.example"]),
            ["250 2.0.0"] * 4 + ["550 5.1.1"])

    def test_full_address_then_alias_then_local_part(self):
        self.server.run("user", "add", "first@example.org")
        self.server.run("alias", "add", "second@example.org", self.user)
        self.server.run("alias", "add", "anywhere", self.user)
        self.server.run("user", "add", "second")
        self.server.run("user", "add", "first")
        self.assertEqual(
            self.codes(["second@example.org", "anywhere@example.net", "ANYWHERE@example.org"]),
            ["250 2.0.0"] * 3)
        self.assertEqual({self.split(message)[1] for message in self.mail()},
                         {b"second@example.org", b"anywhere@example.net", b"ANYWHERE@example.org"})
        for address, user in (("first@example.org", "first@example.org"),
                              ("first@example.net", "first"), ("second@example.net", "second")):
            self.assertEqual(self.codes([address]), ["250 2.0.0"])
            event = wait_for(lambda: self.event(address), "the recipient in the log")
            self.assertIn(" user=%s " % user, event)

    def test_nobody_takes_a_users_address_unless_it_is_said(self):
        self.server.run("user", "add", "third")
        self.server.run("user", "add", "other")
        make = {"Full@example.org": ("user", "add"), "third@example.org": ("user", "add"),
                "THIRD@example.net": ("shared", "create"), "third@EXAMPLE.ORG": ("alias", "add")}
        self.server.run("user", "add", "full@example.org")
        self.server.run("user", "add", "third@elsewhere.example")  # not a domain of ours
        for name, words in make.items():
            what = [*words, name] + ["other"] * (words[0] == "alias")
            refused = self.server.run(*what, check=False)
            self.assertEqual(refused.returncode, 1, what)
            self.assertIn("already" if name.startswith("Full") else "it goes to third", refused.stderr)
        many = self.server.run("user", "add", "--file", "-", input="third@example.org\nfourth@example.org\n", check=False)
        self.assertIn("it goes to third", many.stdout)
        line = "third@example.org:{PLAIN}a long word of no list\nfifth@example.org:{PLAIN}a long word of no list\n"
        many = self.server.run("user", "import-passwd", "-", input=line, check=False)
        self.assertIn("it goes to third", many.stdout)
        self.assertEqual(self.codes(["third@example.org", "fourth@example.org", "fifth@example.org"]), ["250 2.0.0"] * 3)
        self.assertIn(" user=third ", wait_for(lambda: self.event("third@example.org"), "the recipient in the log"))
        self.server.run("alias", "add", "third@example.net", "other", "--apart")
        self.server.run("user", "add", "third@example.org", "--apart")
        self.server.run("shared", "create", "other@example.org", "--apart")
        self.assertEqual(self.codes(["third@example.net"]), ["250 2.0.0"])
        self.assertIn(" user=other ", wait_for(lambda: self.event("third@example.net"), "the recipient in the log"))

    def event(self, recipient):
        found = [line for line in self.server.log().splitlines()
                 if "lmtp.recipient" in line and " recipient=%s " % recipient in line]
        return found[-1] if found else None

    def test_a_disabled_user_waits(self):
        self.server.run("user", "add", "sleepy")
        self.server.run("user", "disable", "sleepy")
        self.assertEqual(self.codes(["sleepy", "sleepy@example.org"]), ["450 4.2.1"] * 2)
        self.server.run("user", "enable", "sleepy")
        self.assertEqual(self.codes(["sleepy"]), ["250 2.0.0"])

    def test_detail_is_kept(self):
        self.assertEqual(self.codes([self.user + "+Work@example.org"]), ["250 2.0.0"])
        self.assertEqual(self.split(self.mail()[0])[1], b"%s+Work@example.org" % self.user.encode())

    def test_what_is_no_address(self):
        lmtp = self.lmtp()
        lmtp.ask("MAIL FROM:<>", 250)
        lmtp.ask("RCPT TO:<>", 553)
        lmtp.ask("RCPT TO:<@example.org>", 501)
        lmtp.ask("RCPT TO:<u1@>", 553)
        lmtp.ask("RCPT TO:u1", 501)
        lmtp.ask("RCPT TO:<%s>" % ("a" * 1025), 501)
        lmtp.ask("RCPT TO:<%s@example.org>" % ("a" * 1000), 550)
        lmtp.ask("DATA", 503)

    def test_refused_recipients_cost_nothing(self):
        lmtp = self.lmtp()
        lmtp.ask("MAIL FROM:<s@example.org>", 250)
        n, address = 20000, b"RCPT TO:<%s@example.org>\r\n" % (b"n" * 900)

        def send():
            for _ in range(n // 100):
                lmtp.sock.sendall(address * 100)

        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(n):
            self.assertEqual(lmtp.reply()[0], 550)
        sender.join()
        lmtp.ask("RCPT TO:<%s>" % self.user, 250)

    def test_a_thousand_recipients_and_no_more(self):
        lmtp = self.lmtp()
        lmtp.ask("MAIL FROM:<s@example.org>", 250)
        lmtp.sock.sendall(b"RCPT TO:<%s>\r\n" % self.user.encode() * 1001)
        codes = [lmtp.reply()[0] for _ in range(1001)]
        self.assertEqual(codes, [250] * 1000 + [452])
        lmtp.ask("DATA", 354)
        lmtp.sock.sendall(b"Subject: many\r\n\r\n.\r\n")
        self.assertEqual([lmtp.reply()[0] for _ in range(1000)], [250] * 1000)
        self.assertEqual(len(self.mail()), 1000)


class Again(unittest.TestCase):
    """Recipients that mail knows already: what is changed counts at once."""

    def setUp(self):
        self.server = Server(users=0, passwd_file="", domains=["example.org"])
        self.addCleanup(self.server.close)
        self.server.start()

    def code(self, *recipients):
        with self.server.lmtp() as lmtp:
            codes = {code for code, _ in lmtp.send("s@example.org", recipients, sample(1))}
        self.assertEqual(len(codes), 1, codes)
        return codes.pop()

    def users(self, n):
        """Who got the last n messages that were delivered."""
        lines = self.server.logged("lmtp.recipient", n)[-n:]
        return [re.search(r' user="?([^" ]*)', line).group(1) for line in lines]

    def test_a_user_comes_and_goes(self):
        run = self.server.run
        for _ in range(2):
            self.assertEqual(self.code("anna", "anna+x@example.org", "ANNA@example.org"), 550)
            run("user", "add", "anna")
            self.assertEqual(self.code("anna", "anna+x@example.org", "ANNA@example.org"), 250)
            run("user", "disable", "anna")
            self.assertEqual(self.code("anna", "anna+x@example.org", "ANNA@example.org"), 450)
            run("user", "enable", "anna")
            self.assertEqual(self.code("anna", "anna+x@example.org", "ANNA@example.org"), 250)
            run("user", "delete", "anna", "--yes")

    def test_an_address_changes_hands(self):
        run = self.server.run
        for user in ("anna", "bert"):
            run("user", "add", user)
        for round_, user in enumerate(("anna", "bert", "anna"), start=1):
            run("alias", "add", "sales@example.org", user)
            self.assertEqual(self.code("sales@example.org"), 250)
            run("alias", "delete", "sales@example.org")
            self.assertEqual(self.code("sales@example.org"), 550)
            self.assertEqual(self.users(2 * round_)[-2:], [user, ""])
        self.assertEqual(self.code("any@example.net"), 550)
        run("domain", "add", "example.net", "--catch-all", "bert")
        self.assertEqual(self.code("any@example.net"), 250)
        self.assertEqual(self.code("anna@example.net"), 250)
        run("user", "add", "any@example.net")
        self.assertEqual(self.code("any@example.net"), 250)
        self.assertEqual(self.users(10)[-4:], ["", "bert", "anna", "any@example.net"])
        run("domain", "delete", "example.net")
        self.assertEqual(self.code("anna@example.net"), 550)

    def test_who_is_known_is_not_asked_for(self):
        self.server.run("user", "add", "anna")
        recipients = ["anna", "anna@example.org", "nobody", "anna+x@example.org"]
        with self.server.lmtp() as lmtp:
            self.assertEqual([code for code, _ in lmtp.send("", recipients, sample(1))], [250, 250, 550, 250])
            (auth,) = self.server.roles()["auth"]
            os.kill(auth, signal.SIGSTOP)  # it answers nobody
            try:
                self.assertEqual([code for code, _ in lmtp.send("", recipients, sample(2))], [250, 250, 550, 250])
            finally:
                os.kill(auth, signal.SIGCONT)

    def test_a_new_auth_is_asked_again(self):
        self.server.run("user", "add", "anna")
        self.assertEqual(self.code("anna", "anna@example.org"), 250)
        (auth,) = self.server.roles()["auth"]
        os.kill(auth, signal.SIGKILL)
        wait_for(lambda: self.server.roles().get("auth", [auth]) != [auth], "auth is back")
        wait_for(lambda: self.server.run("user", "disable", "anna", check=False).returncode == 0, "auth answers")
        self.assertEqual(self.code("anna", "anna@example.org"), 450)

    def test_guesses_in_between(self):
        """A thousand names that nobody has, each again and again: answered as before, and nobody else is the worse for it."""
        self.server.run("user", "add", "anna")
        self.assertEqual(self.code("anna"), 250)
        with self.server.lmtp() as lmtp:
            lmtp.ask("MAIL FROM:<>", 250)
            for _ in range(2):
                lmtp.sock.sendall(b"".join(b"RCPT TO:<n%d@example.org>\r\n" % n for n in range(1500)))
                self.assertEqual({lmtp.reply()[0] for _ in range(1500)}, {550})
        self.assertEqual(self.code("anna"), 250)
        self.server.run("user", "add", "n1499")
        self.assertEqual(self.code("n1499@example.org"), 250)


class Messages(Door):
    def delivered(self, wire):
        """Send these bytes behind DATA; what is stored behind the trace fields."""
        lmtp = self.lmtp()
        lmtp.ask("MAIL FROM:<>", 250)
        lmtp.ask("RCPT TO:<%s>" % self.user, 250)
        lmtp.ask("DATA", 354)
        lmtp.sock.sendall(wire)
        lmtp.expect(250)
        return self.split(self.mail()[-1])[3]

    def test_as_sent(self):
        rows = (
            (b"Subject: only a header\r\n.\r\n", b"Subject: only a header\r\n"),
            (b".\r\n", b""),
            (b"\r\n.\r\n", b"\r\n"),
            (b"no header at all\r\nnone\r\n.\r\n", b"no header at all\r\nnone\r\n"),
            (b"Subject: x\r\n\r\n..\r\n...\r\n.a\r\n.\r\n", b"Subject: x\r\n\r\n.\r\n..\r\na\r\n"),
            (b"Subject: nul\r\n\r\na\0b\xff\r\n.\r\n", b"Subject: nul\r\n\r\na\x80b\xff\r\n"),
            (b"A: 1\r\nReturn-Path: <old@x>\r\n (folded)\r\nB: 2\r\n\r\nReturn-Path: y\r\n.\r\n",
             b"A: 1\r\nB: 2\r\n\r\nReturn-Path: y\r\n"),
            (b"Subject: lf\n\nlines\n.\r\nmore\r\n.\r\n",
             b"Subject: lf\r\n\r\nlines\r\n.\r\nmore\r\n"),
            (b"Subject: cr\r\rlines\r.\r\r\n.\r\n", b"Subject: cr\r\rlines\r.\r\r\n"),
        )
        for wire, stored in rows:
            with self.subTest(wire=wire):
                self.assertEqual(self.delivered(wire), stored)

    def test_only_crlf_dot_crlf_ends_a_message(self):
        for trick in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"):
            with self.subTest(trick=trick):
                lmtp = self.lmtp()
                lmtp.ask("MAIL FROM:<a@example.org>", 250)
                lmtp.ask("RCPT TO:<%s>" % self.user, 250)
                lmtp.ask("DATA", 354)
                lmtp.sock.sendall(b"Subject: one\r\n\r\none" + trick +
                                  b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<u40>\r\nDATA\r\n"
                                  b"Subject: two\r\n\r\ntwo\r\n.\r\n")
                lmtp.expect(250)
                lmtp.ask("NOOP", 250)
                self.assertIn(b"MAIL FROM:<evil@example.org>\r\n", self.mail()[-1])
        self.assertEqual(self.mail("u40"), [])

    def test_too_large_by_size_and_by_data(self):
        lmtp = self.lmtp()
        size = int(re.search(r"(?m)^SIZE (\d+)$", lmtp.extensions).group(1))
        self.assertEqual(size, MESSAGE_MAX - TRACE_BYTES)
        self.assertIn("5.3.4", lmtp.ask("MAIL FROM:<s@example.org> SIZE=%d" % (size + 1), 552))
        head = b"Subject: large\r\n\r\n"
        fits = head + b"x" * 70 + b"\r\n"
        fits += (b"y" * 62 + b"\r\n") * ((size - len(fits)) // 64)
        fits += b"z" * (size - len(fits) - 2) + b"\r\n"
        self.assertEqual(len(fits), size)
        self.assertEqual(self.codes([self.user], fits), ["250 2.0.0"])
        self.assertEqual(self.codes([self.user, "u39"], b"A: b\r\n" + fits), ["552 5.3.4"] * 2)
        messages = self.mail()
        self.assertEqual(len(messages), 1)
        self.assertEqual(self.split(messages[0])[3], fits)
        with self.server.wire(self.user) as wire:
            wire.ok("EXAMINE INBOX")
            self.assertIn(b'"large"', wire.ok("FETCH 1 ENVELOPE")[0])

    def test_utf8_and_eight_bit(self):
        lmtp = self.lmtp()
        for name in ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"):
            self.assertIn(name, lmtp.extensions.split("\n"))
        lmtp.ask("MAIL FROM:<j\u00f6rg@example.org> BODY=8BITMIME SMTPUTF8", 250)
        lmtp.ask("RCPT TO:<%s+\u00e5@example.org>" % self.user, 250)
        lmtp.ask("DATA", 354)
        lmtp.sock.sendall("Subject: \u00e5\r\n\r\n\u00e5\r\n.\r\n".encode())
        lmtp.expect(250)
        sender, recipient, received, content = self.split(self.mail()[-1])
        self.assertEqual(sender, "j\u00f6rg@example.org".encode())
        self.assertEqual(recipient, ("%s+\u00e5@example.org" % self.user).encode())
        self.assertIn(b" with UTF8LMTP id ", received)
        self.assertEqual(content, "Subject: \u00e5\r\n\r\n\u00e5\r\n".encode())

    def test_another_session_sees_it_with_the_250(self):
        with self.server.wire(self.user) as idle, self.server.wire(self.user) as other:
            idle.ok("SELECT INBOX")
            tag = idle.idle()
            for n in range(1, 21):
                self.server.deliver(self.user, sample(n))
                (status,) = [line for line in other.ok("STATUS INBOX (MESSAGES)")]
                self.assertEqual(status, b"* STATUS INBOX (MESSAGES %d)" % n)
                while idle.line() != b"* %d EXISTS" % n:
                    pass
            idle.done(tag)

    def test_a_connection_that_ends_in_data_leaves_nothing(self):
        for ending in (b"", b"\r\n", b"\r\n.", b"\r\n.\r"):
            lmtp = self.lmtp()
            lmtp.ask("MAIL FROM:<>", 250)
            lmtp.ask("RCPT TO:<%s>" % self.user, 250)
            lmtp.ask("DATA", 354)
            lmtp.sock.sendall(b"Subject: half\r\n\r\nhalf" + ending)
            lmtp.sock.shutdown(socket.SHUT_WR)
            self.assertEqual(lmtp.file.read(), b"")
        self.server.deliver(self.user, sample(1))
        self.assertEqual(len(self.mail()), 1)

    def test_the_log_tells_each_recipient(self):
        message = b"Message-ID:\r\n <log-%s@example.org>\r\n\r\nx\r\n" % self.user.encode()
        self.assertEqual(self.codes([self.user, "nobody"], message), ["250 2.0.0", "550 5.1.1"])

        def lines():
            return [line for line in self.server.log().splitlines()
                    if "lmtp.recipient" in line and "message_id=<log-%s@example.org>" % self.user in line]

        (line,) = wait_for(lines, "the delivery in the log")
        for field in ("address=127.0.0.1", "sender=s@example.org", "recipient=" + self.user,
                      "user=" + self.user, "mailbox=INBOX", "uid=1", "size=%d" % len(message)):
            self.assertIn(" %s" % field, line)
        session = re.search(r" session=([0-9a-f]{16}) ", line).group(1)
        self.assertIn(session.encode(), self.split(self.mail()[0])[2])


class Commands(Door):
    def test_all_in_one_packet(self):
        sock, file = self.raw()
        user = self.user.encode()
        sock.sendall(b"LHLO c\r\nMAIL FROM:<a@b> SIZE=10\r\nRCPT TO:<nobody>\r\nRCPT TO:<" + user +
                     b">\r\nDATA\r\nSubject: p\r\n\r\n.\r\nMAIL FROM:<c@d>\r\nRSET\r\nNOOP\r\nVRFY x\r\nQUIT\r\n")
        self.assertEqual(self.replies(file, 11),
                         ["250", "250", "550", "250", "354", "250", "250", "250", "250", "252", "221"])
        self.assertEqual(file.read(), b"")
        self.assertEqual(len(self.mail()), 1)

    def test_replies_to_a_grouped_envelope_come_together(self):
        sock, file = self.raw()
        sock.sendall(b"LHLO c\r\n")
        self.assertEqual(self.replies(file, 1), ["250"])
        sock.sendall(b"MAIL FROM:<a@b>\r\nRCPT TO:<" + self.user.encode() + b">\r\nDATA\r\n")
        lines = sock.recv(4096).split(b"\r\n")  # RFC 2920 3.2: as a unit
        self.assertEqual([line[:3] for line in lines], [b"250", b"250", b"354", b""])

    def test_out_of_order(self):
        sock, file = self.raw()
        sock.sendall(b"MAIL FROM:<a@b>\r\nLHLO c\r\nRCPT TO:<u1>\r\nDATA\r\nMAIL FROM:<a@b>\r\n"
                     b"MAIL FROM:<a@b>\r\nDATA\r\nRSET\r\nRCPT TO:<u1>\r\nEHLO c\r\nMAIL FROM:<a@b>\r\nLHLO d\r\n"
                     b"RCPT TO:<u1>\r\n")
        self.assertEqual(self.replies(file, 13),
                         ["503", "250", "503", "503", "250", "503", "503", "250", "503", "500", "250", "250", "503"])

    def test_ten_bad_commands_end_it(self):
        sock, file = self.raw()
        sock.sendall(b"WHAT\r\n" * 9 + b"NOOP\r\n" + b"MAIL TO\r\n" * 10 + b"NOOP\r\n")
        self.assertEqual(self.replies(file, 20), ["500"] * 9 + ["250"] + ["501"] * 10)
        self.assertTrue(file.readline().startswith(b"421 "))
        self.assertEqual(file.read(), b"")

    def test_a_line_without_end(self):
        sock, file = self.raw()
        sock.sendall(b"NOOP " + b"x" * 2100)
        self.assertEqual(self.replies(file, 1), ["500"])
        self.assertEqual(file.read(), b"")

    def test_a_client_that_does_not_read_gets_all_answers_later(self):
        # More answers than the server holds back, and than its socket takes.
        sock, file = self.raw()
        n = 200000

        def send():
            for _ in range(n // 1000):
                sock.sendall(b"NOOP\r\n" * 1000)

        sender = threading.Thread(target=send)
        sender.start()
        wait_for(lambda: not sender.is_alive() or not select.select([], [sock], [], 0)[1],
                 "the server, or the kernel, takes no more")
        self.assertEqual(self.replies(file, n), ["250"] * n)
        sender.join()

    def test_half_closed_after_the_last_command(self):
        sock, file = self.raw()
        sock.sendall(b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<" + self.user.encode() +
                     b">\r\nDATA\r\nSubject: h\r\n\r\n.\r\n")
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.replies(file, 5), ["250", "250", "250", "354", "250"])
        self.assertEqual(file.read(), b"")
        self.assertEqual(len(self.mail()), 1)


class Configured(unittest.TestCase):
    def server(self, **settings):
        server = Server(users=4, **settings)
        self.addCleanup(server.close)
        return server

    def codes(self, server, *recipients):
        with server.lmtp() as lmtp:
            return [code for code, _ in lmtp.send("s@example.org", recipients, sample(1))]

    def count(self, server, user, mailbox="INBOX"):
        with server.wire(user) as wire:
            return len(wire.ok('EXAMINE "%s"' % mailbox)) and int(
                re.search(rb"MESSAGES (\d+)", wire.ok('STATUS "%s" (MESSAGES)' % mailbox)[0]).group(1))

    def test_detail_as_folder_catch_all_and_permanent_refusal(self):
        server = self.server(domains=["example.org"], catch_all="u4", detail_as_folder="yes",
                             disabled_is_permanent="yes").start()
        with server.wire("u1") as wire:
            wire.ok("CREATE work")
        self.assertEqual(self.codes(server, "u1+work@example.org", "u1+play@example.org",
                                    "nobody@example.org", "nobody@example.net", "no+body@example.org"),
                         [250, 250, 250, 550, 250])
        self.assertEqual(self.count(server, "u1", "work"), 1)
        self.assertEqual(self.count(server, "u1"), 1)
        self.assertEqual(self.count(server, "u4"), 2)
        server.run("user", "add", "sleepy")
        server.run("user", "disable", "sleepy")
        self.assertEqual(self.codes(server, "sleepy"), [550])
        server.run("domain", "add", "example.net", "--catch-all", "u3")
        self.assertEqual(self.codes(server, "nobody@example.net", "u1@example.net"), [250, 250])
        self.assertEqual(self.count(server, "u3"), 1)
        self.assertEqual(self.count(server, "u1"), 2)

    def test_a_large_message(self):
        server = self.server().start()
        message = sample(7, 20 << 20)
        server.deliver(["u1", "u2"], message)
        for user in ("u1", "u2"):
            with server.wire(user) as wire:
                wire.ok("EXAMINE INBOX")
                self.assertTrue(wire.ok("FETCH 1 BODY.PEEK[]")[0][:-1].endswith(message))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to give a socket away")
    def test_the_unix_socket_has_its_owner_group_and_mode(self):
        server = self.server(lmtp_owner="nobody", lmtp_group="mail", lmtp_mode="0620")
        folder = os.path.join(server.folder, "postfix")
        os.mkdir(folder, 0o755)
        path = os.path.join(folder, "lmtp")
        server.set(lmtp=["127.0.0.1:%d" % server.lmtp_port, "unix:" + path])
        server.start()
        status = os.stat(path)
        self.assertTrue(stat.S_ISSOCK(status.st_mode))
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o620)
        self.assertEqual(status.st_uid, pwd.getpwnam("nobody").pw_uid)
        self.assertEqual(status.st_gid, grp.getgrnam("mail").gr_gid)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(DEADLINE_SEC)
        sock.connect(path)
        with Lmtp(sock) as lmtp:
            self.assertEqual([code for code, _ in lmtp.send("", ["u1"], sample(1))], [250])
        with server.wire("u1") as wire:
            wire.ok("EXAMINE INBOX")
            self.assertIn(b"Received: from client.example.org\r\n", wire.ok("FETCH 1 BODY.PEEK[HEADER]")[0])


del Door  # no tests of its own

if __name__ == "__main__":
    unittest.main(verbosity=2)
