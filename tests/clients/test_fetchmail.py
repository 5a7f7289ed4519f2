"""fetchmail over TLS: fetches all and deletes on the server; with --keep it leaves them and marks them seen."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, need, sample

FETCHMAIL = need("fetchmail", "fetchmail")
N = 25
NO_MAIL = 1  # fetchmail's exit status


class Fetchmail(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        self.home = os.path.join(self.server.folder, "home")
        os.mkdir(self.home, 0o700)
        self.rc = os.path.join(self.home, "fetchmailrc")
        # An agent that keeps each message in a file of its own, byte for byte.
        self.mda = os.path.join(self.home, "mda")
        with open(self.mda, "w", encoding="ascii") as out:
            out.write('#!/bin/sh\nexec cat >"$(mktemp "%s/got.XXXXXX")"\n' % self.home)
        os.chmod(self.mda, 0o700)
        with open(self.rc, "w", encoding="ascii") as out:
            os.chmod(self.rc, 0o600)
            out.write('poll localhost protocol IMAP port %d auth password\n'
                      'user "u1" password "%s" ssl sslcertck sslcertfile "%s"\n'
                      'no rewrite no mimedecode dropdelivered mda "%s"\n'
                      % (self.server.imaps_port, PASSWORD, self.server.certificate, self.mda))
        with self.server.wire("u1") as client:
            for number in range(N):
                client.append("INBOX", sample(number, 300 + number * 700))

    def fetch(self, *options, code=0):
        done = subprocess.run(
            [FETCHMAIL, "-f", self.rc, "--nosyslog", "--nodetach", "--pidfile",
             os.path.join(self.home, "pid"), "-i", os.path.join(self.home, "ids"), *options],
            capture_output=True, text=True,
            env=dict(os.environ, HOME=self.home, FETCHMAILHOME=self.home))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)

    def got(self):
        """What came, without the Received field that fetchmail adds."""
        out = []
        for name in os.listdir(self.home):
            if name.startswith("got."):
                with open(os.path.join(self.home, name), "rb") as message:
                    data = message.read().replace(b"\r\n", b"\n")
                out.append(data[data.index(b"From: Sender"):])
        return sorted(out)

    def wanted(self):
        return sorted(sample(i, 300 + i * 700).replace(b"\r\n", b"\n") for i in range(N))

    def on_server(self, key):
        with self.server.wire("u1") as client:
            client.ok("SELECT INBOX")
            return [line for line in client.ok("SEARCH " + key) if b" SEARCH" in line][0].split()[2:]

    def test_fetches_all_and_deletes(self):
        self.fetch("--all")
        self.assertEqual(self.got(), self.wanted())
        self.assertEqual(self.on_server("ALL"), [])
        self.fetch("--all", code=NO_MAIL)

    def test_keeps_and_marks_seen(self):
        self.fetch("--keep")
        self.assertEqual(self.got(), self.wanted())
        self.assertEqual(len(self.on_server("SEEN")), N)
        self.fetch("--keep", code=NO_MAIL)
        with self.server.wire("u1") as client:
            client.append("INBOX", sample(100))
        self.fetch("--keep")
        self.assertEqual(len(self.got()), N + 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
