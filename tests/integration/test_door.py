"""bench/servers/roost.sh: the fixed door for measuring keeps what it promises."""

import fcntl
import imaplib
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import unittest

SOURCE = os.environ["ROOST_SOURCE"]
DOOR = os.path.join(SOURCE, "bench/servers/roost.sh")
BASES = range(29000, 32000, 100)
OFFSETS = {"imap": 43, "imaps": 93, "lmtp": 24}


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def take_base():
    """A base whose ports nobody has, and the lock that says it is ours."""
    for base in BASES:
        lock = open(os.path.join(tempfile.gettempdir(), "roost-door-%d.lock" % base), "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if all(is_free(base + offset) for offset in OFFSETS.values()):
            return base, lock
        lock.close()
    raise AssertionError("no free ports")


def roles_of(pid):
    """The processes that the supervisor started."""
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as text:
        return [int(word) for word in text.read().split()]


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Door(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="roost-door-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self.base, self.lock = take_base()
        self.port = {name: self.base + offset for name, offset in OFFSETS.items()}

    def tearDown(self):
        self.door("stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()

    def door(self, verb, check=True):
        words = [DOOR, verb] + ([] if verb == "info" else [self.data])
        done = subprocess.run(words, env=dict(os.environ, BASE=str(self.base)), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def pid(self):
        return int(self.door("pid").stdout)

    def plain(self, user):
        imap = imaplib.IMAP4("127.0.0.1", self.port["imap"])
        imap.login(user, "pass")
        return imap

    def deliver(self, subject, recipient):
        with smtplib.LMTP("127.0.0.1", self.port["lmtp"]) as lmtp:
            refused = lmtp.sendmail("a@example.org", [recipient], "Subject: %s\r\n\r\nbody\r\n" % subject)
        self.assertEqual(refused, {})

    def subjects(self, user):
        imap = self.plain(user)
        imap.select("INBOX", readonly=True)
        data = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        imap.logout()
        return [row[1].decode().strip()[len("Subject: "):] for row in data if isinstance(row, tuple)]

    def test_start_deliver_kill_start_stop(self):
        self.assertEqual(self.door("info").stdout.strip(),
                         "host=127.0.0.1 imap=%(imap)d imaps=%(imaps)d lmtp=%(lmtp)d user=u1 password=pass"
                         % self.port)
        self.door("start")
        self.assertNotEqual(self.door("start", check=False).returncode, 0)

        context = ssl.create_default_context(cafile=os.path.join(self.data, "cert.pem"))
        for host in ("localhost", "127.0.0.1"):
            with imaplib.IMAP4_SSL(host, self.port["imaps"], ssl_context=context) as imap:
                imap.login("u50", "pass")
        with imaplib.IMAP4("127.0.0.1", self.port["imap"]) as imap, self.assertRaises(imaplib.IMAP4.error):
            imap.login("u1", "wrong")

        self.deliver("first", "u1")
        self.deliver("second", "u1@anything.example")
        self.deliver("second", "u2@elsewhere.example")
        for i in range(20):
            self.deliver("more %d" % i, "u1")
        want = ["first", "second"] + ["more %d" % i for i in range(20)]
        self.assertEqual(self.subjects("u1"), want)

        for victims in (lambda pid: [pid], lambda pid: [pid] + roles_of(pid)):
            before = self.pid()
            kill_all(victims(before))
            self.door("start")
            self.assertNotEqual(self.pid(), before)
            self.assertEqual(self.subjects("u1"), want)
        self.assertEqual(self.subjects("u2"), ["second"])

        pid = self.pid()
        roles = roles_of(pid)
        self.assertGreater(len(roles), 3)
        self.door("stop")
        for gone in [pid] + roles:
            self.assertFalse(os.path.exists("/proc/%d" % gone))
        self.assertNotEqual(self.door("pid", check=False).returncode, 0)
        self.door("start")
        self.assertEqual(self.subjects("u1"), want)


if __name__ == "__main__":
    unittest.main()
