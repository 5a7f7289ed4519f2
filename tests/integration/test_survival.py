"""What goes on when a process dies, and what ends when an account or a device does."""

import json
import os
import shutil
import signal
import struct
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import Control
from roost_server import PASSWORD, Server, sample, wait_for

KILLS_MAX = 30  # of which three must hit a running command


class Survival(unittest.TestCase):
    def server(self, **settings):
        server = Server(users=3, **settings)
        self.addCleanup(server.close)
        return server.start()

    def session(self, server, *args, **options):
        wire = server.wire(*args, **options)
        self.addCleanup(wire.close)
        return wire

    def ask(self, server, verb, **fields):
        control = Control(os.path.join(server.data, "run", "supervisor.sock"))
        try:
            return control.ask(verb, **fields)
        finally:
            control.close()

    def child(self, server, role):
        (row,) = [row for row in self.ask(server, "status")[2]
                  if row.get("role") == role and row.get("index", "0") == "0"]
        return row

    def is_running(self, server, role, but=None):
        row = self.child(server, role)
        return row["state"] == "running" and row["pid"] != but

    def kill(self, server, role, sig=signal.SIGKILL):
        """End a role's process, and wait for the next one."""
        wait_for(lambda: self.is_running(server, role), role + " runs")
        pid = self.child(server, role)["pid"]
        os.kill(int(pid), sig)
        wait_for(lambda: self.is_running(server, role, pid), lambda: role + " is back\n" + server.log())

    def can_login(self, server, user, password=PASSWORD):
        with server.wire() as wire:
            _, tagged = wire.command("LOGIN %s %s" % (user, password))
            return tagged

    # ---- processes

    def test_a_session_outlives_auth_log_and_digest(self):
        server = self.server()
        wire = self.session(server, "u1")
        wire.ok("SELECT INBOX")
        for number, role in enumerate(("digest", "auth", "log", "digest"), start=1):
            self.kill(server, role)
            server.deliver("u1", sample(number))
            wire.ok("NOOP")
            (line,) = wire.ok("FETCH %d ENVELOPE" % number)
            self.assertIn(b'"message %d"' % number, line)
        self.session(server, "u2").ok("NOOP")

    def test_a_recipient_that_auth_owes_an_answer_is_asked_for_again(self):
        server = self.server()
        pid = int(self.child(server, "auth")["pid"])
        with server.lmtp() as lmtp:
            lmtp.ask("MAIL FROM:<>", 250)
            os.kill(pid, signal.SIGSTOP)
            lmtp.sock.sendall(b"RCPT TO:<u1>\r\n")
            os.kill(pid, signal.SIGKILL)
            lmtp.expect(451)
            wait_for(lambda: self.is_running(server, "auth", str(pid)), "auth is back")
            lmtp.ask("RSET", 250)
            self.assertEqual(lmtp.send("", ["u1"], sample(1))[0][0], 250)

    def test_when_mail_dies_its_sessions_end_and_nothing_is_lost(self):
        server = self.server()
        wire = self.session(server, "u1")
        server.deliver("u1", sample(1))
        self.kill(server, "mail")
        self.assertEqual(wire.sock.recv(4096)[:5] or b"* BYE", b"* BYE")
        wait_for(lambda: self.can_login(server, "u1").startswith(b"OK"), "u1 comes in again")
        self.assertEqual(self.session(server, "u1").ok("STATUS INBOX (MESSAGES)"),
                         [b"* STATUS INBOX (MESSAGES 1)"])

    def test_a_session_that_never_reads_in_idle_is_not_written_to_without_end(self):
        server = self.server()
        busy, idle = self.session(server, "u1", tls=False), self.session(server, "u1", tls=False)
        n, rounds = 2000, 200
        for _ in range(n // 500):
            busy.ok(b"APPEND INBOX" + b" {%d+}\r\n%s" % (len(sample(1)), sample(1)) * 500)
        busy.ok("SELECT INBOX")
        idle.ok("SELECT INBOX")
        tag = idle.idle()
        for number in range(rounds):
            busy.ok("STORE 1:* %sFLAGS.SILENT (a-keyword-of-forty-bytes-that-fills-lines %s)" %
                    ("-" if number % 2 else "+", r"\Flagged"))
        busy.ok(r"STORE 1:* FLAGS.SILENT (\Answered)")
        told = idle.done(tag)[0]
        self.assertLess(len(told), n * rounds // 2)
        last = {line.split()[1]: line for line in told if b" FETCH " in line}
        self.assertEqual(len(last), n)
        for line in last.values():
            self.assertIn(rb"FLAGS (\Answered", line)
            self.assertNotIn(rb"\Flagged", line)

    # ---- quarantine

    def crash_page(self, server):
        """The file of accounts that are worked on, as the supervisor has it."""
        folder = "/proc/%d/fd" % server.process.pid
        for fd in os.listdir(folder):
            try:
                if "crash" in os.readlink(os.path.join(folder, fd)):
                    return os.path.join(folder, fd)
            except FileNotFoundError:
                continue
        raise AssertionError("the supervisor has no crash page")

    def busy_accounts(self, page):
        with open(page, "rb") as slots:
            data = slots.read()
        return {account for (account,) in struct.iter_unpack("<Q", data) if account}

    def crash_in_command(self, server, sig=signal.SIGSEGV):
        """End mail while a command of u1 runs; others' commands do not."""
        wait_for(lambda: self.is_running(server, "mail"), "mail runs")
        pid = self.child(server, "mail")["pid"]
        wire = self.session(server, "u1")
        wire.ok("SELECT INBOX")
        feeder = threading.Thread(target=self.keep_busy, args=(wire,))
        feeder.start()
        page = self.crash_page(server)
        wait_for(lambda: self.busy_accounts(page), "a command runs")
        os.kill(int(pid), sig)
        feeder.join()
        wait_for(lambda: self.is_running(server, "mail", pid), lambda: "mail is back\n" + server.log())

    def keep_busy(self, wire):
        """Searches without end, until the server is gone."""
        try:
            while True:
                _, tagged = wire.command("SEARCH TEXT nowhere-to-be-found")
                if not tagged.startswith(b"OK"):
                    return
        except (AssertionError, OSError):
            return  # mail has died: what the test is for

    def quarantined(self, server):
        return [int(row["account"]) for row in self.ask(server, "quarantine_list")[2]]

    def test_an_account_that_kills_mail_is_put_in_quarantine(self):
        server = self.server()
        with server.wire("u1") as wire:
            for number in range(40):
                wire.append("INBOX", sample(number, 256 << 10))
        crashes = 0
        while not self.quarantined(server):
            self.assertLess(crashes, KILLS_MAX)
            self.crash_in_command(server)
            crashes += 1
        self.assertGreaterEqual(crashes, 3)
        (account,) = self.quarantined(server)
        tagged = wait_for(lambda: self.refusal(server), "u1 is refused")
        self.assertTrue(tagged.startswith(b"NO [UNAVAILABLE] This account is out of service"), tagged)
        self.session(server, "u2").ok("SELECT INBOX")
        with server.lmtp() as lmtp:
            self.assertEqual([code for code, _ in lmtp.send("", ["u2", "u1"], sample(1))], [250, 451])
        self.kill(server, "mail")  # the next one knows as well
        wait_for(lambda: self.refusal(server), "u1 is still refused")
        self.assertEqual(server.stop(), 0)
        server.start()  # and so does the next server
        self.assertEqual(self.quarantined(server), [account])
        wait_for(lambda: self.refusal(server), "u1 is still refused")
        self.assertEqual(self.ask(server, "quarantine_release", account=account)[0], 0)
        self.assertEqual(self.quarantined(server), [])
        wire = self.session(server, "u1")
        self.assertEqual(wire.ok("STATUS INBOX (MESSAGES)"), [b"* STATUS INBOX (MESSAGES 40)"])
        for event in (server.audited("account.quarantine"), server.audited("account.release")):
            self.assertEqual([line["roost.account"] for line in event], [str(account)])

    def test_whoever_is_killed_has_not_crashed(self):
        server = self.server()
        with server.wire("u1") as wire:
            for number in range(40):
                wire.append("INBOX", sample(number, 256 << 10))
        for sig in (signal.SIGKILL,) * 4 + (signal.SIGTERM,):
            self.crash_in_command(server, sig)
        self.assertEqual(self.quarantined(server), [])
        self.session(server, "u1").ok("SELECT INBOX")

    def refusal(self, server):
        tagged = self.can_login(server, "u1")
        return tagged if b"out of service" in tagged else None

    # ---- accounts and devices that go

    def add_user(self, server, name):
        """Its first app password."""
        return json.loads(server.run("user", "add", name, "--json").stdout)

    def password(self, answer):
        if isinstance(answer, list):
            answer = answer[0]
        return answer["password"].replace(" ", "")

    def test_a_revoked_device_ends_its_sessions_alone(self):
        server = self.server()
        first = self.password(self.add_user(server, "anna"))
        second = json.loads(server.run("device", "add", "anna", "phone", "--json").stdout)
        number = (second[0] if isinstance(second, list) else second)["device"]
        lost, kept = self.session(server), self.session(server)
        lost.ok("LOGIN anna %s" % self.password(second))
        kept.ok("LOGIN anna %s" % first)
        tag = lost.idle()
        server.run("device", "revoke", "anna", str(number))
        self.assertTrue(lost.line().startswith(b"* BYE "))
        self.assertEqual(lost.sock.recv(1), b"")
        kept.ok("NOOP")
        self.assertTrue(self.can_login(server, "anna", self.password(second)).startswith(b"NO"))
        self.assertTrue(tag)

    def test_a_disabled_user_is_out_at_once(self):
        server = self.server()
        password = self.password(self.add_user(server, "anna"))
        idle, other = self.session(server), self.session(server, "u1")
        idle.ok("LOGIN anna %s" % password)
        server.run("user", "disable", "anna")
        self.assertTrue(idle.line().startswith(b"* BYE "))
        other.ok("NOOP")
        self.assertTrue(self.can_login(server, "anna", password).startswith(b"NO"))
        server.run("user", "enable", "anna")
        self.assertTrue(self.can_login(server, "anna", password).startswith(b"OK"))

    def removed(self, server):
        return [line for line in server.log().splitlines() if " account.removed " in line]

    def test_a_deleted_user_goes_with_all_mail(self):
        server = self.server()
        password = self.password(self.add_user(server, "anna"))
        server.deliver(["anna", "u1"], sample(1))
        wire = self.session(server)
        wire.ok("LOGIN anna %s" % password)
        server.run("user", "delete", "anna", "--yes")
        self.assertTrue(wire.line().startswith(b"* BYE "))
        wait_for(lambda: self.removed(server), "the account's mail goes")
        self.assertIn("result=ok", self.removed(server)[0])
        again = self.password(self.add_user(server, "anna"))
        wire = self.session(server)
        wire.ok("LOGIN anna %s" % again)
        self.assertEqual(wire.ok("STATUS INBOX (MESSAGES)"), [b"* STATUS INBOX (MESSAGES 0)"])

    def test_a_user_deleted_while_mail_is_away_goes_too(self):
        server = self.server()
        self.add_user(server, "anna")
        server.deliver(["anna", "u1"], sample(1))
        pid = self.child(server, "mail")["pid"]
        os.kill(int(pid), signal.SIGSTOP)  # what auth tells it now is lost with it
        server.run("user", "delete", "anna", "--yes")
        os.kill(int(pid), signal.SIGKILL)
        wait_for(lambda: self.is_running(server, "mail", pid), "mail is back")
        wait_for(lambda: self.removed(server), "the account's mail goes")
        wire = self.session(server, "u1")
        self.assertEqual(wire.ok("STATUS INBOX (MESSAGES)"), [b"* STATUS INBOX (MESSAGES 1)"])
        self.assertEqual(len(self.removed(server)), 1)

    def test_a_database_that_knows_nobody_removes_nothing(self):
        server = self.server()
        server.deliver("u1", sample(1))
        self.assertEqual(server.stop(), 0)
        other = self.server()  # its own users, none of ours
        self.assertEqual(other.stop(), 0)
        ours, away = os.path.join(server.data, "auth"), os.path.join(server.folder, "auth.away")
        shutil.move(ours, away)
        shutil.copytree(os.path.join(other.data, "auth"), ours)
        for folder, names, files in os.walk(ours):
            for name in [""] + names + files:
                source = os.path.join(away if folder == ours else folder, name)
                status = os.stat(source if os.path.exists(source) else away)
                os.chown(os.path.join(folder, name), status.st_uid, status.st_gid)
        server.start()
        wire = self.session(server, "u1")  # another u1, for that database
        self.assertEqual(wire.ok("STATUS INBOX (MESSAGES)"), [b"* STATUS INBOX (MESSAGES 0)"])
        self.kill(server, "mail")
        self.kill(server, "auth")
        self.session(server, "u1").ok("NOOP")
        self.assertEqual(server.stop(), 0)
        shutil.rmtree(ours)
        shutil.move(away, ours)
        server.start()
        self.assertEqual(self.session(server, "u1").ok("STATUS INBOX (MESSAGES)"),
                         [b"* STATUS INBOX (MESSAGES 1)"])
        self.assertEqual(self.removed(server), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
