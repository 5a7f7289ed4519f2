"""Settings that reach further than the process that reads them."""

import base64
import os
import re
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, PASSWORD, Server, sample, wait_for

MESSAGE_MAX = 100 << 10


class Settings(unittest.TestCase):
    def server(self, **settings):
        server = Server(users=2, **settings)
        self.addCleanup(server.close)
        return server.start()

    def session(self, server, *args, **options):
        wire = server.wire(*args, **options)
        self.addCleanup(wire.close)
        return wire

    def events(self, server, event):
        """Fields of each line of an event, as dicts."""
        out = []
        for line in server.log().splitlines():
            if " mail %s " % event in line:
                out.append(dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)))
        return out

    def test_message_max_reaches_every_door(self):
        server = self.server(message_max="100K")
        wire = self.session(server, "u1")
        self.assertIn(b" APPENDLIMIT=%d " % MESSAGE_MAX, wire.ok("CAPABILITY")[0] + b" ")
        self.assertEqual(wire.ok("STATUS INBOX (APPENDLIMIT)"),
                         [b"* STATUS INBOX (APPENDLIMIT %d)" % MESSAGE_MAX])
        _, tagged = wire.command("APPEND INBOX {%d}" % (MESSAGE_MAX + 1))
        self.assertTrue(tagged.startswith(b"NO [TOOBIG]"), tagged)
        message = sample(1, MESSAGE_MAX)
        message += b"x" * (MESSAGE_MAX - len(message))
        wire.append("INBOX", message)
        wire.ok("SELECT INBOX")
        self.assertIn(b'"message 1"', wire.ok("FETCH 1 ENVELOPE")[0])
        with server.lmtp() as lmtp:
            self.assertIn("SIZE %d" % (MESSAGE_MAX - 8192), lmtp.extensions)

    def test_a_submission_user_reads_by_url_what_others_send(self):
        server = self.server(submission_users=["U2"])
        sender = self.session(server, "u1")
        sender.append("INBOX", sample(1))
        line = sender.ok('GENURLAUTH "imap://u1@localhost/INBOX/;UID=1;URLAUTH=submit+u1" INTERNAL')[0]
        url = line.split(b" ")[2].decode()
        found = b"\r\n".join(self.session(server, "u2").ok("URLFETCH " + url))
        self.assertIn(b"Subject: message 1\r\n", found)
        self.assertTrue(sender.ok("URLFETCH " + url)[0].endswith(b" NIL"))
        sender.ok("RESETKEY INBOX")
        self.assertTrue(self.session(server, "u2").ok("URLFETCH " + url)[0].endswith(b" NIL"))

    def test_moved_users_are_referred_once_they_have_proved_who_they_are(self):
        server = self.server(moved_users=["U1 two.example:1143", "u2 two.example guest"])
        with server.wire() as wire:
            self.assertIn(b" LOGIN-REFERRALS", wire.ok("CAPABILITY")[0])
            _, wrong = wire.command("LOGIN u1 wrong-wrong-wrong")
            _, nobody = wire.command("LOGIN nobody wrong-wrong-wrong")
            self.assertEqual(wrong, nobody)
            self.assertTrue(wrong.startswith(b"NO [AUTHENTICATIONFAILED] "), wrong)
            _, login = wire.command("LOGIN u1 " + PASSWORD)
            self.assertTrue(login.startswith(b"NO [REFERRAL imap://u1;AUTH=*@two.example:1143/] "), login)
            plain = base64.b64encode(b"\0u1\0" + PASSWORD.encode()).decode()
            _, sasl = wire.command("AUTHENTICATE PLAIN " + plain)
            self.assertEqual(sasl, login)
            self.assertTrue(wire.command("SELECT INBOX")[1].startswith(b"BAD"))
            told, guest = wire.command("LOGIN u2 " + PASSWORD)
            self.assertTrue(guest.startswith(b"OK [REFERRAL imap://u2;AUTH=*@two.example/] "), guest)
            self.assertEqual([line for line in told if line.startswith(b"* CAPABILITY ")], wire.ok("CAPABILITY"))
            self.assertIn(b" LOGIN-REFERRALS", wire.ok("CAPABILITY")[0])
            wire.ok("SELECT INBOX")
        self.assertEqual(server.audited("login.referred")[0]["user.name"], "u1")

    def test_who_comes_to_a_server_that_has_moved_is_sent_away(self):
        server = self.server(moved_to="two.example:1143")
        for port, tls in ((server.imap_port, False), (server.imaps_port, True)):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
                conn = server.tls_context().wrap_socket(plain, server_hostname="localhost") if tls else plain
                told = b""
                while piece := conn.recv(4096):
                    told += piece
                self.assertEqual(told, b"* BYE [REFERRAL imap://two.example:1143/] "
                                       b"This server takes no connections; go to that one\r\n")

    def test_remote_mailboxes_are_told_with_their_server(self):
        server = self.server(remote_mailboxes=["Shared/News two.example", "Archive/Very Old [::1]:1143"])
        with self.session(server, "u1") as wire:
            words = wire.ok("CAPABILITY")[0].split()
            self.assertIn(b"MAILBOX-REFERRALS", words)
            self.assertNotIn(b"LOGIN-REFERRALS", words)
            self.assertEqual(wire.command("SELECT Shared/News")[1],
                             b"NO [REFERRAL imap://u1;AUTH=*@two.example/Shared/News] "
                             b"That mailbox is on another server")
            self.assertTrue(wire.command('STATUS "Archive/Very Old" (MESSAGES)')[1].startswith(
                b"NO [REFERRAL imap://u1;AUTH=*@[::1]:1143/Archive/Very%20Old] "))
            self.assertTrue(wire.command("APPEND Shared/News {3}")[1].startswith(b"NO [REFERRAL "))
            self.assertEqual(len(wire.ok('RLIST "" Shared/*')), 1)
            self.assertEqual(wire.ok('LIST "" Shared*'), [])

    def test_referrals_are_announced_only_where_configured(self):
        with self.session(self.server(), "u1") as wire:
            self.assertNotIn(b"REFERRALS", wire.ok("CAPABILITY")[0])

    def test_mail_events_are_logged_where_switched_on(self):
        server = self.server(log_mail_events="yes")
        wire = self.session(server, "u1")
        wire.ok("CREATE one")
        wire.ok("RENAME one two")
        for number in range(1, 4):
            wire.append("INBOX", sample(number))
        wire.ok("SELECT INBOX")
        wire.ok("COPY 1 two")
        wire.ok("MOVE 2 two")
        wire.ok(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
        wire.ok("UID EXPUNGE 1")
        wire.ok("CLOSE")
        wire.ok("DELETE two")
        wire.ok("LOGOUT")
        wait_for(lambda: self.events(server, "session.end"), "the end in the log")

        def told(event, *keys):
            return [tuple(fields[key] for key in keys) for fields in self.events(server, event)]

        names = ["%d@roost.example.org" % n for n in range(4)]
        self.assertEqual(told("mail.append", "user", "mailbox", "uid", "message_id"),
                         [("u1", "INBOX", str(n), names[n]) for n in (1, 2, 3)])
        self.assertEqual(told("mail.copy", "mailbox", "uid", "from", "from_uid", "message_id"),
                         [("two", "1", "INBOX", "1", names[1])])
        self.assertEqual(told("mail.move", "mailbox", "uid", "from", "from_uid", "message_id"),
                         [("two", "2", "INBOX", "2", names[2])])
        self.assertEqual(told("mail.expunge", "mailbox", "uid", "message_id", "size"),
                         [("INBOX", str(n), names[n], str(len(sample(n)))) for n in (1, 3)])
        self.assertEqual(told("mailbox.create", "mailbox"), [("one",)])
        self.assertEqual(told("mailbox.rename", "mailbox", "to"), [("one", "two")])
        self.assertEqual(told("mailbox.delete", "mailbox"), [("two",)])

    def test_mail_events_of_a_command_have_a_limit(self):
        server = self.server(log_mail_events="yes")
        wire = self.session(server, "u1")
        message = b"Message-ID: <m@x>\r\n\r\nx\r\n"
        wire.ok(b"APPEND INBOX" + b" {%d+}\r\n%s" % (len(message), message) * 501)
        wire.ok(b"APPEND INBOX" + b" {%d+}\r\n%s" % (len(message), message) * 500)
        wire.ok("SELECT INBOX")
        wire.ok("COPY 1:* Archive")
        wire.ok("LOGOUT")
        wait_for(lambda: self.one_more_session(server), "the end in the log")
        # A log that cannot keep up says how many lines it lost; the others add up.
        lost = sum(int(n) for n in re.findall(r" mail .* lost_before=(\d+)", server.log()))
        copies, more = (len(self.events(server, "mail." + event)) for event in ("copy", "more"))
        self.assertLessEqual(copies, 1000)
        self.assertLessEqual(more, 1)
        self.assertGreaterEqual(len(self.events(server, "mail.append")) + copies + more + lost, 2002)
        if more:
            self.assertEqual(self.events(server, "mail.more")[0]["messages"], "1")
        self.assertTrue(more or lost)

    def one_more_session(self, server):
        """Each session leaves a line, and tells of those lost before it."""
        server.wire("u2").close()
        return [fields for fields in self.events(server, "session.end") if fields["user"] == "u2"]

    def test_mail_events_are_off_by_default(self):
        server = self.server()
        with server.wire("u1") as wire:
            wire.append("INBOX", sample(1))
            wire.ok("CREATE one")
            wire.ok("LOGOUT")
        wait_for(lambda: self.events(server, "session.end"), "the end in the log")
        self.assertNotIn("mail.append", server.log())
        self.assertNotIn("mailbox.create", server.log())

    def test_connections_per_user(self):
        server = self.server(connections_per_user="2")
        first, second = self.session(server, "u1"), self.session(server, "u1", tls=False)
        third = self.session(server)
        _, tagged = third.command("LOGIN u1 pass")
        self.assertTrue(tagged.startswith(b"NO [LIMIT]"), tagged)
        self.session(server, "u2")
        first.ok("NOOP")
        second.ok("LOGOUT")
        wait_for(lambda: self.events(server, "session.end"), "the second has gone")
        self.session(server, "u1").ok("NOOP")

    def test_connections_per_device(self):
        server = self.server(connections_per_device="1")
        devices = [re.search(r"[a-z2-7]{4}(-[a-z2-7]{4}){4}",
                             server.run("device", "add", "admin", name).stdout)[0] for name in ("one", "two")]
        first = self.session(server)
        first.ok("LOGIN admin " + devices[0])
        second = self.session(server)
        _, tagged = second.command("LOGIN admin " + devices[0])
        self.assertTrue(tagged.startswith(b"NO [LIMIT]"), tagged)
        self.session(server).ok("LOGIN admin " + devices[1])
        first.ok("LOGOUT")
        wait_for(lambda: self.events(server, "session.end"), "the first has gone")
        self.session(server).ok("LOGIN admin " + devices[0])

    def test_strangers_per_source(self):
        """Whichever gate each comes to: no more stay than have a place, and nobody of another address goes."""
        server = self.server(strangers_per_source="3")
        places = 3 * len(server.roles()["gate"])

        def stranger(address):
            sock = socket.create_connection(("127.0.0.1", server.imap_port), DEADLINE_SEC, (address, 0))
            self.addCleanup(sock.close)
            self.assertTrue(sock.recv(1000).startswith(b"* OK"))
            return sock

        def stays(sock):
            try:
                sock.sendall(b"a NOOP\r\n")
                return b"a OK" in sock.recv(1000)
            except ConnectionError:
                return False

        other = stranger("127.0.0.2")
        many = [stranger("127.0.0.1") for _ in range(places + 5)]
        self.assertTrue(stays(other))
        self.assertTrue(stays(many[-1]))
        self.assertLessEqual(sum(map(stays, many)), places)

    def test_plaintext_and_starttls(self):
        server = self.server(plaintext_loopback="no")
        wire = self.session(server, tls=False)
        self.assertIn(b" LOGINDISABLED", wire.ok("CAPABILITY")[0])
        _, tagged = wire.command("LOGIN u1 pass")
        self.assertTrue(tagged.startswith(b"NO [PRIVACYREQUIRED]"), tagged)
        self.session(server, "u1").ok("NOOP")

        server = self.server(plaintext_loopback="no", starttls="yes")
        wire = self.session(server, tls=False)
        self.assertIn(b" STARTTLS", wire.ok("CAPABILITY")[0])
        wire.ok("STARTTLS")
        wire.sock = server.tls_context().wrap_socket(wire.sock, server_hostname="localhost")
        wire.file = wire.sock.makefile("rb")
        self.assertNotIn(b" STARTTLS", wire.ok("CAPABILITY")[0])
        wire.ok("LOGIN u1 pass")

    def test_log_level(self):
        server = self.server(log_level="warning")
        with server.wire("u1") as wire:
            wire.ok("LOGOUT")
        with server.wire() as wire:
            wire.command("LOGIN u1 wrong")
        wait_for(lambda: "login.refused" in server.log(), "the refusal in the log")
        self.assertNotIn("login.ok", server.log())
        self.assertNotIn("session.end", server.log())

    def test_threads(self):
        def count(server):
            (pid,) = server.roles()["mail"]
            return len(os.listdir("/proc/%d/task" % pid))

        servers = [self.server(threads=n) for n in ("4", "20")]
        for server in servers:
            self.session(server, "u1")  # mail has started by then
        # A quarter as many compute for long, apart from the others.
        self.assertEqual(count(servers[1]) - count(servers[0]), (20 + 5) - (4 + 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
