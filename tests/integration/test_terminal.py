"""Ctrl-C in the terminal that a server runs in: the signal reaches a whole process group, the server ends in order."""

import os
import signal
import unittest

from harness import DEADLINE_SEC, Server


class GroupOfItsOwn(Server):
    def become(self):
        os.setsid()
        super().become()


class CtrlC(unittest.TestCase):
    def test_the_group_is_interrupted_and_every_role_ends_in_order(self):
        server = GroupOfItsOwn()
        try:
            server.make_data()
            server.start()
            roles = [int(row["pid"]) for row in server.children()]
            os.killpg(server.process.pid, signal.SIGINT)
            self.assertEqual(server.process.wait(DEADLINE_SEC), 0, server.stderr())
            self.assertIn("server.stop", server.stderr())
            self.assertNotIn("role.ended", server.stderr())
            for pid in roles:
                self.assertFalse(os.path.exists("/proc/%d" % pid))
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
