"""A disk that fails: a write or sync of the store answers EIO once, or mail cannot be read.

bad_disk.c, preloaded into the server, does that. After a failed sync nothing is acknowledged, the descriptor is never
written or synced again, the mail process ends and the next one recovers, and the log has an event for the alarm. Mail that
cannot be read is one command that fails.
"""

import mmap
import os
import shutil
import struct
import sys
import threading
import unittest

from journals import Client, Deliverer, Inbox

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, sample, wait_for
from seed import seed

PANEL_BYTES = 4096
JOURNAL, STATE, SPILL, READ = 1, 2, 3, 4
USERS = 2
SEED = seed()


class BadDisk(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=USERS)
        self.addCleanup(self.server.close)
        path = os.path.join(self.server.folder, "panel")
        with open(path, "wb") as out:
            out.write(bytes(PANEL_BYTES))
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self.panel = mmap.mmap(file.fileno(), PANEL_BYTES)
        library = os.path.join(self.server.folder, "bad_disk.so")
        shutil.copy(os.environ["BAD_DISK"], library)
        os.chmod(library, 0o755)
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(LD_PRELOAD=library, ROOST_BAD_DISK=path,
                          ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        self.server.start()

    def set_fault(self, fault):
        self.panel[0:4] = struct.pack("=I", fault)

    def failed(self):
        return struct.unpack("=I", self.panel[4:8])[0]

    def after(self):
        return struct.unpack("=I", self.panel[8:12])[0]

    def can_log_in(self):
        try:
            with self.server.wire("u1", tls=False) as wire:
                wire.ok("NOOP")
            return True
        except (AssertionError, OSError):
            return False

    def fail_under_load(self, fault):
        """Clients work until the fault has struck and the server is back; then all is checked."""
        ports = {"imap": self.server.imap_port, "lmtp": self.server.lmtp_port}
        clients = [Client(number, "u%d" % (number % USERS + 1), ports, SEED) for number in range(4)]
        deliverer = Deliverer(0, ["u1", "u2"], ports["lmtp"], SEED)
        stop = threading.Event()
        threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in clients + [deliverer]]
        for thread in threads:
            thread.start()
        wait_for(lambda: deliverer.acked and all(client.acked for client in clients), self.server.log)
        self.set_fault(fault)
        wait_for(self.failed, self.server.log)
        stop.set()
        for thread in threads:
            thread.join()
        wait_for(self.can_log_in, self.server.log)
        for client in clients:
            client.check()
        if deliverer.failure:
            raise deliverer.failure
        for user in ("u1", "u2"):
            Inbox(user, ports["imap"]).check(deliverer.sent)

    def check_the_end(self):
        self.assertEqual((self.failed(), self.after()), (1, 0))
        (line,) = self.server.logged(" store.failed ")
        self.assertIn("error=io", line)
        (line,) = self.server.logged(" role.ended role=mail ")
        self.assertIn("exit=70", line)
        self.assertEqual(self.server.stop(), 0)

    def test_a_journal_that_cannot_be_written(self):
        self.fail_under_load(JOURNAL)
        self.check_the_end()

    def test_a_state_that_cannot_be_synced(self):
        with self.server.wire("u1", tls=False) as wire:
            self.set_fault(STATE)
            number = 0
            try:
                while not self.failed():  # UIDVALIDITY is reserved in the state, a block at a time
                    number += 1
                    wire.ok("CREATE box%d" % number)
            except (AssertionError, OSError):
                pass
        self.set_fault(0)
        wait_for(self.can_log_in, self.server.log)
        with self.server.wire("u1", tls=False) as wire:
            names = {line.split()[-1] for line in wire.ok('LIST "" box*')}
            for acknowledged in range(1, number):
                self.assertIn(b"box%d" % acknowledged, names)
        self.check_the_end()

    def test_a_long_body_that_cannot_be_synced_is_refused_alone(self):
        """Its file is nobody's yet; the server goes on."""
        with self.server.wire("u1", tls=False) as wire:
            self.set_fault(SPILL)
            long = sample(1, 6 << 20)
            _, tagged = wire.command(b"APPEND INBOX {%d+}\r\n%s" % (len(long), long))
            self.assertTrue(tagged.startswith(b"NO [UNAVAILABLE] "), tagged)
            self.assertEqual(self.failed(), 1)
            wire.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(long), long))
            self.assertEqual(wire.ok("STATUS INBOX (MESSAGES)"), [b"* STATUS INBOX (MESSAGES 1)"])
        self.assertEqual(self.after(), 0)
        self.assertNotIn(" role.ended ", self.server.log())
        (line,) = self.server.logged(" command.failed ")
        self.assertIn("error=io", line)

    def test_mail_that_cannot_be_read(self):
        with self.server.wire("u1", tls=False) as wire:
            for number in (1, 2):
                wire.append("INBOX", sample(number, 3000))
            wire.ok("SELECT INBOX")
            self.set_fault(READ)
            _, tagged = wire.command("FETCH 1 BODY.PEEK[TEXT]")
            self.assertTrue(tagged.startswith(b"NO [UNAVAILABLE] "), tagged)
            self.assertGreater(self.failed(), 0)
            wire.ok("FETCH 1:2 (UID FLAGS)")
            wire.ok(r"STORE 1 +FLAGS (\Seen)")
            self.set_fault(0)
            self.assertIn(b"line of message 1", b"".join(wire.ok("FETCH 1 BODY.PEEK[TEXT]")))
        self.assertNotIn(" role.ended ", self.server.log())
        (line,) = self.server.logged(" command.failed ")
        self.assertIn("error=io", line)


if __name__ == "__main__":
    unittest.main()
