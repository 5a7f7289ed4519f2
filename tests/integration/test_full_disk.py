"""A disk that fills up under load, stays full, and has space again: on a file system of our own.

Clients with journals (journals.py) append and deliver until the disk is full; whatever space the server gives up, somebody
else takes. Mail is refused then, with the right words; reading goes on, and so does all that makes space. The server is
killed and started on the full disk. When the space comes back, the service does, by itself. Nothing acknowledged is lost,
nothing refused is there. Mail that was expunged and is kept for undelete makes room for new mail.

Mounting needs root; without, the test is skipped and says so.
"""

import base64
import collections
import errno
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from journals import Client, Deliverer, Ended, Imap, Inbox, message

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import SKIPPED, Server, wait_for
from seed import seed

DISK_BYTES = 192 << 20
HOG_STEP = 64 << 10
MAIL_BYTES = 100 << 10
ROOM_SEC = 60  # at most, until what was expunged has made room
CLIENTS = 4
USERS = 2
SMALL_COMMANDS = 3000  # each a write of its own: three times what the reserved segment holds
SEED = seed()


class SmallDisk(Server):
    """Its data lie on a tmpfs; its log does not."""

    def make(self, users, settings):
        self.logs = tempfile.mkdtemp(prefix="roost-test-", dir="/tmp")
        self.console = os.path.join(self.logs, "console")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=755" % DISK_BYTES, "tmpfs", self.folder],
                       check=True)
        super().make(users, settings)

    def close(self):
        try:
            super().close()
        finally:
            subprocess.run(["umount", "-l", self.folder], check=False)
            os.rmdir(self.folder)
            shutil.rmtree(self.logs, ignore_errors=True)


