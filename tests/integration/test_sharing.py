"""Mailboxes that others may see, on a running server: what a change of rights does to sessions that are there."""

import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, sample, wait_for

OTHERS = '"Other Users/%s"'


class Sharing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=30)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.users = iter("u%d" % i for i in range(1, 31))

    def setUp(self):
        self.owner_name, self.guest_name = next(self.users), next(self.users)
        self.owner, self.guest = self.wire(self.owner_name), self.wire(self.guest_name)
        self.name = OTHERS % self.owner_name

    def wire(self, user):
        wire = self.server.wire(user)
        self.addCleanup(wire.close)
        return wire

    def roost(self, *words, code=0):
        done = subprocess.run([ROOST, *words, "-c", self.server.config], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def until_bye(self, wire):
        """The connection ends, and says so."""
        line = b"*"
        while line and not line.startswith(b"* BYE"):
            line = wire.line()
        self.assertTrue(line.startswith(b"* BYE"), line)

    def test_a_revoked_right_ends_an_idle_session(self):
        self.owner.ok("SETACL INBOX %s lr" % self.guest_name)
        self.guest.ok("SELECT " + self.name)
        self.guest.idle()
        self.owner.ok("SETACL INBOX %s -r" % self.guest_name)
        self.until_bye(self.guest)

    def test_the_administrator_revokes(self):
        self.roost("mailbox", "acl", self.owner_name, "INBOX", "set", self.guest_name, "lr")
        self.guest.ok("SELECT " + self.name)
        self.guest.idle()
        self.roost("mailbox", "acl", self.owner_name, "INBOX", "set", self.guest_name, "none")
        self.until_bye(self.guest)

    def test_who_leaves_a_group_is_no_guest_any_more(self):
        group = "group-of-" + self.owner_name
        self.roost("group", "create", group)
        self.roost("group", "add", group, self.guest_name)
        self.owner.ok("SETACL INBOX group:%s lrs" % group)
        self.guest.ok("SELECT " + self.name)
        self.guest.idle()
        self.roost("group", "remove", group, self.guest_name)
        self.until_bye(self.guest)

    def test_what_a_command_has_changed_counts_when_it_returns(self):
        for i in range(8):
            group, user = "now-%d-of-%s" % (i, self.owner_name), "new-%d-of-%s" % (i, self.owner_name)
            self.roost("group", "create", group)
            self.owner.ok("SETACL INBOX group:%s lr" % group)
            self.roost("group", "add", group, self.guest_name)
            self.guest.ok("STATUS %s (MESSAGES)" % self.name)
            self.roost("group", "remove", group, self.guest_name)
            self.assertTrue(self.guest.command("STATUS %s (MESSAGES)" % self.name)[1].startswith(b"NO"))
            self.roost("user", "add", user)
            self.owner.ok("SETACL INBOX %s lr" % user)
            self.roost("group", "delete", group)
            self.assertTrue(self.owner.command("SETACL INBOX group:%s lr" % group)[1].startswith(b"NO"))

    def test_a_selected_mailbox_is_gone_with_the_next_command(self):
        self.server.deliver(self.owner_name, sample(1))
        self.owner.ok("SETACL INBOX %s lr" % self.guest_name)
        self.guest.ok("SELECT " + self.name)
        self.owner.ok("DELETEACL INBOX " + self.guest_name)
        self.guest.send("FETCH 1 BODY.PEEK[]")
        line = self.guest.line()
        while not line.startswith(b"* BYE"):
            self.assertNotIn(b"FETCH (", line)
            line = self.guest.line()

    def test_a_guest_hears_of_new_mail(self):
        self.owner.ok("SETACL INBOX anyone lr")
        self.guest.ok("SELECT " + self.name)
        tag = self.guest.idle()
        self.server.deliver(self.owner_name, sample(1))
        while not self.guest.line().startswith(b"* 1 EXISTS"):
            pass
        self.guest.done(tag)

    def until(self, wire, line):
        while not wire.line().startswith(line):
            pass

    def test_who_watches_hears_of_rights_that_come_and_go(self):
        group = "watchers-of-" + self.owner_name
        self.roost("group", "create", group)
        self.owner.ok("SETACL INBOX group:%s lr" % group)
        self.guest.ok('NOTIFY SET (SUBTREE %s (MailboxName MessageNew MessageExpunge))' % self.name)
        self.roost("group", "add", group, self.guest_name)
        self.until(self.guest, b'* LIST (\\HasNoChildren) "/" "Other Users/')
        self.server.deliver(self.owner_name, sample(1))
        self.until(self.guest, b"* STATUS ")
        self.roost("group", "remove", group, self.guest_name)
        self.until(self.guest, b'* LIST (\\NonExistent) "/" "Other Users/')
        self.guest.ok("NOOP")

    def test_other_rights_may_go_and_the_guest_stays(self):
        self.server.deliver(self.owner_name, sample(1))
        self.owner.ok("SETACL INBOX %s lrsw" % self.guest_name)
        self.guest.ok("SELECT " + self.name)
        tag = self.guest.idle()
        self.owner.ok("SETACL INBOX %s -sw" % self.guest_name)
        self.guest.done(tag)
        self.guest.ok("NOOP")
        self.assertTrue(self.guest.command("STORE 1 +FLAGS (\\Flagged)")[1].startswith(b"NO"))

    def test_lists_survive_a_restart(self):
        self.owner.ok("CREATE shelf")
        self.owner.ok("SETACL shelf %s lrs" % self.guest_name)
        self.server.stop()
        self.server.start()
        guest = self.wire(self.guest_name)
        listed = b"".join(guest.ok('LIST "" "Other Users/*" RETURN (MYRIGHTS)'))
        self.assertIn(b'* MYRIGHTS "Other Users/%s/shelf" lrs' % self.owner_name.encode(), listed)

    def test_who_is_deleted_leaves_nothing(self):
        gone = "gone-" + self.owner_name
        self.roost("user", "add", gone)
        self.owner.ok("CREATE shelf")
        self.owner.ok("SETACL shelf %s lr" % gone)
        self.assertIn(gone.encode(), b"".join(self.owner.ok("GETACL shelf")))
        self.roost("user", "delete", gone, "--yes")
        self.assertNotIn(gone.encode(), b"".join(self.owner.ok("GETACL shelf")))

    def test_the_register_confuses_nobody(self):
        self.owner.ok("SETACL INBOX anyone lr")
        rows = self.roost("status", "--space", "--accounts", "100")
        self.assertEqual(rows.count("register of shares"), 1)
        self.assertNotIn("(deleted)", rows)
        self.roost("check")
        self.roost("mailbox", "list", self.owner_name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
