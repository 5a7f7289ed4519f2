"""A crash, and damage in the middle of the journal: `roost serve` refuses, `roost check --repair --offline` says what
is lost and makes the store start, and all mail but the one that lay there is served."""

import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, sample, wait_for

MAILS = 8
BLOCK = 4096
BAD = 8  # the exit code for stored data that is damaged
SOMETHING_LOST = 3


def crash(server):
    """Nothing of it gets to close anything."""
    server.process.send_signal(signal.SIGSTOP)
    roles = server.roles()
    for pid in roles["mail"]:
        os.kill(pid, signal.SIGKILL)
    server.stop(signal.SIGKILL)
    for pids in roles.values():
        for pid in pids:
            wait_for(lambda gone=pid: not os.path.exists("/proc/%d" % gone), "the roles end")


def batches(data):
    """(path, offset) of each batch of the journal, in order."""
    out = []
    folder = os.path.join(data, "mail/log")
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".seg")):
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            file.seek(BLOCK)
            while True:
                head = file.read(BLOCK)
                if head[:4] != b"RSBT":
                    break
                out.append((path, file.tell() - len(head)))
                file.seek(out[-1][1] + int.from_bytes(head[8:12], "little"))
    return out


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


class TestSalvageJournal(unittest.TestCase):
    def test_the_store_starts_again(self):
        with Server(users=2) as server:
            for number in range(MAILS):
                server.deliver("u1", sample(number, 3000))
            server.deliver("u2", sample(100, 3000))
            crash(server)
            # The last two are u2's: its account, its mail. The one before is u1's last; the one before that is hit.
            path, offset = batches(server.data)[-4]
            flip(path, offset + 60)

            done = subprocess.run([ROOST, "serve", "-c", server.config], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, BAD, done.stderr)
            self.assertIn("not cut", done.stderr)

            done = subprocess.run([ROOST, "check", "--repair", "--offline", "--json", "-c", server.config],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, SOMETHING_LOST, done.stderr)
            rows = json.loads(done.stdout)["losses"]
            self.assertEqual([row["lost"] for row in rows], ["journal", "changes"], rows)
            self.assertIn("%s at %d: " % (os.path.basename(path), offset), rows[0]["error"])
            self.assertIn("changes are missing", rows[1]["error"])
            aside = os.listdir(os.path.join(server.data, "mail/salvage"))
            self.assertEqual([name.split(".", 2)[2] for name in aside], [os.path.basename(path)])

            server.start()
            with server.wire("u1", tls=False) as wire:
                lines = wire.ok("SELECT INBOX")
                self.assertTrue(any(b" %d EXISTS" % (MAILS - 1) in line for line in lines), lines)
                uids = [line for line in wire.ok("FETCH 1:* (UID BODY.PEEK[HEADER])") if b"UID" in line]
                self.assertIn(b"UID %d " % MAILS, uids[-1])
            with server.wire("u2", tls=False) as wire:
                lines = wire.ok("SELECT INBOX")
                self.assertTrue(any(b" 1 EXISTS" in line for line in lines), lines)
            server.deliver("u1", sample(200, 3000))
            self.assertEqual(server.stop(), 0)
            self.assertEqual(server.start().stop(), 0)


if __name__ == "__main__":
    unittest.main()