class Hog:
    """Takes all space there is, as soon as there is some."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        piece = b"x" * HOG_STEP
        while not self.stopping.is_set():
            try:
                os.write(self.fd, piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                self.stopping.wait(0.002)

    def pause(self):
        self.stopping.set()
        self.thread.join()

    def free(self):
        self.pause()
        os.close(self.fd)
        os.unlink(self.path)


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.server = SmallDisk(users=USERS)
        self.addCleanup(self.server.close)
        self.ports = {"imap": self.server.imap_port, "lmtp": self.server.lmtp_port}
        users = ["u%d" % (number + 1) for number in range(USERS)]
        self.clients = [Client(number, users[number % USERS], self.ports, SEED, patient=True)
                        for number in range(CLIENTS)]
        self.deliverers = [Deliverer(number, users[number:] + users[:number], self.ports["lmtp"], SEED, patient=True)
                           for number in range(USERS)]
        self.inboxes = [Inbox(user, self.ports["imap"]) for user in users]
        self.hog = None
        self.starts = 1

    def tearDown(self):
        if self.hog is not None:
            self.hog.pause()

    def load(self, until):
        stop = threading.Event()
        threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in self.clients + self.deliverers]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: until() or not all(thread.is_alive() for thread in threads), self.server.log)
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def refused(self, workers):
        return sum((worker.refused for worker in workers), collections.Counter())

    def acked(self):
        return sum(worker.acked for worker in self.clients + self.deliverers)

    def check(self):
        """All that was acknowledged can be read."""
        for client in self.clients:
            client.check()
        sent = {}
        for deliverer in self.deliverers:
            if deliverer.failure is not None:
                raise deliverer.failure
            sent.update(deliverer.sent)
        for inbox in self.inboxes:
            inbox.check(sent)

    def fill(self):
        """Until everybody has been refused."""
        for worker in self.clients + self.deliverers:
            worker.refused.clear()
        self.load(lambda: all(worker.refused for worker in self.clients + self.deliverers))
        self.assertEqual(set(self.refused(self.clients)), {"UNAVAILABLE"})
        self.assertEqual(set(self.refused(self.deliverers)), {"452 4.3.1"})

    def small_commands(self):
        """Flags come and go, mails are expunged, a mailbox is deleted: all of it is taken."""
        imap = Imap(self.ports["imap"])
        imap.run(b"LOGIN u1 pass")
        imap.run(b"SELECT scratch")
        for number in range(SMALL_COMMANDS):
            imap.run(b"UID STORE %d %sFLAGS.SILENT (\\Flagged)" % (number % 20 + 1, b"-+"[number % 2:number % 2 + 1]))
        imap.run(b"UID STORE 1:10 +FLAGS.SILENT (\\Deleted)")
        imap.run(b"EXPUNGE")
        imap.run(b"MOVE 1:5 other")
        imap.run(b"UNSELECT")
        imap.run(b"DELETE other")
        self.assertIn(b"MESSAGES 5 ", imap.run(b"STATUS scratch (MESSAGES UNSEEN)")[0][0])
        imap.close()

    def append(self):
        """The answer to an APPEND."""
        imap = Imap(self.ports["imap"])
        try:
            imap.run(b"LOGIN u1 pass")
            text = message("x", 3000)
            return imap.finish(imap.send(b"APPEND again {%d+}\r\n%s" % (len(text), text)))[-1][0].split(b" ", 1)[1]
        finally:
            imap.close()

    def append_a_long_one(self):
        """One that does not go through the journal."""
        imap = Imap(self.ports["imap"])
        imap.run(b"LOGIN u1 pass")
        text = message("long", 6 << 20)
        answer = imap.finish(imap.send(b"APPEND again {%d+}\r\n%s" % (len(text), text)))[-1][0]
        imap.run(b"NOOP")
        imap.close()
        return answer

    def prepare(self):
        imap = Imap(self.ports["imap"])
        imap.run(b"LOGIN u1 pass")
        for name in (b"scratch", b"other", b"again"):
            imap.run(b"CREATE " + name)
        for number in range(20):
            text = message("s%d" % number, 1000)
            imap.run(b"APPEND scratch {%d+}\r\n%s" % (len(text), text))
        imap.close()

    def kill_and_start(self):
        for pid in [self.server.process.pid] + sum(self.server.roles().values(), []):
            os.kill(pid, signal.SIGKILL)
        self.server.process.wait()

        def starts():
            self.starts += 1
            try:
                self.server.start()
                return True
            except AssertionError:
                return False
        wait_for(starts, self.server.log)
        wait_for(self.can_read, self.server.log)

    def can_read(self):
        try:
            imap = Imap(self.ports["imap"])
            imap.run(b"LOGIN u1 pass")
            imap.run(b"EXAMINE scratch")
            imap.close()
            return True
        except (Ended, AssertionError):
            return False

    def check_audit(self):
        """That it fails is said once after each start, and again only if it was well meanwhile."""
        well = sum(open(path, encoding="utf-8").read().count('"event.action":"audit.lost"')
                   for path in glob.glob(self.server.folder + "/**/audit-*.jsonl", recursive=True))
        self.assertIn(self.server.log().count(" audit.failed "), range(1, self.starts + well + 1))

    def test_full_and_back(self):
        self.server.start()
        self.prepare()
        before = self.acked()
        self.load(lambda: self.acked() > before + 500)
        self.check()

        self.hog = Hog(os.path.join(self.server.folder, "hog"))
        self.fill()
        self.server.logged(" store.full ")
        self.check()
        self.assertIn(b"NO [UNAVAILABLE] ", self.append_a_long_one())
        self.small_commands()
        self.check()

        self.kill_and_start()
        self.check()
        self.fill()  # the segment that was kept for the start
        self.check()

        self.hog.free()
        self.hog = None
        freed = time.monotonic()
        wait_for(lambda: self.append().startswith(b"OK"), self.server.log)
        back = time.monotonic() - freed
        before = self.acked()
        self.load(lambda: self.acked() > before + 500)
        self.check()
        self.assertEqual(self.server.stop(), 0)
        self.assertIn(" store.room ", self.server.log())
        self.check_audit()
        print("%d acknowledged, refused: %s; back after %.2f s" %
              (self.acked(), dict(self.refused(self.clients + self.deliverers)), back))


class KeptMail(unittest.TestCase):
    """Expunged mail that is kept for undelete goes when the disk is full, the oldest first."""

    def setUp(self):
        self.server = SmallDisk(users=1).start()
        self.addCleanup(self.server.close)
        self.imap = Imap(self.server.imap_port)
        self.addCleanup(self.imap.close)
        self.imap.run(b"LOGIN u1 pass")
        self.imap.run(b"CREATE Old")

    def append(self, mailbox, name):
        """Is it taken? Of bytes that nothing makes smaller."""
        body = base64.encodebytes(os.urandom(MAIL_BYTES)).replace(b"\n", b"\r\n")
        text = b"Subject: %s\r\n\r\n%s\r\n" % (name, body)
        answer = self.imap.finish(self.imap.send(b"APPEND %s {%d+}\r\n%s" % (mailbox, len(text), text)))[-1][0]
        if b" OK" not in answer:
            self.assertIn(b"NO [UNAVAILABLE]", answer)
        return b" OK" in answer

    def test_new_mail_takes_its_place(self):
        n = 0
        while self.append(b"Old", b"old%d" % n):
            n += 1
        self.imap.run(b"SELECT Old")
        self.imap.run(b"STORE 1:%d +FLAGS.SILENT (\\Deleted)" % (n // 2))
        self.imap.run(b"EXPUNGE")
        began = time.monotonic()
        taken = 0
        while taken < n // 4 and time.monotonic() < began + ROOM_SEC:
            if self.append(b"INBOX", b"new%d" % taken):
                taken += 1
            else:
                time.sleep(0.1)
        print("%d mails filled the disk; %d new ones took %.1f s" % (n, taken, time.monotonic() - began))
        self.assertEqual(taken, n // 4, self.server.log())
        self.server.logged(" undelete.shortened ")
        self.assertIn(b"MESSAGES %d)" % (n - n // 2), self.imap.run(b"STATUS Old (MESSAGES)")[0][0])
        for uid in (n // 2 + 1, n):
            self.imap.run(b"UID FETCH %d (BODY.PEEK[])" % uid)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: mounting a small file system needs root")
        sys.exit(SKIPPED)
    unittest.main()
