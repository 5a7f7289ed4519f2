"""Groups, shared accounts, rights and quota from the command line, as mail programs and senders meet them."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, ROOST, Server, sample, wait_for

PARTLY = 3


class People(unittest.TestCase):
    """One server for all; each test has users and names of its own."""

    settings = {"detail_as_folder": "yes", "quota_marks": "50 90", "quota_admins": ["U30"]}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=30, **cls.settings)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.users = iter("u%d" % i for i in range(1, 30))

    def setUp(self):
        self.user, self.other = next(self.users), next(self.users)

    def roost(self, *words, code=0):
        """The rows of a subcommand."""
        options = ("-c", self.server.config, "--json")  # in front: a "--" ends them
        done = subprocess.run([ROOST, *words[:2], *options, *words[2:]], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout) if code == 0 else done.stderr

    def wire(self, user):
        wire = self.server.wire(user)
        self.addCleanup(wire.close)
        return wire

    def send(self, address, size=500):
        """What LMTP says to one recipient."""
        with self.server.lmtp() as lmtp:
            return lmtp.send("sender@example.net", [address], sample(1, size))[0]

    def count(self, user, mailbox="INBOX"):
        return {row["mailbox"]: row["messages"] for row in self.roost("mailbox", "list", user)}[mailbox]

    # ---- groups

    def test_groups_have_members(self):
        self.roost("group", "create", "staff-" + self.user)
        self.roost("group", "create", "STAFF-" + self.user, code=1)
        self.roost("group", "add", "staff-" + self.user, self.user, self.other)
        self.roost("group", "add", "staff-" + self.user, self.user, code=1)
        members = self.roost("group", "list", "staff-" + self.user)
        self.assertEqual(sorted(row["member"] for row in members), sorted([self.user, self.other]))
        self.roost("group", "remove", "staff-" + self.user, self.other)
        (row,) = [row for row in self.roost("group", "list") if row["group"] == "staff-" + self.user]
        self.assertEqual(row["members"], 1)
        told = self.roost("group", "add", "staff-" + self.user, "nobody-there", self.other, code=3)
        self.assertIn("not added: nobody-there\n", told)
        self.assertEqual(len(self.roost("group", "list", "staff-" + self.user)), 2)
        self.roost("group", "delete", "staff-" + self.user)
        self.roost("group", "list", "staff-" + self.user, code=1)

    def test_names_that_mean_something_else_are_refused(self):
        for name in ("anyone", "a/b", "a:b", "i0123456789abcdef"):
            self.roost("group", "create", name, code=1)
            self.roost("shared", "create", name, code=1)
            self.roost("user", "add", name, code=1)
        self.roost("shared", "create", self.user + "x")
        self.roost("user", "add", self.user + "X", code=1)  # one name space

    # ---- rights

    def test_an_acl_is_set_and_listed(self):
        acl = ("mailbox", "acl", self.user, "INBOX")
        group = "team-" + self.user
        self.roost("group", "create", group)
        self.assertEqual(self.roost(*acl), [])
        self.roost(*acl, "set", self.other, "rl")
        self.roost(*acl, "set", "group:" + group, "all")
        self.roost(*acl, "set", "anyone", "p")
        self.roost(*acl, "set", "--", "-" + self.other, "te")
        rows = {row["identifier"]: row["rights"] for row in self.roost(*acl, "list")}
        self.assertEqual(rows, {self.other: "lr", "group:" + group: "lrswipkxtean", "anyone": "p",
                                "-" + self.other: "te"})
        self.roost(*acl, "set", "anyone", "none")
        self.roost(*acl, "set", self.other, "lq", code=1)
        self.roost(*acl, "set", "nobody-at-all", "l", code=1)
        self.roost(*acl, "set", self.user, "l", code=1)  # the owner
        self.roost("group", "delete", group)
        rows = [row["identifier"] for row in self.roost(*acl)]
        self.assertEqual(len(rows), 3)
        (gone,) = [name for name in rows if name.startswith("i")]  # shown as what it was: an id
        self.roost(*acl, "set", gone, "none")
        self.assertEqual(len(self.roost(*acl)), 2)

    def test_a_groups_rights_count_at_once(self):
        group = "readers-" + self.user
        name = '"Other Users/%s"' % self.user
        self.server.deliver(self.user, sample(1))
        self.roost("group", "create", group)
        self.roost("mailbox", "acl", self.user, "INBOX", "set", "group:" + group, "lr")
        wire = self.wire(self.other)
        self.assertTrue(wire.command("EXAMINE " + name)[1].startswith(b"NO"))
        self.roost("group", "add", group, self.other)
        wait_for(lambda: wire.command("EXAMINE " + name)[1].startswith(b"OK"), "the group counts")
        wire.ok("UNSELECT")
        self.roost("group", "delete", group)
        status = "STATUS %s (MESSAGES)" % name  # an open view would end with BYE
        wait_for(lambda: wire.command(status)[1].startswith(b"NO"), "the group is gone")

    # ---- shared accounts

    def test_a_shared_account_receives_and_nobody_logs_in_as_it(self):
        shared = "info-" + self.user
        self.roost("shared", "create", shared, "--admin", self.user + "," + self.other)
        self.assertIn(shared, [row["name"] for row in self.roost("shared", "list")])
        self.assertNotIn(shared, [row["user"] for row in self.roost("user", "list")])
        rows = {row["identifier"]: row["rights"] for row in self.roost("mailbox", "acl", shared, "INBOX")}
        self.assertEqual(rows, {self.user: "lrswipkxtean", self.other: "lrswipkxtean"})
        self.assertEqual(self.send(shared + "@example.org")[0], 250)
        self.assertEqual(self.count(shared), 1)
        self.roost("alias", "add", "hello-%s@example.org" % self.user, shared)
        self.assertEqual(self.send("hello-%s@example.org" % self.user)[0], 250)
        wire = self.wire(self.user)
        wire.ok('SELECT "Shared Folders/%s"' % shared)
        self.assertEqual(self.count(shared), 2)
        wire = self.wire(None)
        self.assertTrue(wire.command("LOGIN %s %s" % (shared, PASSWORD))[1].startswith(b"NO"))
        self.roost("device", "add", shared, "phone", code=1)
        self.roost("user", "delete", shared, "--yes", code=1)
        self.roost("shared", "delete", self.user, "--yes", code=1)
        self.roost("shared", "delete", shared, "--yes")
        self.assertEqual(self.send(shared + "@example.org")[0], 550)
        self.assertTrue(self.wire(self.other).command('SELECT "Shared Folders/%s"' % shared)[1].startswith(b"NO"))

    def test_an_administrator_who_is_nobody_is_named(self):
        text = self.roost("shared", "create", "odd-" + self.user, "--admin", "nobody-at-all,%s" % self.user,
                          code=PARTLY)
        self.assertIn("nobody-at-all", text)
        rows = self.roost("mailbox", "acl", "odd-" + self.user, "INBOX")
        self.assertEqual([row["identifier"] for row in rows], [self.user])

    def test_a_folder_of_a_shared_account_takes_mail_only_with_the_right_to_post(self):
        shared = "sales-" + self.user
        self.roost("shared", "create", shared)
        self.roost("mailbox", "create", shared, "Projects")
        self.assertEqual(self.send(shared + "+Projects@example.org")[0], 250)
        self.assertEqual((self.count(shared), self.count(shared, "Projects")), (1, 0))
        self.roost("mailbox", "acl", shared, "Projects", "set", self.user, "lrp")  # not everybody
        self.assertEqual(self.send(shared + "+Projects@example.org")[0], 250)
        self.assertEqual((self.count(shared), self.count(shared, "Projects")), (2, 0))
        self.roost("mailbox", "acl", shared, "Projects", "set", "anyone", "p")
        self.assertEqual(self.send(shared + "+Projects@example.org")[0], 250)
        self.assertEqual((self.count(shared), self.count(shared, "Projects")), (2, 1))
        self.roost("mailbox", "create", self.user, "Projects")  # a user's own folder: as ever
        self.assertEqual(self.send(self.user + "+Projects@example.org")[0], 250)
        self.assertEqual(self.count(self.user, "Projects"), 1)

    # ---- quota

    def test_mail_over_quota_waits_or_bounces(self):
        self.roost("quota", "set", self.user, "storage=20K")
        self.assertEqual(self.send(self.user + "@example.org", 9000)[0], 250)
        self.assertEqual(self.send(self.user + "@example.org", 9000)[0], 250)
        code, text = self.send(self.user + "@example.org", 9000)
        self.assertEqual((code, text[:5]), (452, "4.2.2"))
        code, text = self.send(self.user + "@example.org", 30000)
        self.assertEqual((code, text[:5]), (552, "5.2.2"))
        line = self.server.logged("quota.mark")[-1]
        self.assertIn(self.user, line)
        self.assertIn("storage", line)
        wire = self.wire(self.user)
        wire.ok("SELECT INBOX")
        tagged = wire.command(b"APPEND INBOX {4000+}\r\n" + b"x" * 4000)[1]
        self.assertTrue(tagged.startswith(b"NO [OVERQUOTA]"), tagged)
        self.assertTrue(wire.command("COPY 1 Archive")[1].startswith(b"NO [OVERQUOTA]"))
        wire.ok("MOVE 1 Archive")
        wire.ok("STORE 1 +FLAGS (\\Deleted)")
        wire.ok("EXPUNGE")
        self.assertEqual(self.send(self.user + "@example.org", 9000)[0], 250)

    def test_limits_come_from_the_account_its_groups_and_the_configuration(self):
        group = "quota-" + self.user

        def limits():
            return {row["resource"]: (row["limit"], row["own"]) for row in self.roost("quota", "list", self.user)}

        self.assertEqual(limits(), dict.fromkeys(("storage", "messages", "mailboxes", "annotations"), ("", "no")))
        self.roost("group", "create", group)
        self.roost("quota", "set", "group:" + group, "storage=1G", "messages=100")
        self.roost("group", "add", group, self.user)
        wait_for(lambda: limits()["messages"] == ("100", "no"), "the group's limit counts")
        self.assertEqual(limits()["storage"], (str(1 << 30), "no"))
        self.roost("quota", "set", self.user, "messages=7", "mailboxes=6")
        self.assertEqual(limits()["messages"], ("7", "yes"))
        self.assertTrue(self.wire(self.user).command("CREATE more")[1].startswith(b"NO [OVERQUOTA]"))
        self.roost("quota", "set", self.user, "messages=unlimited", "mailboxes=none")
        self.assertEqual(limits()["messages"], ("", "yes"))
        self.roost("quota", "set", self.user, "messages=none")
        self.assertEqual(limits()["messages"], ("100", "no"))
        self.roost("quota", "set", self.user, "messages=1x", code=2)
        self.roost("quota", "set", self.user, "messages=-1", code=2)
        self.roost("quota", "set", self.user, "size=1", code=2)
        self.roost("quota", "set", self.user, "annotations=1K")
        self.assertEqual(limits()["annotations"], ("1024", "yes"))
        self.roost("quota", "set", "group:" + group, "annotations=1K", code=2)

    def quota(self, wire, command):
        """(untagged lines, the first two words of the tagged one)"""
        untagged, tagged = wire.command(command)
        return [line.decode() for line in untagged], b" ".join(tagged.split()[:2]).decode()

    def test_a_root_is_shown_to_its_owner_to_readers_and_to_administrators(self):
        name = '"Other Users/%s"' % self.user
        missing = ([], "NO [NONEXISTENT]")
        self.roost("quota", "set", self.user, "storage=64K")
        self.server.deliver(self.user, sample(1, 3000))
        used = self.roost("quota", "list", self.user)[0]["used"]
        triplet = "(STORAGE %d 64)" % -(-used // 1024)
        wire = self.wire(self.other)
        self.assertEqual(self.quota(wire, "GETQUOTA " + self.user), missing)
        self.assertEqual(self.quota(wire, "GETQUOTAROOT " + name), missing)
        self.assertEqual(self.quota(wire, "GETQUOTA nobody-at-all"), missing)
        self.roost("mailbox", "acl", self.user, "INBOX", "set", self.other, "l")
        wait_for(lambda: self.quota(wire, "GETQUOTAROOT " + name) == ([], "NO [NOPERM]"), "it is seen")
        self.assertEqual(self.quota(wire, "GETQUOTA " + self.user), missing)
        self.roost("mailbox", "acl", self.user, "INBOX", "set", self.other, "lr")
        root = ['* QUOTAROOT %s %s' % (name, self.user), "* QUOTA %s %s" % (self.user, triplet)]
        wait_for(lambda: self.quota(wire, "GETQUOTAROOT " + name)[0] == root, "it is read")
        self.assertEqual(self.quota(wire, "GETQUOTA " + self.user)[0], root[1:])
        self.assertEqual(self.quota(wire, "SETQUOTA %s (STORAGE 1)" % self.user), ([], "NO [NOPERM]"))
        owner = self.wire(self.user)
        self.assertEqual(self.quota(owner, "GETQUOTAROOT INBOX")[0],
                         ['* QUOTAROOT INBOX ""', '* QUOTA "" ' + triplet])
        self.assertEqual(self.quota(owner, 'SETQUOTA "" (STORAGE 1)'), ([], "NO [NOPERM]"))
        admin = self.wire("u30")
        self.assertEqual(self.quota(admin, "GETQUOTA " + self.user)[0], root[1:])
        self.assertEqual(self.quota(admin, "SETQUOTA %s (STORAGE 1 MAILBOX 9)" % self.user),
                         (["* QUOTA %s (STORAGE %d 1 MAILBOX 6 9)" % (self.user, -(-used // 1024))], "OK SETQUOTA"))
        self.assertEqual(self.send(self.user + "@example.org")[0], 452)

    # ---- the processes

    def test_who_there_is_survives_auth_and_mail(self):
        group = "kept-" + self.user
        name = '"Other Users/%s"' % self.user
        self.roost("group", "create", group)
        self.roost("group", "add", group, self.other)
        self.roost("mailbox", "acl", self.user, "INBOX", "set", "group:" + group, "lr")
        for role in ("auth", "mail"):
            (pid,) = self.server.roles()[role]
            os.kill(pid, 9)
            wait_for(lambda: self.server.roles().get(role, [pid]) != [pid], role + " is back")

            def works():
                try:
                    wire = self.server.wire(self.other)
                except AssertionError:
                    return False  # not back yet: the login is refused
                with wire:
                    return wire.command("EXAMINE " + name)[1].startswith(b"OK")

            wait_for(works, "the group counts after " + role)


if __name__ == "__main__":
    unittest.main(verbosity=2)
