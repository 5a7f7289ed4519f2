"""kill -9 under load: what was acknowledged is there, once, and nothing is there by half.

Many clients change mailboxes of their own, several commands at a time, and keep a journal: the state after each
command they sent, and how many were acknowledged. The mail process, or every process, is killed; after the restart
each client's mailboxes must be exactly one of the states from the last acknowledged one on. Mail delivered by LMTP
is there once if it was acknowledged, and at most once if not.

Sizes: 10 rounds; 50 with ROOST_LARGE=1 in the environment.
"""

import os
import random
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zlib

import harness
from test_door import DOOR, OFFSETS, kill_all, roles_of, take_base

LARGE = "ROOST_LARGE" in os.environ
ROUNDS = 50 if LARGE else 10
LOAD_SEC = 1.5
USERS = 4
CLIENTS = 12
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "kept"]
BOX_MAX = 40  # messages, beyond which a client expunges rather than adds
RESTART_MAX_SEC = 20  # a sanitized build on a busy machine; the real time is printed
sys.setswitchinterval(0.0005)  # many threads that mostly wait
SEED = int(os.environ.get("ROOST_SEED", "0")) or int.from_bytes(os.urandom(4), "little")


class Ended(Exception):
    """The connection is gone."""


class Imap:
    """Just enough of a client to send several commands at once."""

    def __init__(self, port):
        try:
            self.sock = socket.create_connection(("127.0.0.1", port), timeout=harness.DEADLINE_SEC)
            self.file = self.sock.makefile("rb")
            if not self.file.readline().startswith(b"* OK"):
                raise Ended
        except OSError as error:
            raise Ended from error
        self.tag = 0

    def send(self, command):
        self.tag += 1
        try:
            self.sock.sendall(b"t%d %s\r\n" % (self.tag, command))
        except OSError as error:
            raise Ended from error
        return b"t%d" % self.tag

    def answer(self):
        """One answer: its text, and its literals."""
        text, literals = b"", []
        try:
            while True:
                line = self.file.readline()
                if not line.endswith(b"\r\n"):
                    raise Ended
                text += line
                size = re.search(rb"\{(\d+)\}\r\n$", line)
                if not size:
                    return text, literals
                literal = self.file.read(int(size.group(1)))
                if len(literal) != int(size.group(1)):
                    raise Ended
                literals.append(literal)
        except OSError as error:
            raise Ended from error

    def finish(self, tag):
        """Answers up to the tagged one; that one last."""
        answers = []
        while True:
            answers.append(self.answer())
            if answers[-1][0].startswith(tag + b" "):
                return answers

    def run(self, command):
        answers = self.finish(self.send(command))
        if b" OK" not in answers[-1][0]:
            raise AssertionError("%r: %r" % (command[:80], answers[-1][0]))
        return answers

    def close(self):
        self.file.close()
        self.sock.close()


