"""Clients that keep a journal: what each was told is done, and what must therefore be there.

A `Client` changes mailboxes below a name of its own, several commands at a time, and keeps the state after each command
it sent and how many were acknowledged: after a crash its mailboxes are exactly one of the states from the last
acknowledged one on, UIDVALIDITY, UIDNEXT and each flag included, and no modseq is below one it was told. A `Deliverer`
delivers by LMTP; what was acknowledged is there once, what was not at most once. An `Inbox` looks at that.
"""

import collections
import random
import re
import socket
import zlib

DEADLINE_SEC = 120  # sanitized builds on a busy machine
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "kept"]
BOX_MAX = 40  # messages, beyond which a client expunges rather than adds
INBOX_MAX = 300  # deliveries, beyond which they are expunged


class Ended(Exception):
    """The connection is gone."""


class Imap:
    """Just enough of a client to send several commands at once."""

    def __init__(self, port):
        try:
            self.sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SEC)
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
        self.modseqs = {}  # as seen: None -> the highest, uid -> of that mail

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
    """Changes mailboxes below a name of its own, and knows what must be there.

    A patient one sends one command at a time and takes NO for an answer: nothing was done then.
    """

    def __init__(self, number, user, ports, seed, patient=False):
        self.number = number
        self.user = user
        self.ports = ports
        self.random = random.Random(seed * 1000 + number)
        self.patient = patient
        self.counter = 0
        self.names = 0
        self.states = [{}]  # the acknowledged one, and what the commands sent since make of it
        self.told = {}  # (uidvalidity, uid) -> name of the mail
        self.uidvalidities = {}  # the greatest that a mailbox created under this name had
        self.modseqs = {}  # (uidvalidity, None or uid) -> the greatest told of the mailbox or mail
        self.acked = 0
        self.compared = 0  # mails looked at
        self.refused = collections.Counter()  # response code -> how often
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
        imap.run(b"ENABLE CONDSTORE")
        if not self.states[0]:
            self.do(imap, None, lambda state, _: self.create_first(state))

    def create_first(self, state):
        name = self.box("a")
        state[name] = Box()
        return b"CREATE %s" % name.encode()

    def note_modseq(self, uidvalidity, uid, modseq):
        key = (uidvalidity, uid)
        self.modseqs[key] = max(self.modseqs.get(key, 0), int(modseq))

    def note_modseqs(self, answers, uidvalidity):
        for line, _ in answers:
            for modseq in re.findall(rb"HIGHESTMODSEQ (\d+)", line):
                self.note_modseq(uidvalidity, None, modseq)
            found = re.match(rb"\* \d+ FETCH \(UID (\d+).* MODSEQ \((\d+)\)", line)
            if found:
                self.note_modseq(uidvalidity, int(found.group(1)), found.group(2))

    def do(self, imap, selected, *choices, uidvalidity=None):
        """Send the commands without waiting for each other, then hear the answers."""
        tags = []
        for choice in choices:
            state = copy_state(self.states[-1])
            command = choice(state, selected)
            if command is not None:
                self.states.append(state)
                tags.append(imap.send(command))
        for tag in tags:
            answers = imap.finish(tag)
            answer = answers[-1][0]
            if answer.startswith(tag + b" OK"):
                self.note_modseqs(answers, uidvalidity)
                self.states = self.states[1:]
                self.acked += 1
            elif self.patient and answer.startswith(tag + b" NO ["):
                self.states = self.states[:1]
                self.refused[answer[answer.index(b"[") + 1:answer.index(b"]")].decode()] += 1
            else:
                raise AssertionError("client %d: %r" % (self.number, answer))

    def batch(self, imap):
        """Select a mailbox, and send one to four commands."""
        selected = self.random.choice(sorted(self.states[0]))
        answers = imap.run(b"SELECT %s" % selected.encode())
        text = b"".join(line for line, _ in answers)
        uidvalidity = int(re.search(rb"UIDVALIDITY (\d+)", text).group(1))
        self.note_modseqs(answers, uidvalidity)
        choices = [lambda state, selected: self.choose(state, selected)(state, selected)]
        if not self.patient:
            choices *= self.random.choice([1, 1, 2, 4])
        self.do(imap, selected, *choices, uidvalidity=uidvalidity)

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
        box.modseqs[None] = int(re.search(rb"HIGHESTMODSEQ (\d+)", text).group(1))
        for line, literals in imap.run(b"UID FETCH 1:* (FLAGS MODSEQ BODY.PEEK[])"):
            found = re.match(rb"\* \d+ FETCH ", line)
            if not found:
                continue
            uid = int(re.search(rb"UID (\d+)", line).group(1))
            flags = re.search(rb"FLAGS \(([^)]*)\)", line).group(1).decode().split()
            if uid in box.mails:
                raise AssertionError("uid %d twice" % uid)
            box.mails[uid] = (name_of(literals[0]), frozenset(flags) - {"\\Recent"})
            box.modseqs[uid] = int(re.search(rb"MODSEQ \((\d+)\)", line).group(1))
        return box

    def look(self):
        imap = Imap(self.ports["imap"])
        imap.run(b"LOGIN %s pass" % self.user.encode())
        names = [re.search(rb'"/" (\S+)\r\n', line).group(1).decode()
                 for line, _ in imap.run(b'LIST "" "C%d/*"' % self.number) if line.startswith(b"* LIST")]
        there = {name: self.look_at(imap, name) for name in names}
        imap.close()
        return there

    def check_numbers(self, name, box):
        """No uid names another mail, and nothing that only grows has fallen."""
        for uid, mail in box.mails.items():
            known = self.told.setdefault((box.uidvalidity, uid), mail[0])
            if known != mail[0]:
                raise AssertionError("uid %d of %s was %s, is %s" % (uid, name, known, mail[0]))
        for uid, modseq in box.modseqs.items():
            if modseq < self.modseqs.get((box.uidvalidity, uid), 0):
                raise AssertionError("modseq of %s, uid %s: was %d, is %d" %
                                     (name, uid, self.modseqs[(box.uidvalidity, uid)], modseq))
            self.note_modseq(box.uidvalidity, uid, modseq)
        if "/t" in name:  # renamed mailboxes bring their own
            if box.uidvalidity < self.uidvalidities.get(name, 0):
                raise AssertionError("uidvalidity of %s was %d, is %d" %
                                     (name, self.uidvalidities[name], box.uidvalidity))
            self.uidvalidities[name] = box.uidvalidity

    def check(self):
        """What is there is one of the states that may be; it becomes the acknowledged one."""
        if self.failure is not None:
            raise self.failure
        there = self.look()
        if not any(is_like(there, state) for state in self.states):
            raise AssertionError("client %d: %s" % (self.number, self.difference(there)))
        for name, box in there.items():
            self.check_numbers(name, box)
            self.compared += len(box.mails)
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
    """Delivers to one user, now and then to a second one as well, and keeps what was acknowledged."""

    def __init__(self, number, users, port, seed, patient=False):
        self.number = number
        self.users = users
        self.port = port
        self.random = random.Random(seed * 1000 + 500 + number)
        self.patient = patient
        self.sent = {}  # name -> user -> was it acknowledged
        self.counter = 0
        self.acked = 0
        self.refused = collections.Counter()  # answer -> how often
        self.failure = None

    def reply(self, file):
        while True:
            line = file.readline()
            if not line.endswith(b"\r\n"):
                raise Ended
            if line[3:4] == b" ":
                return line

    def expect(self, file, code):
        line = self.reply(file)
        if line.startswith(b"451 "):
            raise Ended  # the store or the directory of users is not back yet
        if not line.startswith(code):
            raise AssertionError("LMTP: %r" % line)

    def deliver(self, sock, file):
        self.counter += 1
        name = "L%d-%d" % (self.number, self.counter)
        users = self.users[:1 + (self.random.random() < 0.2)]
        sock.sendall(b"MAIL FROM:<a@example.org>\r\n" +
                     b"".join(b"RCPT TO:<%s>\r\n" % user.encode() for user in users) + b"DATA\r\n")
        for _ in range(1 + len(users)):
            self.expect(file, b"250 ")
        self.expect(file, b"354 ")
        self.sent[name] = {user: False for user in users}
        sock.sendall(message(name, self.random.choice([50, 2000, 30000])) + b".\r\n")
        for user in users:
            line = self.reply(file)
            if line.startswith(b"250 "):
                self.sent[name][user] = True
                self.acked += 1
            elif self.patient and line[:1] == b"4":
                del self.sent[name][user]
                self.refused[line[:9].decode()] += 1
            elif not line.startswith(b"4"):
                raise AssertionError("LMTP: %r" % line)

    def run(self, stop):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SEC) as sock, \
                    sock.makefile("rb") as file:
                self.expect(file, b"220 ")
                sock.sendall(b"LHLO test\r\n")
                self.expect(file, b"250 ")
                while not stop.is_set():
                    self.deliver(sock, file)
        except (OSError, Ended):
            pass
        except AssertionError as error:
            self.failure = error


