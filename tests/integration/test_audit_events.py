"""Every kind of audited event, as it stands in the audit log: what an administrator, a user and a stranger do, and who did it.

Those that a test of something else brings about are looked for there; tests/habits/test_events.py says which have no test."""

import json
import os
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, sample

# roost WORDS, its standard input, the event, and fields of it.
ACTS = [
    (("user", "add", "anna"), None, "account.created", {"user.target.name": "anna"}),
    (("user", "add", "berta"), None, "account.created", {"user.target.name": "berta"}),
    (("user", "passwd", "anna", "--password-stdin"), "a long enough password\n", "account.password", {"user.target.name": "anna"}),
    (("user", "import-passwd", "/dev/stdin"), "carla:{PLAIN}another long password\n", "account.batch", {"roost.lines": 1}),
    (("user", "disable", "berta"), None, "account.state", {"user.target.name": "berta", "roost.state": "disabled"}),
    (("device", "add", "anna", "phone"), None, "device.added", {"user.target.name": "anna", "roost.device_name": "phone"}),
    (("device", "revoke", "anna", "{phone}"), None, "device.revoked", {"user.target.name": "anna"}),
    (("group", "create", "sales"), None, "group.created", {"roost.name": "sales"}),
    (("group", "add", "sales", "anna"), None, "group.member_added", {"group.name": "sales", "user.target.name": "anna"}),
    (("group", "remove", "sales", "anna"), None, "group.member_removed", {"group.name": "sales", "user.target.name": "anna"}),
    (("quota", "set", "group:sales", "storage=1G"), None, "group.limited", {"roost.name": "sales"}),
    (("group", "delete", "sales"), None, "group.deleted", {"roost.name": "sales"}),
    (("shared", "create", "info"), None, "shared.created", {"user.target.name": "info"}),
    (("shared", "delete", "info", "--yes"), None, "shared.deleted", {"user.target.name": "info"}),
    (("alias", "add", "sales@example.org", "anna"), None, "alias.added", {"roost.name": "sales@example.org"}),
    (("alias", "delete", "sales@example.org"), None, "alias.deleted", {"roost.name": "sales@example.org"}),
    (("domain", "add", "example.net"), None, "domain.added", {"roost.name": "example.net"}),
    (("domain", "delete", "example.net"), None, "domain.deleted", {"roost.name": "example.net"}),
    (("quota", "set", "anna", "storage=1G"), None, "quota.changed", {}),
    (("mailbox", "create", "anna", "one"), None, "mailbox.created", {"roost.mailbox": "one"}),
    (("mailbox", "rename", "anna", "one", "two"), None, "mailbox.renamed", {"roost.mailbox": "one"}),
    (("mailbox", "acl", "anna", "two", "set", "berta", "lr"), None, "acl.changed", {"roost.mailbox": "two", "roost.identifier": "berta"}),
    (("mailbox", "delete", "anna", "two"), None, "mailbox.deleted", {"roost.mailbox": "two"}),
    (("user", "delete", "berta", "--yes"), None, "account.removed", {}),
    (("reload",), None, "server.reload", {}),
]


