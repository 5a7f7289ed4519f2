"""libetpan by a program of ours: ID, ENABLE, CONDSTORE, QRESYNC, UIDPLUS, MOVE, IDLE and the base."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, SKIPPED, Server

CLIENT = os.environ.get("LIBETPAN_CLIENT", "")
if not os.path.exists(CLIENT):
    print("skipped: libetpan-dev missing")
    sys.exit(SKIPPED)


class Libetpan(unittest.TestCase):
    def test_its_calls_and_what_the_server_holds(self):
        server = Server().start()
        self.addCleanup(server.close)
        done = subprocess.run([CLIENT, str(server.imaps_port), "u1", PASSWORD], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(server.flags("u1", "INBOX"),
                         {1: ["\\Flagged"], 2: ["\\Answered"], 3: [], 6: []})
        self.assertEqual(server.flags("u1", "Work"), {1: ["\\Flagged"]})
        self.assertEqual(server.flags("u1", "Archive"), {4: []})


if __name__ == "__main__":
    unittest.main(verbosity=2)
