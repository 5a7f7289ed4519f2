"""What was expunged or deleted comes back by `roost undelete`, and goes when its window is over."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, is_sanitized, sample, wait_for

MANY = 3000 if is_sanitized() else 100000
ITEMS = "(UID FLAGS INTERNALDATE RFC822.SIZE EMAILID SAVEDATE)"
ROW = re.compile(rb'UID (?P<uid>\d+)|FLAGS \((?P<flags>[^)]*)\)|INTERNALDATE "(?P<date>[^"]*)"|'
                 rb'RFC822\.SIZE (?P<size>\d+)|EMAILID \((?P<id>[^)]*)\)')


class Undelete(unittest.TestCase):
    def server(self, **settings):
        server = Server(users=1, **settings)
        self.addCleanup(server.close)
        return server.start()

    def wire(self, server, select=None):
        wire = server.wire("u1")
        self.addCleanup(wire.close)
        if select is not None:
            wire.ok("SELECT " + select)
        return wire

    def undelete(self, server, *words):
        return json.loads(server.run("undelete", words[0], "u1", *words[1:], "--json").stdout)

    def fails(self, server, code, *words):
        """The one line it says; the exit code is this."""
        got = subprocess.run([ROOST, "undelete", *words, "-c", server.config], capture_output=True, text=True)
        self.assertEqual(got.returncode, code, got.stderr)
        return got.stderr

    def status(self, wire, mailbox, item):
        (line,) = wire.ok('STATUS "%s" (%s)' % (mailbox, item))
        return re.search(item.encode() + rb" \(?([^) ]+)", line).group(1)

    def messages(self, wire):
        """(uids, what else the messages are, sorted)"""
        uids, rows = [], []
        for line in wire.ok("UID FETCH 1:* " + ITEMS):
            row = {}
            for found in ROW.finditer(line):
                row[found.lastgroup] = found.group(found.lastgroup)
            uids.append(int(row.pop("uid")))
            flags = set(row.pop("flags").split()) - {b"\\Deleted", b"\\Recent"}
            rows.append((row["id"], row["date"], row["size"], tuple(sorted(flags))))
        return uids, sorted(rows)

    def fill(self, wire, mailbox, n):
        """n messages of a few dozen, by APPEND and COPY."""
        seeds = min(n, 50)
        for number in range(seeds):
            wire.append(mailbox, sample(number), ("\\Flagged", "$Label%d" % (number % 5), "")[number % 3])
        wire.ok("SELECT " + mailbox)
        there = seeds
        while there < n:
            more = min(there, n - there)
            wire.ok("COPY 1:%d %s" % (more, mailbox))
            there += more

    def test_a_hundred_thousand_expunged_messages_come_back(self):
        server = self.server()
        wire = self.wire(server)
        self.fill(wire, "INBOX", MANY)
        uids, before = self.messages(wire)
        self.assertEqual(len(before), MANY)
        wire.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        self.assertEqual(self.status(wire, "INBOX", "MESSAGES"), b"0")
        self.assertEqual(self.status(wire, "INBOX", "SIZE"), b"0")
        server.stop()  # what is kept comes out of pages
        server.start()
        (listed,) = self.undelete(server, "list", "--mailbox", "INBOX", "--uid", str(uids[7]))
        self.assertEqual((listed["kind"], int(listed["id"]), listed["subject"]), ("message", uids[7], "message 7"))
        (restored,) = self.undelete(server, "restore", "--all")
        self.assertEqual((restored["mailbox"], int(restored["messages"])), ("INBOX", MANY))
        wire = self.wire(server, "INBOX")
        back, after = self.messages(wire)
        self.assertEqual(after, before)
        self.assertGreater(min(back), max(uids))
        self.assertIn("Nothing to bring back", self.fails(server, 1, "restore", "u1", "--all"))

    def test_messages_are_chosen_by_mailbox_text_and_uid_and_come_back_elsewhere(self):
        server = self.server()
        wire = self.wire(server)
        for number in range(1, 6):
            wire.append("INBOX", sample(number))
        wire.append("Sent", sample(3))
        for mailbox in ("Sent", "INBOX"):
            wire.ok("SELECT " + mailbox)
            wire.ok("STORE 1:* +FLAGS (\\Deleted \\Seen)")
            wire.ok("EXPUNGE")
        listed = self.undelete(server, "list")
        self.assertEqual(sorted((row["mailbox"], int(row["id"])) for row in listed),
                         [("INBOX", uid) for uid in range(1, 6)] + [("Sent", 1)])
        self.assertEqual(self.undelete(server, "list", "--before", "2020-01-01"), [])
        self.assertEqual(len(self.undelete(server, "list", "--since", "2020-01-01")), 6)
        self.assertEqual([row["mailbox"] for row in self.undelete(server, "list", "--search", "MESSAGE 3")],
                         ["INBOX", "Sent"])
        self.undelete(server, "restore", "--mailbox", "INBOX", "--uid", "2,4:5", "--to", "Found/again")
        wire.ok('SELECT "Found/again"')
        self.assertEqual([line for line in wire.ok("FETCH 1:* (FLAGS)") if b"Deleted" in line], [])
        subjects = b" ".join(wire.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]"))
        self.assertEqual(re.findall(rb"message (\d)", subjects), [b"2", b"4", b"5"])
        self.assertEqual(sorted(int(row["id"]) for row in self.undelete(server, "list", "--mailbox", "INBOX")), [1, 3])

    def test_what_was_moved_is_not_there_to_be_brought_back(self):
        server = self.server()
        wire = self.wire(server)
        wire.append("INBOX", sample(1))
        wire.ok("SELECT INBOX")
        wire.ok("MOVE 1 Trash")
        self.assertEqual(self.undelete(server, "list"), [])

    def test_a_deleted_tree_comes_back_as_it_was(self):
        server = self.server()
        wire = self.wire(server)
        names = ["Work", "Work/2025", "Work/2025/May"]
        for name in names:
            wire.ok("CREATE " + name)
            self.fill(wire, name, 7)
        ids = [(self.status(wire, name, "UIDVALIDITY"), self.status(wire, name, "MAILBOXID")) for name in names]
        wire.ok("SELECT Work/2025")
        before = self.messages(wire)
        wire.ok("CLOSE")
        for name in reversed(names):
            wire.ok("DELETE " + name)
        listed = self.undelete(server, "list", "--mailbox", "Work")
        self.assertEqual(sorted((row["kind"], row["mailbox"], int(row["messages"])) for row in listed),
                         [("mailbox", name, 7) for name in names])
        server.stop()
        server.start()
        self.undelete(server, "restore", "--mailbox", "Work")
        wire = self.wire(server, "Work/2025")
        self.assertEqual(self.messages(wire), before)  # its UIDs too
        self.assertEqual(ids, [(self.status(wire, name, "UIDVALIDITY"), self.status(wire, name, "MAILBOXID"))
                               for name in names])
        self.assertEqual(self.undelete(server, "list"), [])

    def test_a_deleted_mailbox_whose_name_was_given_again_comes_back_as_another(self):
        server = self.server()
        wire = self.wire(server)
        wire.ok("CREATE Work")
        self.fill(wire, "Work", 3)
        old = self.status(wire, "Work", "UIDVALIDITY")
        wire.ok("UNSELECT")
        wire.ok("DELETE Work")
        wire.ok("CREATE Work")
        (row,) = self.undelete(server, "restore", "--mailbox", "Work")
        self.assertEqual((row["mailbox"], int(row["messages"])), ("Work (restored)", 3))
        validity = {old, self.status(wire, "Work", "UIDVALIDITY"), self.status(wire, "Work (restored)", "UIDVALIDITY")}
        self.assertEqual(len(validity), 3)
        wire.ok("DELETE Work")  # its name is free, but was another's
        wire.ok('DELETE "Work (restored)"')
        self.undelete(server, "restore", "--mailbox", "Work")
        self.assertNotIn(self.status(wire, "Work", "UIDVALIDITY"), {old})

    def test_when_the_window_is_over_it_is_gone(self):
        server = self.server()
        wire = self.wire(server)
        wire.append("INBOX", sample(1))
        wire.ok("SELECT INBOX")
        wire.ok("STORE 1 +FLAGS (\\Deleted)")
        wire.ok("EXPUNGE")
        wire.ok("CREATE Work")
        wire.ok("DELETE Work")
        self.assertEqual(len(self.undelete(server, "list")), 2)
        wire.close()
        server.stop()
        server.set(undelete_days=0)
        server.start()
        wait_for(lambda: self.undelete(server, "list") == [], "it went")

    def test_a_wrong_command_line_says_what_it_wants(self):
        server = self.server()
        for words in (["list"], ["restore", "u1"], ["list", "u1", "--since", "yesterday"],
                      ["list", "u1", "--uid", "1"], ["list", "u1", "--all"]):
            self.fails(server, 2, *words)
        self.fails(server, 1, "list", "nobody")
        self.fails(server, 1, "list", "u1", "--mailbox", "INBOX", "--uid", "x")


if __name__ == "__main__":
    unittest.main()
