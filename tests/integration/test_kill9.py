"""kill -9 under load: what was acknowledged is there, once, and nothing is there by half.

Sixteen clients (journals.py) work: twelve append, store, copy, move, expunge, create, rename and delete, several
commands at a time; four deliver. Then the mail process, the supervisor, or all processes of the server are killed: after
a random time, or at a moment of the store's own work, as its files show it. Every third time the mail process that
recovers is killed as well. After the restart each client looks for what it knows.

Sizes: 12 kills; 1,000 with ROOST_LARGE=1 in the environment.
"""

import collections
import ctypes
import os
import random
import select
import signal
import struct
import sys
import threading
import time
import unittest

from journals import Client, Deliverer, Ended, Imap, Inbox

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, wait_for
from seed import seed

KILLS = 1000 if "ROOST_LARGE" in os.environ else 12
LOAD_SEC = (0.2, 1.2)  # how long clients work before a kill at a random time
PROGRESS = 100  # kills between two reports
MOMENT_SEC = 1  # how long a moment is waited for
MAIL_KILLS_MAX = 2  # one after the other: then the supervisor waits longer before it starts the next
USERS = 4
CLIENTS = 12
SEED = seed()
sys.setswitchinterval(0.0005)  # many threads that mostly wait

IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x2, 0x80, 0x100, 0x200
# What is about to happen, or has just happened: folder of the store, event, how the file's name ends.
MOMENTS = {
    "a pack is begun": ("packs", IN_CREATE, ".new"),
    "a pack gets its name": ("packs", IN_MOVED_TO, ".pack"),
    "a long body is begun": ("spill", IN_CREATE, ".new"),
    "a long body gets its name": ("spill", IN_MOVED_TO, ".body"),
    "a long body goes": ("spill", IN_DELETE, ".body"),
    "a segment is made": ("log", IN_CREATE, ".spare"),
    "a segment is begun": ("log", IN_MOVED_TO, ".seg"),
    "a segment is free": ("log", IN_MOVED_TO, ".spare"),
    "the superblock is begun": (".", IN_CREATE, "super.new"),
    "the superblock is replaced": (".", IN_MOVED_TO, "super"),
    "the state is written": ("state", IN_MODIFY, "data.mdb"),
}