class Events(unittest.TestCase):
    def server(self, **settings):
        server = Server(users=2, **settings)
        self.addCleanup(server.close)
        return server.start()

    def has(self, event, fields):
        for key, value in fields.items():
            self.assertEqual(event.get(key), value, event)

    def numbers(self, server, words):
        """Devices go by their numbers: {phone} is that of the one of this name."""
        if "{phone}" not in words:
            return words
        rows = json.loads(server.run("device", "list", "anna", "--json").stdout)
        return [str(next(row["device"] for row in rows if row["name"] == "phone")) if word == "{phone}" else word for word in words]

    def test_the_acts_of_an_administrator(self):
        server = self.server(domains=["example.org"])
        count = {}
        for words, text, event, fields in ACTS:
            count[event] = count.get(event, 0) + 1
            with self.subTest(event):
                server.run(*self.numbers(server, words), **({} if text is None else {"input": text}))
                line = server.audited(event, count[event])[-1]
                self.has(line, fields)
                if "user.id" in line:
                    self.assertEqual(line["user.id"], os.getuid())

    def test_mail_that_comes_and_goes_by_the_command_line(self):
        server = self.server()
        with server.wire("u1") as wire:
            wire.append("INBOX", sample(1))
            wire.ok("SELECT INBOX")
            wire.ok("STORE 1 +FLAGS (\\Deleted)")
            wire.ok("EXPUNGE")
            wire.append("INBOX", sample(2))
        server.run("undelete", "restore", "u1", "--mailbox", "INBOX")
        out = os.path.join(server.folder, "out")
        server.run("export", "u1", out)
        server.run("import", "u2", out)
        server.run("backup", os.path.join(server.folder, "backup"), "--without-secrets")
        server.audited("credentials.copied")
        for event in ("account.exported", "account.imported", "undelete.restored", "backup.begun", "backup.ended"):
            with self.subTest(event):
                self.has(server.audited(event)[0], {"user.id": os.getuid()} if event.startswith("account") else {})

    def test_a_second_factor_that_is_only_shown(self):
        server = self.server()
        server.run("totp", "enable", "u1", input="", check=False)  # no code comes
        self.has(server.audited("totp.begun")[0], {"user.target.name": "u1", "user.id": os.getuid()})

    def test_what_users_do_with_their_mail(self):
        server = self.server(log_mail_events="yes")
        with server.wire("u1") as wire:
            wire.ok("CREATE one")
            wire.ok("RENAME one two")
            for number in range(3):
                wire.append("INBOX", sample(number))
            wire.ok("SELECT INBOX")
            wire.ok("COPY 1 two")
            wire.ok("MOVE 1 two")
            wire.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            wire.ok("EXPUNGE")
            wire.ok("DELETE two")
        for lines, n in ((server.audited("mail.append", 3), 3), (server.audited("mail.copy"), 1), (server.audited("mail.move"), 1),
                         (server.audited("mail.expunge", 2), 2), (server.audited("mailbox.create"), 1),
                         (server.audited("mailbox.rename"), 1), (server.audited("mailbox.delete"), 1)):
            self.assertEqual([line["user.name"] for line in lines], ["u1"] * n)

    def test_a_certificate_that_is_gone(self):
        server = self.server()
        os.rename(server.certificate, server.certificate + ".away")
        server.run("reload", check=False)
        server.audited("certificate.unreadable")
        os.rename(server.certificate + ".away", server.certificate)
        server.wire("u1").close()  # the old one serves

    def test_sessions_that_are_ended_and_refused(self):
        server = self.server(connections_per_user=2)
        with server.wire("u1") as first, server.wire("u1") as second:
            with server.wire() as third:
                self.assertTrue(third.command("LOGIN u1 pass")[1].startswith(b"NO"))
            self.has(server.audited("session.refused")[0], {"user.name": "u1"})
            server.run("session", "kick", "--user", "u1")
            for wire in (first, second):
                self.assertTrue(wire.line().startswith(b"* BYE"))
        self.has(server.audited("session.kicked")[0], {"roost.sessions": 2})

    def test_its_own_life(self):
        server = self.server()
        self.has(server.audited("server.ready")[0], {"process.pid": server.process.pid})
        (pid,) = server.roles()["digest"]
        os.kill(pid, signal.SIGKILL)
        self.has(server.audited("role.ended")[0], {"roost.role": "digest"})
        server.stop()
        server.audited("server.stop")

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_a_stranger_at_the_control_sockets(self):
        server = self.server()
        for event, name in (("auth.control_refused", "auth.sock"), ("mail.control_refused", "mail.sock")):
            with self.subTest(event):
                path = os.path.join(server.data, "run", name)
                os.chmod(server.data, 0o755)
                os.chmod(os.path.dirname(path), 0o755)
                os.chmod(path, 0o666)
                self.knock(path)
                server.audited(event)

    def knock(self, path):
        """As nobody, from a process of its own."""
        pid = os.fork()
        if pid == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                    sock.connect(path)
                    sock.recv(1)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
