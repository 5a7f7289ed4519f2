"""Every section of the messages in tests/data is answered, in the grammar, and agrees with the others."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import SOURCE, Server
from sections import walk

JUDGE = os.environ["JUDGE"]
DATA = os.path.join(SOURCE, "tests/data/mime")


class Sections(unittest.TestCase):
    def test_every_section_of_every_message(self):
        server = Server().start()
        self.addCleanup(server.close)
        names = sorted(name for name in os.listdir(DATA) if name.endswith(".eml"))
        self.assertGreater(len(names), 20)
        for name in names:
            with open(os.path.join(DATA, name), "rb") as data:
                server.deliver("u1", data.read())
        with server.wire("u1", tls=False) as wire:
            wire.ok("EXAMINE INBOX")
            for n, name in enumerate(names, 1):
                with self.subTest(name=name):
                    lines, _ = walk(wire, [n])
                    done = subprocess.run([JUDGE], input=b"".join(line + b"\r\n" for line in lines),
                                          capture_output=True, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout)
                    self.assertEqual(int(done.stdout), len(lines))


if __name__ == "__main__":
    unittest.main()