class Inbox:
    """What was delivered to one user."""

    def __init__(self, user, port):
        self.user = user
        self.port = port
        self.mails = {}  # uid -> name
        self.gone = set()  # names of mails whose expunge was acknowledged
        self.compared = 0

    def connect(self):
        imap = Imap(self.port)
        imap.run(b"LOGIN %s pass" % self.user.encode())
        return imap

    def look(self, imap):
        imap.run(b"SELECT INBOX")
        mails = {}
        for line, literals in imap.run(b"UID FETCH 1:* (BODY.PEEK[])"):
            if line.startswith(b"* ") and literals:
                mails[int(re.search(rb"UID (\d+)", line).group(1))] = name_of(literals[0])
        return mails

    def check(self, sent):
        imap = self.connect()
        there = self.look(imap)
        for uid, name in self.mails.items():
            if there.get(uid) != name:
                raise AssertionError("%s: uid %d was %s, is %s" % (self.user, uid, name, there.get(uid)))
        self.mails = there
        self.compared += len(there)
        names = collections.Counter(there.values())
        for name, n in names.items():
            if n > 1 or name in self.gone:
                raise AssertionError("%s: %s is there %d times, or again" % (self.user, name, n))
            if self.user not in sent.get(name, {}):
                raise AssertionError("%s: %s was refused, or not sent to it" % (self.user, name))
        for name, users in sent.items():
            if users.get(self.user) and name not in names and name not in self.gone:
                raise AssertionError("%s: %s was acknowledged and is lost" % (self.user, name))
        if len(there) > INBOX_MAX:
            self.empty(imap)
        imap.close()

    def empty(self, imap):
        imap.run(b"UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
        imap.run(b"EXPUNGE")
        self.gone |= set(self.mails.values())
        self.mails = {}
