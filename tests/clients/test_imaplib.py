"""Python's imaplib: a client of IMAP4rev1 that reads answers its own way."""

import imaplib
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, sample


class Imaplib(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=12).start()
        cls.addClassCleanup(cls.server.close)
        cls.users = iter("u%d" % i for i in range(1, 13))

    def client(self, user=None):
        self.user = user or next(self.users)
        client = self.server.imap(self.user)
        self.addCleanup(self.end, client)
        return client

    @staticmethod
    def end(client):
        if client.state != "LOGOUT":
            client.logout()

    def ok(self, answer):
        kind, data = answer
        self.assertEqual(kind, "OK", data)
        return data

    def test_a_session_from_login_to_logout(self):
        client = self.client()
        self.assertIn("IMAP4REV1", client.capabilities)
        self.assertEqual(self.ok(client.select()), [b"0"])
        self.ok(client.noop())
        self.ok(client.check())
        self.assertTrue(self.ok(client.namespace())[0].startswith(b'(("" "/"))'))
        self.ok(client.close())
        self.assertEqual(client.logout()[0], "BYE")

    def test_a_wrong_password_is_refused_and_a_right_one_taken(self):
        client = self.server.imap()
        with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
            client.login("u1", "wrong")
        self.ok(client.login("u1", PASSWORD))
        client.logout()

    def test_authenticate_plain(self):
        client = self.server.imap()
        self.ok(client.authenticate("PLAIN", lambda _: b"\0u1\0" + PASSWORD.encode()))
        client.logout()

    def test_starttls(self):
        client = self.server.imap(tls=False)
        self.assertIn("STARTTLS", client.capabilities)
        self.ok(client.starttls(self.server.tls_context()))
        self.ok(client.login("u1", PASSWORD))
        client.logout()

    def test_mailboxes(self):
        client = self.client()
        self.ok(client.create("a/b"))
        self.ok(client.subscribe("a/b"))
        self.assertIn(b'"/" a', [line.partition(b") ")[2] for line in self.ok(client.list('""', "%"))])
        self.assertEqual([line.rpartition(b" ")[2] for line in self.ok(client.lsub('""', "a/*"))],
                         [b"a/b"])
        self.ok(client.rename("a/b", "a/c"))
        self.assertEqual(client.select("a/b")[0], "NO")
        self.assertIn(b"MESSAGES 0", self.ok(client.status("a/c", "(MESSAGES UIDNEXT UNSEEN)"))[0])
        self.ok(client.unsubscribe("a/b"))
        self.ok(client.delete("a/c"))
        self.assertEqual(client.select("a/c")[0], "NO")

    def test_names_are_modified_utf7(self):
        client = self.client()
        self.ok(client.create("Entw&APw-rfe"))  # RFC 3501 5.1.3
        self.assertTrue(self.ok(client.list('""', "Entw*"))[0].endswith(b" Entw&APw-rfe"))
        with self.server.wire(self.user) as wire:
            wire.ok("ENABLE IMAP4rev2")
            self.assertIn("Entwürfe".encode(), wire.ok('LIST "" Entw*')[0])

    def test_append_fetch_store_expunge(self):
        client = self.client()
        when = imaplib.Time2Internaldate(1700000000)
        data = self.ok(client.append("INBOX", "(\\Seen $Label1)", when, sample(1)))
        self.assertIn(b"[APPENDUID ", data[0])
        self.ok(client.append("INBOX", None, None, sample(2)))
        self.assertEqual(self.ok(client.select()), [b"2"])
        (head, body), end = self.ok(client.fetch("1", "(UID INTERNALDATE FLAGS RFC822)"))
        self.assertEqual(body, sample(1))
        self.assertIn(b"\\Seen", head + end)
        self.assertIn(b"$Label1", head + end)
        self.assertEqual(time.mktime(imaplib.Internaldate2tuple(head + end)), 1700000000)
        self.assertNotIn(b"\\Seen", self.ok(client.fetch("2", "(BODY.PEEK[] FLAGS)"))[0][0])
        self.ok(client.fetch("2", "(RFC822.TEXT)"))
        self.assertIn(b"\\Seen", self.ok(client.fetch("2", "(FLAGS)"))[0])
        self.assertIn(b"\\Flagged", self.ok(client.store("2", "+FLAGS", "\\Flagged"))[0])
        self.assertNotIn(b"\\Seen", self.ok(client.store("2", "-FLAGS", "(\\Seen)"))[0])
        self.ok(client.copy("1", "Archive"))
        self.ok(client.store("1", "+FLAGS.SILENT", "\\Deleted"))
        self.assertEqual(self.ok(client.expunge()), [b"1"])
        self.assertEqual(self.ok(client.uid("SEARCH", None, "ALL")), [b"2"])
        self.assertEqual(self.ok(client.select("Archive", readonly=True)), [b"1"])
        self.assertEqual(client.store("1", "+FLAGS", "\\Flagged")[0], "NO")

    def test_a_large_append(self):
        client = self.client()
        message = sample(1, 30 << 20)
        self.ok(client.append("INBOX", None, None, message))
        self.ok(client.select())
        self.assertEqual(self.ok(client.fetch("1", "(BODY.PEEK[])"))[0][1], message)
        self.assertEqual(self.ok(client.fetch("1", "(BODY.PEEK[]<1000000.50>)"))[0][1],
                         message[1000000:1000050])

    def test_an_append_that_is_too_large(self):
        client = self.client()
        kind, data = client.append("INBOX", None, None, sample(1, 65 << 20))
        self.assertEqual(kind, "NO")
        self.assertIn(b"[TOOBIG]", data[0])
        self.ok(client.noop())
        self.assertEqual(self.ok(client.select()), [b"0"])

    def test_search(self):
        client = self.client()
        for number in range(1, 6):
            self.ok(client.append("INBOX", "(\\Seen)" if number == 3 else None, None, sample(number)))
        self.ok(client.select())
        for keys, want in ((("ALL",), b"1 2 3 4 5"), (("SEEN",), b"3"),
                           (("SUBJECT", '"message 4"'), b"4"), (("BODY", '"of message 2"'), b"2"),
                           (("OR", "FROM nobody", "UID 5"), b"5"), (("NOT", "2:4"), b"1 5"),
                           (("LARGER", "100000"), b""), (("SENTON", "21-Nov-2026"), b"1 2 3 4 5")):
            self.assertEqual(self.ok(client.search(None, *keys)), [want], keys)
        client.literal = "é".encode()
        self.assertEqual(self.ok(client.search("UTF-8", "TEXT")), [b"1 2 3 4 5"])

    def test_recent_is_told_to_one_session(self):
        client = self.client()
        self.server.deliver(self.user, sample(1))
        self.ok(client.select())
        self.assertEqual(client.recent()[1], [b"1"])
        other = self.client(self.user)
        self.ok(other.select())
        self.assertEqual(other.recent()[1], [b"0"])

    def test_idle_by_hand(self):
        client = self.client()
        self.ok(client.select())
        client.send(b"x1 IDLE\r\n")
        self.assertTrue(client.readline().startswith(b"+ "))
        self.server.deliver(self.user, sample(1))
        self.assertEqual(client.readline(), b"* 1 EXISTS\r\n")
        self.assertEqual(client.readline(), b"* 1 RECENT\r\n")
        client.send(b"DONE\r\n")
        self.assertTrue(client.readline().startswith(b"x1 OK"))
        self.ok(client.noop())

    def test_another_sessions_changes_are_told(self):
        one = self.client()
        self.ok(one.append("INBOX", None, None, sample(1)))
        self.ok(one.append("INBOX", None, None, sample(2)))
        two = self.client(self.user)
        self.ok(one.select())
        self.ok(two.select())
        self.ok(one.store("1", "+FLAGS", "(\\Flagged \\Deleted)"))
        self.ok(two.noop())
        self.assertIn(b"\\Flagged", two.response("FETCH")[1][0])
        self.ok(one.expunge())
        self.ok(two.noop())
        self.assertEqual(two.response("EXPUNGE")[1], [b"1"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
