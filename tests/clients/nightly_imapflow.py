"""npm's imapflow: CONDSTORE, QRESYNC, IDLE, COMPRESS, OBJECTID, SPECIAL-USE. It is fetched from the registry."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, SKIPPED, Server, need

NODE = need("node", "nodejs")
NPM = need("npm", "npm")
PACKAGE = "imapflow@1.7.8"
DEADLINE_SEC = 300


class Imapflow(unittest.TestCase):
    def test_its_calls_and_what_the_server_holds(self):
        server = Server().start()
        self.addCleanup(server.close)
        modules = os.path.join(server.folder, "modules")
        os.mkdir(modules)
        done = subprocess.run([NPM, "install", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE],
                              cwd=modules, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print("skipped: %s missing: %s" % (PACKAGE, done.stderr.strip()))
            sys.stdout.flush()
            os._exit(SKIPPED)
        env = dict(os.environ, PORT=str(server.imaps_port), CERTIFICATE=server.certificate,
                   PASSWORD=PASSWORD, MODULES=modules)
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "imapflow.mjs")
        done = subprocess.run([NODE, program], env=env, capture_output=True, text=True, check=False,
                              timeout=DEADLINE_SEC)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + server.log()[-4000:])
        self.assertEqual(server.flags("u1", "INBOX"),
                         {1: ["$Label1", "\\Seen"], 2: ["\\Flagged"], 3: [], 6: []})
        self.assertEqual(server.flags("u1", "Archive"), {4: []})
        self.assertEqual(server.flags("u1", "Work"), {1: ["$Label1", "\\Seen"]})


if __name__ == "__main__":
    unittest.main(verbosity=2)
