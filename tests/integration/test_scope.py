"""A device's app password that is for certain folders, or for reading only: the rest is not there."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, sample


class Scope(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=1, quota_admins=["anna"])
        self.addCleanup(self.server.close)
        self.server.start()
        made = json.loads(self.server.run("user", "add", "anna", "--json").stdout)
        self.all = self.login(made)

    def login(self, made):
        password = (made[0] if isinstance(made, list) else made)["password"].replace(" ", "")
        wire = self.server.wire()
        self.addCleanup(wire.close)
        wire.ok("LOGIN anna %s" % password)
        return wire

    def device(self, *options):
        return self.login(json.loads(self.server.run("device", "add", "anna", "phone", *options, "--json").stdout))

    def names(self, lines):
        return sorted(line.split(b'"/" ')[1].strip(b'"') for line in lines)

    def refused(self, wire, command, code):
        _, tagged = wire.command(command)
        self.assertTrue(tagged.startswith(b"NO [%s]" % code), tagged)

    def test_certain_folders(self):
        for name in ("Work", "Work/2026", "Workshop", "Private"):
            self.all.ok("CREATE %s" % name)
        self.all.ok("SUBSCRIBE Private")
        phone = self.device("--folder", "inbox,Work")
        self.assertEqual(self.names(phone.ok('LIST "" *')), [b"INBOX", b"Work", b"Work/2026"])
        self.assertEqual(self.names(phone.ok('LIST "" Work*')), [b"Work", b"Work/2026"])
        self.assertEqual(self.names(phone.ok('LSUB "" *')), [b"INBOX"])
        self.assertEqual(self.names(phone.ok('LIST (SUBSCRIBED) "" *')), [b"INBOX"])
        for command in ("SELECT Private", "STATUS Private (MESSAGES)", "DELETE Private", "SELECT Workshop",
                        "GETMETADATA Private /private/comment", "RENAME Private Work/x"):
            self.refused(phone, command, b"NONEXISTENT")
        for command in ("CREATE Other", "RENAME Work/2026 Away"):
            self.refused(phone, command, b"NOPERM")
        phone.append("Work", sample(1))
        phone.ok("SELECT Work")
        self.refused(phone, "COPY 1 Private", b"TRYCREATE")
        self.refused(phone, b"APPEND Private {3}", b"TRYCREATE")
        phone.ok("COPY 1 INBOX")
        phone.ok("CREATE Work/2027")
        self.all.ok("NOOP")
        self.assertIn(b"Work/2027", self.names(self.all.ok('LIST "" *')))

    def test_as_many_folders_as_there_is_room_for(self):
        """4096 bytes of names, as short as they get."""
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        pairs = [a + b for a in letters for b in letters]
        self.all.ok("CREATE Y")
        for folders in (pairs, ["x"] * 2047):
            phone = self.device("--folder", ",".join(folders + ["Y"]))
            self.assertEqual(self.names(phone.ok('LIST "" *')), [b"Y"])
        self.all.ok("NOOP")  # the process of those that were there lives

    def test_what_certain_folders_leave_out_is_not_changed(self):
        self.all.ok("CREATE Work")
        self.all.ok("SUBSCRIBE INBOX")
        phone = self.device("--folder", "Work")
        for command in ("SUBSCRIBE Private", "UNSUBSCRIBE INBOX", "RESETKEY INBOX"):
            self.refused(phone, command, b"NONEXISTENT")
        self.refused(phone, "RESETKEY", b"NOPERM")
        phone.ok("SUBSCRIBE Work")
        phone.ok("RESETKEY Work INTERNAL")
        self.assertIn(b"INBOX", self.names(self.all.ok('LSUB "" *')))

    def test_certain_folders_tell_no_quota_of_others(self):
        other = self.server.wire("u1")
        self.addCleanup(other.close)
        other.ok("SETACL INBOX anna lr")
        self.all.ok("GETQUOTA u1")
        self.refused(self.device("--folder", "Work"), "GETQUOTA u1", b"NONEXISTENT")
        self.device("--folder", "Work,Other Users").ok("GETQUOTA u1")

    def test_certain_folders_set_nobody_s_quota(self):
        self.addCleanup(self.server.wire("u1").close)
        self.all.ok("SETQUOTA u1 (STORAGE 100000)")
        self.refused(self.device("--folder", "Work"), "SETQUOTA u1 (STORAGE 1)", b"NOPERM")

    def test_certain_folders_set_no_entries_of_the_account(self):
        phone = self.device("--folder", "Work")
        self.all.ok("CREATE Work")
        for value in ('"x"', "NIL"):
            self.refused(phone, 'SETMETADATA "" (/private/comment %s)' % value, b"NOPERM")
        phone.ok('SETMETADATA Work (/private/comment "x")')
        self.all.ok('SETMETADATA "" (/private/comment "x")')

    def test_certain_folders_are_all_that_is_searched(self):
        for name in ("Work", "Private"):
            self.all.ok("CREATE %s" % name)
            self.all.ok("SUBSCRIBE %s" % name)
            self.all.append(name, sample(1))
        phone = self.device("--folder", "Work")
        for where in ("personal", "subscribed", "mailboxes (Work Private)", "subtree (Work Private) inboxes"):
            said = phone.ok("ESEARCH IN (%s) RETURN (COUNT) ALL" % where)
            self.assertEqual(len(said), 1, said)
            self.assertIn(b"MAILBOX Work ", said[0])

    def test_a_mailbox_of_all_mail_is_not_for_certain_folders(self):
        self.all.ok("CREATE Private")
        self.all.append("Private", sample(1))
        self.all.ok("CREATE Every (USE (\\All))")
        self.addCleanup(self.all.ok, "DELETE Every")
        self.assertIn(b"Every", self.names(self.all.ok('LIST "" *')))
        phone = self.device("--folder", "inbox,Every")
        self.assertEqual(self.names(phone.ok('LIST "" *')), [b"INBOX"])
        for command in ("SELECT Every", "EXAMINE Every", "STATUS Every (MESSAGES)"):
            self.refused(phone, command, b"NONEXISTENT")
        said = phone.ok("ESEARCH IN (personal) RETURN (COUNT) ALL")
        self.assertTrue(all(b"MAILBOX Every" not in line and b"MAILBOX Private" not in line for line in said), said)

    def test_certain_folders_are_all_that_is_watched(self):
        self.all.ok("CREATE Work")
        phone = self.device("--folder", "Work")
        phone.ok("NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxName))")
        self.all.append("INBOX", sample(1))
        self.all.ok("CREATE Private")
        self.all.append("Work", sample(2))
        told = phone.line()
        while not told.startswith(b"* STATUS "):
            self.assertNotIn(b"Private", told)
            told = phone.line()
        self.assertTrue(told.startswith(b"* STATUS Work "), told)

    def test_reading_only(self):
        self.all.append("INBOX", sample(1))
        phone = self.device("--read-only")
        phone.ok("SELECT INBOX")
        phone.ok("FETCH 1 BODY[]")
        self.assertEqual(phone.ok("FETCH 1 FLAGS"), [b"* 1 FETCH (FLAGS (\\Recent))"])
        for command in (r"STORE 1 +FLAGS (\Seen)", "CREATE x", "COPY 1 Archive", "SUBSCRIBE x"):
            self.refused(phone, command, b"NOPERM")


if __name__ == "__main__":
    unittest.main()