def message(name, size):
    """A message that says which it is, and what it must be."""
    body = (name * (size // len(name) + 1))[:size].encode()
    return b"X-Id: %s\r\nX-Sum: %d\r\n\r\n%s\r\n" % (name.encode(), zlib.crc32(body), body)


def name_of(text):
    """Which message this is; it must be whole."""
    head, _, body = text.partition(b"\r\n\r\n")
    found = re.search(rb"X-Id: (\S+)\r\nX-Sum: (\d+)", head)
    if not found or zlib.crc32(body[:-2]) != int(found.group(2)):
        raise AssertionError("a damaged message: %r..." % text[:100])
    return found.group(1).decode()


class Box:
    """A mailbox: uidvalidity is None until it was told."""

    def __init__(self, uidvalidity=None, uidnext=1, mails=None):
        self.uidvalidity = uidvalidity
        self.uidnext = uidnext
        self.mails = mails or {}  # uid -> (name, flags)

    def copy(self):
        return Box(self.uidvalidity, self.uidnext, dict(self.mails))

    def add(self, name, flags):
        self.mails[self.uidnext] = (name, frozenset(flags))
        self.uidnext += 1

    def is_like(self, other):
        return (self.uidnext == other.uidnext and self.mails == other.mails and
                None in (self.uidvalidity, other.uidvalidity) or
                (self.uidvalidity, self.uidnext, self.mails) ==
                (other.uidvalidity, other.uidnext, other.mails))


def copy_state(state):
    return {name: box.copy() for name, box in state.items()}


def is_like(a, b):
    return a.keys() == b.keys() and all(a[name].is_like(b[name]) for name in a)


class Client:
    """Changes mailboxes below a name of its own, and knows what must be there."""

    def __init__(self, number, ports):
        self.number = number
        self.user = "u%d" % (number % USERS + 1)
        self.ports = ports
        self.random = random.Random(SEED * 1000 + number)
        self.counter = 0
        self.names = 0
        self.states = [{}]  # the acknowledged one, and what the commands sent since make of it
        self.told = {}  # (mailbox, uidvalidity, uid) -> name of the mail
        self.uidvalidities = {}  # greatest that a mailbox of this name ever had
        self.acked = 0
        self.failure = None

    def box(self, name):
        return "C%d/%s" % (self.number, name)

    def new_mail(self):
        self.counter += 1
        size = self.random.choice([10, 300, 3000, 3000, 20000, 20000])
        if self.random.random() < 0.01:
            size = 300000 if self.random.random() < 0.8 else 5000000
        name = "%d-%d" % (self.number, self.counter)
        return name, message(name, size)

    # ---- commands: each changes the state given to it, and answers what is to be sent ----

    def append(self, state, _selected):
        to = self.random.choice(sorted(state))
        flags = self.random.sample(FLAGS, self.random.randrange(3))
        command = b"APPEND %s" % to.encode()
        for _ in range(self.random.choice([1, 1, 1, 3])):
            name, text = self.new_mail()
            command += b" (%s) {%d+}\r\n%s" % (" ".join(flags).encode(), len(text), text)
            state[to].add(name, flags)
        return command

    def some_uids(self, box):
        uids = sorted(box.mails)
        return sorted(self.random.sample(uids, self.random.randrange(1, min(len(uids), 8) + 1)))

    def store(self, state, selected):
        uids = self.some_uids(state[selected])
        flag, on = self.random.choice(FLAGS), self.random.random() < 0.6
        for uid in uids:
            name, flags = state[selected].mails[uid]
            state[selected].mails[uid] = (name, flags | {flag} if on else flags - {flag})
        return b"UID STORE %s %sFLAGS.SILENT (%s)" % (",".join(map(str, uids)).encode(), b"+" if on else b"-",
                                                      flag.encode())

    def transfer(self, state, selected, move):
        uids = self.some_uids(state[selected])
        to = self.random.choice(sorted(state))
        for uid in uids:
            state[to].add(*state[selected].mails[uid])
        for uid in uids if move else []:
            del state[selected].mails[uid]
        return b"UID %s %s %s" % (b"MOVE" if move else b"COPY", ",".join(map(str, uids)).encode(), to.encode())

    def copy(self, state, selected):
        return self.transfer(state, selected, False)

    def move(self, state, selected):
        return self.transfer(state, selected, True)

    def mark(self, state, selected):
        """The first half of an expunge; the second comes when the mailbox is selected next."""
        uids = self.some_uids(state[selected])
        for uid in uids:
            name, flags = state[selected].mails[uid]
            state[selected].mails[uid] = (name, flags | {"\\Deleted"})
        return b"UID STORE %s +FLAGS (\\Deleted)" % ",".join(map(str, uids)).encode()

    def expunge(self, state, selected):
        state[selected].mails = {uid: mail for uid, mail in state[selected].mails.items()
                                 if "\\Deleted" not in mail[1]}
        return b"EXPUNGE"

    def create(self, state, _selected):
        self.names += 1
        name = self.box("t%d" % (self.names % 5))
        if name in state:
            return None
        state[name] = Box()
        return b"CREATE %s" % name.encode()

    def other(self, state, selected):
        return self.random.choice([name for name in sorted(state) if name != selected] or [None])

    def rename(self, state, selected):
        old, new = self.other(state, selected), self.box("r%d" % self.random.randrange(5))
        if old is None or new in state:
            return None
        state[new] = state.pop(old)
        return b"RENAME %s %s" % (old.encode(), new.encode())

    def delete(self, state, selected):
        name = self.other(state, selected)
        if name is None or len(state) < 4:
            return None
        del state[name]
        return b"DELETE %s" % name.encode()

    def choose(self, state, selected):
        box = state[selected]
        if not box.mails:
            return self.random.choice([self.append, self.append, self.create])
        if len(box.mails) > BOX_MAX:
            return self.random.choice([self.mark, self.expunge, self.delete])
        return self.random.choice([self.append] * 4 + [self.store] * 5 + [self.copy, self.move] * 2 +
                                  [self.mark, self.expunge, self.create, self.rename, self.delete])

    # ---- running ----

    def begin(self, imap):
        imap.run(b"LOGIN %s pass" % self.user.encode())
        if not self.states[0]:
            name = self.box("a")
            self.states.append({name: Box()})
            imap.run(b"CREATE %s" % name.encode())
            self.states = self.states[1:]

    def batch(self, imap):
        """Select a mailbox, and send one to four commands without waiting."""
        selected = self.random.choice(sorted(self.states[0]))
        imap.run(b"SELECT %s" % selected.encode())
        tags = []
        for _ in range(self.random.choice([1, 1, 2, 4])):
            state = copy_state(self.states[-1])
            command = self.choose(state, selected)(state, selected)
            if command is None:
                continue
            self.states.append(state)
            tags.append(imap.send(command))
        for tag in tags:
            answer = imap.finish(tag)[-1][0]
            if not answer.startswith(tag + b" OK"):
                raise AssertionError("client %d: %r" % (self.number, answer))
            self.states = self.states[1:]
            self.acked += 1

    def run(self, stop):
        imap = None
        try:
            imap = Imap(self.ports["imap"])
            self.begin(imap)
            while not stop.is_set():
                self.batch(imap)
        except Ended:
            pass
        except Exception as error:  # a thread's failure is the test's
            self.failure = error
        finally:
            if imap is not None:
                imap.close()

    # ---- looking ----

    def look_at(self, imap, name):
        answers = imap.run(b"EXAMINE %s" % name.encode())
        text = b"".join(answer[0] for answer in answers)
        box = Box(int(re.search(rb"UIDVALIDITY (\d+)", text).group(1)),
                  int(re.search(rb"UIDNEXT (\d+)", text).group(1)))
        for line, literals in imap.run(b"UID FETCH 1:* (FLAGS BODY.PEEK[])"):
            found = re.match(rb"\* \d+ FETCH ", line)
            if not found:
                continue
            uid = int(re.search(rb"UID (\d+)", line).group(1))
            flags = re.search(rb"FLAGS \(([^)]*)\)", line).group(1).decode().split()
            if uid in box.mails:
                raise AssertionError("uid %d twice" % uid)
            box.mails[uid] = (name_of(literals[0]), frozenset(flags) - {"\\Recent"})
        return box

    def look(self):
        imap = Imap(self.ports["imap"])
        imap.run(b"LOGIN %s pass" % self.user.encode())
        names = [re.search(rb'"/" (\S+)\r\n', line).group(1).decode()
                 for line, _ in imap.run(b'LIST "" "C%d/*"' % self.number) if line.startswith(b"* LIST")]
        there = {name: self.look_at(imap, name) for name in names}
        imap.close()
        return there

    def check(self):
        """What is there is one of the states that may be; it becomes the acknowledged one."""
        if self.failure is not None:
            raise self.failure
        there = self.look()
        if not any(is_like(there, state) for state in self.states):
            raise AssertionError("client %d: %s" % (self.number, self.difference(there)))
        for name, box in there.items():
            for uid, mail in box.mails.items():
                known = self.told.setdefault((box.uidvalidity, uid), mail[0])
                if known != mail[0]:
                    raise AssertionError("uid %d of %s was %s, is %s" % (uid, name, known, mail[0]))
        self.states = [there]

    def difference(self, there):
        text = "%d states may be\n" % len(self.states)
        for state in (self.states[0], self.states[-1]):
            for name in sorted(set(state) | set(there)):
                a, b = state.get(name), there.get(name)
                if a is None or b is None or not a.is_like(b):
                    text += "%s: should be %s, is %s\n" % (name, a and (a.uidvalidity, a.uidnext, a.mails),
                                                           b and (b.uidvalidity, b.uidnext, b.mails))
        return text


class Deliverer:
    """Delivers to one user, now and then to the next one as well, and keeps what was acknowledged."""

    def __init__(self, number, ports):
        self.number = number
        self.ports = ports
        self.random = random.Random(SEED * 1000 + 500 + number)
        self.sent = {}  # name -> its acknowledged recipients; others are those it was sent to
        self.counter = 0
        self.failure = None

    def deliver(self, lmtp):
        self.counter += 1
        name = "L%d-%d" % (self.number, self.counter)
        users = ["u%d" % (self.number + 1)]
        if self.random.random() < 0.2:
            users.append("u%d" % ((self.number + 1) % USERS + 1))
        self.sent[name] = {user: False for user in users}
        refused = lmtp.sendmail("a@example.org", users, message(name, self.random.choice([50, 2000, 30000])))
        if refused:
            raise AssertionError("refused: %r" % refused)
        self.sent[name] = {user: True for user in users}

    def run(self, stop):
        try:
            with smtplib.LMTP("127.0.0.1", self.ports["lmtp"]) as lmtp:
                while not stop.is_set():
                    self.deliver(lmtp)
        except (OSError, smtplib.SMTPServerDisconnected):
            pass
        except smtplib.SMTPResponseException as error:
            if error.smtp_code // 100 != 4:
                self.failure = error
        except (smtplib.SMTPRecipientsRefused, AssertionError) as error:
            self.failure = error


class Inbox:
    """What was delivered to one user."""

    def __init__(self, user, port):
        self.user = user
        self.port = port
        self.mails = {}  # uid -> name

    def look(self):
        imap = Imap(self.port)
        imap.run(b"LOGIN %s pass" % self.user.encode())
        imap.run(b"EXAMINE INBOX")
        mails = {}
        for line, literals in imap.run(b"UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-Id)])"):
            if line.startswith(b"* ") and literals:
                mails[int(re.search(rb"UID (\d+)", line).group(1))] = literals[0].split()[1].decode()
        imap.close()
        return mails

    def check(self, sent):
        there = self.look()
        for uid, name in self.mails.items():
            if there.get(uid) != name:
                raise AssertionError("%s: uid %d was %s, is %s" % (self.user, uid, name, there.get(uid)))
        self.mails = there
        names = list(there.values())
        if len(names) != len(set(names)):
            raise AssertionError("%s: delivered twice" % self.user)
        for name, users in sent.items():
            if users.get(self.user) and name not in names:
                raise AssertionError("%s: %s was acknowledged and is lost" % (self.user, name))
        for name in names:
            if self.user not in sent.get(name, {}):
                raise AssertionError("%s: %s was not sent to it" % (self.user, name))


class Kill9(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="roost-kill9-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self.base, self.lock = take_base()
        self.ports = {name: self.base + offset for name, offset in OFFSETS.items()}

    def tearDown(self):
        self.door("stop", check=False)
        if not self._failed():
            shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()

    def _failed(self):
        return sys.exc_info()[0] is not None

    def door(self, verb, check=True):
        done = subprocess.run([DOOR, verb, self.data], env=dict(os.environ, BASE=str(self.base)),
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def pid(self):
        return int(self.door("pid").stdout)

    def mail_pid(self):
        for pid in roles_of(self.pid()):
            with open("/proc/%d/cmdline" % pid, "rb") as text:
                if text.read().split(b"\0")[1:3] == [b"--role", b"mail"]:
                    return pid
        raise AssertionError("no mail process")

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

    def release(self):
        """Accounts that were worked on in three kills are taken for poisonous; these are not."""
        control = harness.Control(os.path.join(self.data, "run", "supervisor.sock"))
        for row in control.ask("quarantine_list")[2]:
            control.ask("quarantine_release", account=row["account"])
        control.close()

    def kill_mail(self):
        kill_all([self.mail_pid()])

    def kill_everything(self):
        pid = self.pid()
        kill_all([pid] + roles_of(pid))
        self.door("start")

    def load(self, workers, kill):
        """Work, kill in the midst of it, and the seconds until somebody can log in again."""
        stop = threading.Event()
        threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
        for thread in threads:
            thread.start()
        time.sleep(LOAD_SEC * (0.5 + random.random()))
        start = time.monotonic()
        kill()
        harness.wait_for(self.can_log_in, "the server is back")
        took = time.monotonic() - start
        stop.set()
        for thread in threads:
            thread.join()
        self.release()
        return took

    def test_nothing_acknowledged_is_lost(self):
        print("seed %d" % SEED)
        self.door("start")
        clients = [Client(number, self.ports) for number in range(CLIENTS)]
        deliverers = [Deliverer(number, self.ports) for number in range(USERS)]
        inboxes = [Inbox("u%d" % (number + 1), self.ports["imap"]) for number in range(USERS)]
        for number in range(ROUNDS):
            kill = self.kill_everything if number % 2 else self.kill_mail
            took = self.load(clients + deliverers, kill)
            for client in clients:
                client.check()
            sent = {}
            for deliverer in deliverers:
                if deliverer.failure is not None:
                    raise deliverer.failure
                sent.update(deliverer.sent)
            for inbox in inboxes:
                inbox.check(sent)
            print("round %d, %s: back in %.3f s; %d commands, %d deliveries so far" %
                  (number, kill.__name__, took, sum(client.acked for client in clients),
                   sum(all(users.values()) for users in sent.values())), flush=True)
            self.assertLess(took, RESTART_MAX_SEC)


if __name__ == "__main__":
    unittest.main()
