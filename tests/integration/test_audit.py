"""The audit log of a server that runs: who came in, who was refused, who opened whose mail, what an administrator did."""

import glob
import json
import os
import re
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, sample, wait_for

FLOOD = 2500  # more than stand between two signatures


class Audit(unittest.TestCase):
    def server(self, **settings):
        server = Server(users=2, **settings)
        self.addCleanup(server.close)
        return server.start()

    @staticmethod
    def files(server):
        return sorted(glob.glob(os.path.join(server.data, "audit/audit-*.jsonl")))

    def signed(self, server):
        """Wait until all that is there is signed."""
        wait_for(lambda: "roost.signature" in server.audit()[-1], "a signature")

    def verify(self, server, *more):
        done = server.run("audit", "verify", "--json", *more, check=False)
        return done.returncode, json.loads(done.stdout)

    def whole(self, server, *more):
        code, report = self.verify(server, *more)
        self.assertEqual((code, report["findings"]), (0, []))
        return report

    def test_who_comes_in_and_who_does_not(self):
        server = self.server(log_level="error")  # the audit log is not the log
        server.imap("u1").logout()
        (came,) = server.audited("login.ok")
        self.assertEqual((came["source.ip"], came["user.name"], came["event.outcome"], came["event.category"]),
                         ("127.0.0.1", "u1", "success", ["authentication"]))
        (end,) = server.audited("session.end")
        self.assertEqual((end["user.name"], end["roost.reason"] if "roost.reason" in end else end["event.reason"]),
                         ("u1", "logout"))
        with server.wire() as wire:
            wire.command('LOGIN "u1\\"}]" "wrong"')
        (refused,) = server.audited("login.refused")
        self.assertEqual((refused["user.name"], refused["event.reason"], refused["event.outcome"]),
                         ('u1"}]', "unknown_user", "failure"))
        self.assertNotIn(" login.ok ", server.log())
        self.whole(server)

    def test_who_opens_whose_mail(self):
        server = self.server()
        with server.wire("u1") as owner, server.wire("u2") as guest:
            owner.ok("CREATE plans")
            owner.append("plans", sample(1))
            owner.ok("SETACL plans u2 lr")
            owner.ok("SELECT plans")
            guest.ok('EXAMINE "Other Users/u1/plans"')
            guest.ok("UNSELECT")
            guest.ok('ESEARCH IN (mailboxes ("Other Users/u1/plans" INBOX)) SUBJECT message')
        opened, searched = server.audited("mailbox.opened", 2)
        self.assertEqual((searched["roost.mailbox"], searched["roost.mode"]), (opened["roost.mailbox"], "search"))
        self.assertEqual((opened["user.name"], opened["roost.mode"]), ("u2", "read"))
        self.assertTrue(opened["roost.mailbox"].endswith("u1/plans"), opened)
        (rights,) = server.audited("acl.set")
        self.assertEqual((rights["user.name"], rights["roost.identifier"], rights["roost.rights"]), ("u1", "u2", "lr"))
        self.assertEqual(len(server.audited("login.ok", 2)), 2)

    def test_a_log_that_is_killed_loses_no_act_that_was_acknowledged(self):
        """In auth, whose answers wait on its loop, and in mail, whose wait in a thread."""
        server = self.server()
        over = threading.Event()

        def kill():
            """Four times: each time the supervisor waits longer before it starts a new one."""
            killed = set()
            while len(killed) < 4 and not over.wait(0.05):
                for pid in set(server.roles().get("log", ())) - killed:
                    killed.add(pid)
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for number in range(10):
                server.run("device", "add", "admin", "device %d" % number)
                server.run("mailbox", "create", "u1", "box %d" % number)
        finally:
            over.set()
            killer.join()
        wait_for(lambda: "log" in server.roles(), "the process log")
        server.stop()
        made = {"device.added": "roost.device_name", "mailbox.created": "roost.mailbox"}
        for event, field in made.items():
            told = {line[field] for line in server.audit() if line["event.action"] == event}
            want = {"%s %d" % ("device" if event == "device.added" else "box", number) for number in range(10)}
            self.assertEqual(want - told, set())
        self.whole(server)

    def test_what_an_administrator_does(self):
        server = self.server()
        server.run("user", "add", "zoe")
        server.run("device", "add", "zoe", "phone")
        (made,) = server.audited("account.created")
        self.assertEqual((made["user.target.name"], made["user.id"]), ("zoe", os.getuid()))
        added = server.audited("device.added")[-1]
        self.assertEqual((added["user.target.name"], added["event.type"]), ("zoe", ["creation"]))
        self.whole(server)

    def test_the_folder_that_is_named_is_the_one_that_is_read(self):
        server, other = self.server(), self.server()
        server.imap("u1").logout()
        server.audited("session.end")
        last = server.audit()[-1]["event.sequence"]
        self.signed(server)
        other.stop()
        (file,) = self.files(other)
        with open(file, "r+b") as log:
            log.write(b"[")
        report = self.whole(server)
        self.assertEqual(report["folder"], os.path.join(server.data, "audit"))
        self.assertGreaterEqual(report["last"], last)
        code, report = self.verify(server, "--data", other.data)
        self.assertEqual((code, report["folder"]), (3, os.path.join(other.data, "audit")))
        keys = {server.run("audit", "key", *more).stdout for more in ((), ("--data", other.data))}
        self.assertEqual(len(keys), 2)

    def test_the_log_process_dies_and_the_chain_goes_on(self):
        server = self.server()
        for round in range(3):
            server.imap("u1").logout()
            server.audited("session.end", round + 1)
            (pid,) = server.roles()["log"]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: server.roles().get("log", [pid]) != [pid], "a new log process")
            server.audited("audit.started", round + 2)
        self.signed(server)
        report = self.whole(server)
        self.assertEqual(report["first"], 1)
        self.assertEqual(report["last"], report["events"])

    def test_more_events_than_one_signature_is_for(self):
        server = self.server(log_mail_events="yes")
        with server.wire("u1") as wire:
            for number in range(5):
                wire.append("INBOX", sample(number))
            wire.ok("SELECT INBOX")
            for _ in range(FLOOD // 5):
                wire.ok("COPY 1:5 Archive")
        server.audited("mail.copy", FLOOD)
        self.signed(server)
        report = self.whole(server)
        self.assertGreaterEqual(report["events"], FLOOD)
        self.assertEqual(sum(line.get("roost.lost_before", 0) for line in server.audit()), 0)

    def test_what_is_changed_is_found(self):
        server = self.server()
        key = server.run("audit", "key").stdout
        server.imap("u1").logout()
        server.audited("session.end")
        server.stop()
        report = self.whole(server)
        known = "%d:%s" % (report["signed_up_to"], report["chain"])
        key_file = os.path.join(server.folder, "auditor.pub")
        with open(key_file, "w", encoding="ascii") as out:
            out.write(key)
        self.whole(server, "--key", key_file, "--at", known)
        (name,) = self.files(server)
        with open(name, encoding="utf-8") as text:
            good = text.read()
        for bad in (good.replace('"user.name":"u1"', '"user.name":"u2"', 1),
                    re.sub(r'\{[^\n]*"login.ok"[^\n]*\n', "", good),
                    "".join(good.splitlines(keepends=True)[:-1])):
            self.assertNotEqual(bad, good)
            with open(name, "w", encoding="utf-8") as out:
                out.write(bad)
            code, report = self.verify(server, "--key", key_file, "--at", known)
            self.assertEqual(code, 3)
            self.assertNotEqual(report["findings"], [])


if __name__ == "__main__":
    unittest.main()