class Watch:
    """Waits for an event in a folder, by inotify."""

    def __init__(self, folder, mask):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, folder.encode(), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify: " + folder)

    def wait(self, suffix, deadline):
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return False
            data = os.read(self.fd, 1 << 16)
            while data:
                length = struct.unpack_from("=iIII", data)[3]
                name = data[16:16 + length].rstrip(b"\0").decode()
                if name.endswith(suffix):
                    return True
                data = data[16 + length:]

    def close(self):
        os.close(self.fd)


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Kill9(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.server = Server(users=USERS + 1)
        self.addCleanup(self.server.close)
        self.store = os.path.join(self.server.data, "mail")
        self.ports = {"imap": self.server.imap_port, "lmtp": self.server.lmtp_port}
        users = ["u%d" % (number + 1) for number in range(USERS)]
        self.clients = [Client(number, users[number % USERS], self.ports, SEED) for number in range(CLIENTS)]
        self.deliverers = [Deliverer(number, [users[number], users[(number + 1) % USERS]], self.ports["lmtp"], SEED)
                           for number in range(USERS)]
        self.inboxes = [Inbox(user, self.ports["imap"]) for user in users]
        self.kills = collections.Counter()  # what was killed -> how often
        self.moments = collections.Counter()
        self.mail_kills = 0  # since the supervisor was started

    # ---- killing

    def mail_pid(self):
        return wait_for(lambda: self.server.roles().get("mail"), self.server.log)[0]

    def kill_mail(self):
        kill([self.mail_pid()])
        self.mail_kills += 1

    def kill_supervisor(self):
        """The others end by themselves, since nobody speaks to them any more."""
        kill([self.server.process.pid])
        self.start_again()

    def kill_everything(self):
        kill([self.server.process.pid] + [pid for pids in self.server.roles().values() for pid in pids])
        self.start_again()

    def start_again(self):
        """Those of before may hold the lock or a port for a moment yet."""
        self.server.process.wait()
        self.mail_kills = 0

        def starts():
            try:
                self.server.start()
                return True
            except AssertionError:
                return False
        wait_for(starts, self.server.log)

    def kill_in_recovery(self):
        """The next mail process, a moment after it has begun."""
        wait_for(lambda: self.server.roles().get("mail"), self.server.log)
        time.sleep(self.random.random() * 0.02)
        kill(self.server.roles().get("mail", []))
        self.mail_kills += 1

    def wait_for_the_moment(self):
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(*LOAD_SEC))
            self.moments["a random time"] += 1
            return
        name = self.random.choice(sorted(MOMENTS))
        folder, mask, suffix = MOMENTS[name]
        watch = Watch(os.path.join(self.store, folder), mask)
        time.sleep(LOAD_SEC[0])
        if watch.wait(suffix, time.monotonic() + MOMENT_SEC):
            time.sleep(self.random.choice([0, 0, 0.001, 0.005]) * self.random.random())
        else:
            name = "a random time"
        watch.close()
        self.moments[name] += 1

    def kill_something(self):
        kinds = [self.kill_everything, self.kill_supervisor]
        if self.mail_kills < MAIL_KILLS_MAX:
            kinds = [self.kill_mail] * 3 + kinds
        kind = self.random.choice(kinds)
        kind()
        self.kills[kind.__name__] += 1
        if self.mail_kills < MAIL_KILLS_MAX and self.random.random() < 0.33:
            self.kill_in_recovery()
            self.kills["kill_in_recovery"] += 1

    # ---- rounds

    def can_log_in(self):
        imap = None
        try:
            imap = Imap(self.ports["imap"])
            imap.run(b"LOGIN u%d pass" % (USERS + 1))
            return True
        except (Ended, AssertionError):
            return False
        finally:
            if imap is not None:
                imap.close()

    def load(self):
        """Work, kill in the midst of it; the seconds until somebody can log in again."""
        stop = threading.Event()
        threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in self.clients + self.deliverers]
        for thread in threads:
            thread.start()
        self.wait_for_the_moment()
        start = time.monotonic()
        self.kill_something()
        wait_for(self.can_log_in, self.server.log)
        took = time.monotonic() - start
        stop.set()
        for thread in threads:
            thread.join()
        return took

    def check(self):
        for client in self.clients:
            client.check()
        sent = {}
        for deliverer in self.deliverers:
            if deliverer.failure is not None:
                raise deliverer.failure
            sent.update(deliverer.sent)
        for inbox in self.inboxes:
            inbox.check(sent)

    def test_nothing_acknowledged_is_lost(self):
        self.server.start()
        longest = told = 0
        try:
            while sum(self.kills.values()) < KILLS:
                longest = max(longest, self.load())
                self.check()
                if sum(self.kills.values()) // PROGRESS > told:
                    told += 1
                    self.report(longest)
        except BaseException:
            sys.stderr.write("The server's log ends:\n%s\n" % self.server.log()[-4000:])
            raise
        finally:
            self.report(longest)
        self.assertNotIn(" account.quarantine ", self.server.log())  # nobody's mail did this

    def report(self, longest):
        print("%d kills: %s" % (sum(self.kills.values()),
                                ", ".join("%s %d" % pair for pair in sorted(self.kills.items()))))
        for name, n in sorted(self.moments.items()):
            print("  %4d when: %s" % (n, name))
        print("%d commands and %d deliveries were acknowledged; %d mails were looked at with their flags and numbers" %
              (sum(client.acked for client in self.clients), sum(each.acked for each in self.deliverers),
               sum(each.compared for each in self.clients + self.inboxes)))
        print("longest time from kill to login %.2f s" % longest, flush=True)


if __name__ == "__main__":
    unittest.main()
