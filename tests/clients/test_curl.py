"""curl over imaps: list, fetch, append, search, and the errors it shows."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, need, sample

CURL = need("curl", "curl")
MULTIPART = (b"From: a@example.org\r\nSubject: two parts\r\nMIME-Version: 1.0\r\n"
             b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
             b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
             b"--b\r\nContent-Type: text/html\r\n\r\n<p>second\r\n--b--\r\n")
WRONG_LOGIN = 67  # CURLE_LOGIN_DENIED
NOT_FOUND = 78  # CURLE_REMOTE_FILE_NOT_FOUND


class Curl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        with self.server.wire("u1") as client:
            client.ok("SELECT INBOX")
            client.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
            client.ok("EXPUNGE")

    def curl(self, path, *options, password=PASSWORD, data=None, code=0):
        url = "imaps://localhost:%d/%s" % (self.server.imaps_port, path)
        done = subprocess.run(
            [CURL, "-q", "--silent", "--show-error", "--cacert", self.server.certificate,
             "--noproxy", "*", "--user", "u1:" + password, *options, url], input=data,
            capture_output=True)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done.stdout

    def append(self, message, mailbox="INBOX"):
        """-T takes the size from a file; from a pipe curl cannot append."""
        path = os.path.join(self.server.folder, "message")
        with open(path, "wb") as out:
            out.write(message)
        self.curl(mailbox, "-T", path)

    def uid(self):
        """UID of the newest message."""
        with self.server.wire("u1") as client:
            client.ok("SELECT INBOX")
            (line,) = client.ok("FETCH * (UID)")
            return int(line.rpartition(b"UID ")[2].rstrip(b")"))

    def test_lists_mailboxes(self):
        lines = self.curl("").decode().splitlines()
        names = {line.rpartition(" ")[2].strip('"') for line in lines}
        self.assertTrue({"INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"} <= names, lines)

    def test_appends_and_fetches_whole(self):
        for message in (sample(1), sample(2, 3000000), MULTIPART):
            self.append(message)
            self.assertEqual(self.curl("INBOX;UID=%d" % self.uid()), message)

    def test_fetches_sections(self):
        self.append(MULTIPART)
        uid = self.uid()
        self.assertEqual(self.curl("INBOX;UID=%d;SECTION=2" % uid), b"<p>second")
        self.assertEqual(self.curl("INBOX;UID=%d;SECTION=1.MIME" % uid),
                         b"Content-Type: text/plain\r\n\r\n")
        self.assertEqual(self.curl("INBOX;UID=%d;SECTION=HEADER.FIELDS%%20(Subject)" % uid),
                         b"Subject: two parts\r\n\r\n")
        self.assertEqual(self.curl("INBOX;MAILINDEX=1;SECTION=TEXT"),
                         MULTIPART.partition(b"\r\n\r\n")[2])

    def test_searches(self):
        for number in (1, 22, 3):
            self.append(sample(number))
        self.assertEqual(self.curl("INBOX?SUBJECT%20%22message%2022%22"), b"* SEARCH 2\r\n")
        self.assertEqual(self.curl("INBOX?ALL"), b"* SEARCH 1 2 3\r\n")
        self.assertEqual(self.curl("INBOX?SUBJECT%20nobody"), b"* SEARCH\r\n")

    def test_custom_requests(self):
        self.append(sample(1))
        self.assertIn(b"MESSAGES 1", self.curl("", "-X", "STATUS INBOX (MESSAGES UIDNEXT)"))
        self.assertIn(b"\\Flagged", self.curl("INBOX", "-X", "STORE 1 +FLAGS (\\Flagged)"))
        self.curl("", "-X", 'CREATE "a b/c"')
        self.assertIn(b'"a b/c"', self.curl("", "-X", 'LIST "" "a b/%"'))
        self.curl("INBOX", "-X", 'COPY 1 "a b/c"')
        self.assertIn(b"MESSAGES 1", self.curl("", "-X", 'STATUS "a b/c" (MESSAGES)'))
        self.curl("", "-X", 'DELETE "a b/c"')

    def test_errors(self):
        self.curl("", password="wrong", code=WRONG_LOGIN)
        self.curl("Nowhere;UID=1", code=WRONG_LOGIN)  # what curl makes of a refused SELECT
        self.append(sample(1))
        self.curl("INBOX;UID=999999", code=NOT_FOUND)

    def test_by_starttls(self):
        url = "imap://localhost:%d/" % self.server.imap_port
        done = subprocess.run(
            [CURL, "-q", "--silent", "--show-error", "--ssl-reqd", "--cacert",
             self.server.certificate, "--noproxy", "*", "--user", "u1:" + PASSWORD, url],
            capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn(b"INBOX", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
