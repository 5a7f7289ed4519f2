"""A server as `roost init` and `roost serve` make it, and small clients to look at it with.

    with Server(users=3) as server:
        server.deliver("u1", message)
        imap = server.imap("u1")

Users are u1..uN with the password "pass". Each server has its own folder and ports and is stopped by
its pid. ROOST names the executable, ROOST_SOURCE the tree. Everything that waits waits for a condition,
with a deadline that only a broken server meets.
"""

import fcntl
import glob
import imaplib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("ROOST_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOST = os.environ.get("ROOST") or os.path.join(SOURCE, "build/release/src/roost")
PASSWORD = "pass"
DEADLINE_SEC = 120  # sanitized builds on a busy machine
PORTS = range(10000, 20000)  # below the ephemeral range; bench/ and integration/harness.py lie above
PORT_LOCKS = "/tmp/roost-test-ports"
SKIPPED = 77  # ctest's SKIP_RETURN_CODE

imaplib._MAXLINE = 1 << 26  # a FETCH of many messages has long lines


def need(program, package):
    """The path of a client's program; without it the whole test is skipped, and says so."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        print("skipped: %s missing" % package)
        sys.exit(SKIPPED)
    return path


def wait_for(condition, what, deadline_sec=DEADLINE_SEC):
    """Call condition until it gives something true, and return that. `what` may be a function."""
    end = time.monotonic() + deadline_sec
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("never: " + (what() if callable(what) else what))
        time.sleep(0.02)


def end_process(process):
    """One of ours that may have ended, or never begun (None)."""
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait(DEADLINE_SEC)


class Port:
    """A TCP port of 127.0.0.1 that is ours as long as its lock file is held."""

    _next = os.getpid() * 7

    def __init__(self):
        for _ in PORTS:
            Port._next += 1
            self.number = PORTS[Port._next % len(PORTS)]
            if self.take():
                return
        raise AssertionError("no free port")

    def take(self):
        try:
            if not os.path.isdir(PORT_LOCKS):
                os.makedirs(PORT_LOCKS, exist_ok=True)
                os.chmod(PORT_LOCKS, 0o1777)
            self.lock = open("%s/%d" % (PORT_LOCKS, self.number), "w", encoding="ascii")
        except OSError:
            return False  # somebody else's
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", self.number))
            return True
        except OSError:
            self.lock.close()
            return False

    def close(self):
        self.lock.close()


def make_system_users():
    """The users that the roles run as; useradd wants to be alone."""
    with open("/tmp/roost-test-users.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([os.path.join(SOURCE, "dev/users")], check=True)


def audit_of(data):
    """The lines of the audit log below a data directory that are whole."""
    lines = []
    for name in sorted(glob.glob(os.path.join(data, "audit/audit-*.jsonl"))):
        with open(name, encoding="utf-8") as text:
            lines += [json.loads(line) for line in text if line.endswith("\n")]
    return lines


def audited(data, action, count=1):
    """The events of that name there, once there are so many. tests/habits/test_events.py wants a call for each event."""
    def events():
        found = [line for line in audit_of(data) if line["event.action"] == action]
        return found if len(found) >= count else None

    return wait_for(events, lambda: "%d of %s in %r" % (count, action, [line["event.action"] for line in audit_of(data)]))


class Server:
    """settings: lines of roost.conf beside those that `roost init` writes; a list becomes {...}."""

    def __init__(self, users=5, **settings):
        self.folder = tempfile.mkdtemp(prefix="roost-test-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.ports = [Port() for _ in range(3)]
        self.imaps_port, self.imap_port, self.lmtp_port = (port.number for port in self.ports)
        self.data = os.path.join(self.folder, "data")
        self.config = os.path.join(self.data, "roost.conf")
        self.certificate = os.path.join(self.data, "cert.pem")
        self.console = os.path.join(self.folder, "console")
        self.process = None
        try:
            self.make(users, settings)
        except BaseException:
            self.close()
            raise

    def make(self, users, settings):
        if os.geteuid() == 0:
            make_system_users()
        subprocess.run(
            [ROOST, "init", self.data, "--user", "admin", "--imaps", "127.0.0.1:%d" % self.imaps_port,
             "--imap", "127.0.0.1:%d" % self.imap_port, "--lmtp", "127.0.0.1:%d" % self.lmtp_port],
            check=True, capture_output=True)
        folder = os.path.join(self.data, "users")
        os.mkdir(folder, 0o755)
        with open(os.path.join(folder, "passwd"), "w", encoding="ascii") as out:
            for i in range(1, users + 1):
                out.write("u%d:{PLAIN}%s::::::\n" % (i, PASSWORD))
        self.set(**{"domains": ["*"], "plaintext_loopback": "yes", "passwd_file": "users/passwd", **settings})

    def set(self, **settings):
        """Change the configuration; a running server does not hear of it."""
        with open(self.config, encoding="utf-8") as text:
            lines = text.read().splitlines()
        for key, value in settings.items():
            if isinstance(value, (list, tuple)):
                value = "{" + ", ".join('"%s"' % item for item in value) + "}"
            else:
                value = '"%s"' % value
            lines = [line for line in lines if line.split("=")[0].strip() != key]
            lines.append("%s = %s" % (key, value))
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")

    # ---- the server's life

    def start(self):
        """Every role is ready: one that is killed before it was ends the server at the third time."""
        name = os.path.basename(self.folder)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, open(self.console, "ab") as console:
            told.bind("\0" + name)
            told.setblocking(False)
            self.process = subprocess.Popen(
                [ROOST, "serve", "-c", self.config], stdin=subprocess.DEVNULL, stdout=console,
                stderr=console, start_new_session=True, env={**os.environ, "NOTIFY_SOCKET": "@" + name})
            wait_for(lambda: self.is_ready(told), lambda: "the server is ready:\n" + self.log())
        wait_for(self.answers, lambda: "the server answers:\n" + self.log())
        return self

    def is_ready(self, told):
        """As systemd hears it (sd_notify(3))."""
        if self.process.poll() is not None:
            raise AssertionError("the server ended:\n" + self.log())
        try:
            return told.recv(100) == b"READY=1"
        except BlockingIOError:
            return False

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("the server ended:\n" + self.log())
        try:
            with socket.create_connection(("127.0.0.1", self.imap_port), timeout=5) as sock:
                return sock.recv(100).startswith((b"* OK", b"* BYE [REFERRAL "))
        except OSError:
            return False

    def stop(self, sig=signal.SIGTERM):
        """End it and give its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(DEADLINE_SEC)

    def close(self):
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for port in self.ports:
                port.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None:
            sys.stderr.write("The server's log ends:\n" + self.log()[-4000:] + "\n")
        self.close()

    def log(self):
        with open(self.console, encoding="utf-8", errors="replace") as text:
            return text.read()

    def logged(self, words, count=1):
        """The lines of the log with these words, once there are that many: a process of its own writes them."""
        def lines():
            found = [line for line in self.log().splitlines() if words in line]
            return found if len(found) >= count else None

        return wait_for(lines, lambda: "%r in the log:\n%s" % (words, self.log()))

    def audit(self):
        return audit_of(self.data)

    def audited(self, action, count=1):
        return audited(self.data, action, count)

    def roles(self):
        """Pids of the running roles: {"gate": [..], "mail": [..], ...}."""
        out = {}
        with open("/proc/%d/task/%d/children" % ((self.process.pid,) * 2), encoding="ascii") as text:
            children = text.read().split()
        for pid in children:
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as line:
                    words = line.read().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            if len(words) > 2 and words[1] == b"--role":
                out.setdefault(words[2].decode(), []).append(int(pid))
        return out

    def run(self, *words, **options):
        """A subcommand of roost on this server."""
        return subprocess.run([ROOST, *words, "-c", self.config],
                              **{"check": True, "capture_output": True, "text": True, **options})

    # ---- clients

    def tls_context(self):
        """Checks the server's certificate and name as a careful client does."""
        return ssl.create_default_context(cafile=self.certificate)

    def imap(self, user=None, tls=True):
        """imaplib's client, logged in unless user is None."""
        if tls:
            client = imaplib.IMAP4_SSL("localhost", self.imaps_port, ssl_context=self.tls_context(),
                                       timeout=DEADLINE_SEC)
        else:
            client = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=DEADLINE_SEC)
        if user is not None:
            client.login(user, PASSWORD)
        return client

    def wire(self, user=None, tls=True):
        """A client that speaks raw lines, logged in unless user is None."""
        sock = socket.create_connection(
            ("127.0.0.1", self.imaps_port if tls else self.imap_port), timeout=DEADLINE_SEC)
        if tls:
            sock = self.tls_context().wrap_socket(sock, server_hostname="localhost")
        wire = Wire(sock)
        wire.greeting = wire.line()
        if user is not None:
            wire.ok("LOGIN %s %s" % (user, PASSWORD))
        return wire

    def lmtp(self):
        return Lmtp(socket.create_connection(("127.0.0.1", self.lmtp_port), timeout=DEADLINE_SEC))

    def deliver(self, recipients, message, sender="sender@example.org"):
        """One message by LMTP to one name or a list; each must be taken."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with self.lmtp() as lmtp:
            for code, text in lmtp.send(sender, recipients, message):
                if code != 250:
                    raise AssertionError("LMTP: %d %s" % (code, text))

    def samples(self, user, mailbox):
        """What another client sees of samples: {number: (uid, sorted flags)}, without \\Recent."""
        with self.wire(user) as client:
            client.ok('EXAMINE "%s"' % mailbox)
            out = {}
            for line in client.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
                number = re.search(rb"Subject: message (\d+)", line)
                if number is None:
                    continue
                if int(number.group(1)) in out:
                    raise AssertionError("twice in %s: %r" % (mailbox, line))
                flags = re.search(rb"FLAGS \(([^)]*)\)", line).group(1).decode().split()
                uid = int(re.search(rb"UID (\d+)", line).group(1))
                out[int(number.group(1))] = uid, sorted(set(flags) - {"\\Recent"})
            return out

    def flags(self, user, mailbox):
        return {number: flags for number, (_, flags) in self.samples(user, mailbox).items()}

    def uids(self, user, mailbox):
        return {number: uid for number, (uid, _) in self.samples(user, mailbox).items()}


class Wire:
    """IMAP by lines: what was read, what was answered. A literal is part of the line it ends."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb")
        self.greeting = b""
        self.n = 0

    def line(self):
        """A response line whole, its literals included, without the last CRLF."""
        out = b""
        while True:
            part = self.file.readline()
            if not part.endswith(b"\r\n"):
                raise AssertionError("the server closed after %r" % (out + part))
            out += part
            literal = re.search(rb"\{(\d+)\}\r\n\Z", part)
            if literal is None:
                return out[:-2]
            data = self.file.read(int(literal.group(1)))
            if len(data) != int(literal.group(1)):
                raise AssertionError("the server closed in a literal")
            out += data

    def send(self, text):
        """Send a command without waiting for it; gives its tag."""
        self.n += 1
        tag = b"t%d" % self.n
        if isinstance(text, str):
            text = text.encode()
        self.sock.sendall(tag + b" " + text + b"\r\n")
        return tag

    def raw(self, data):
        self.sock.sendall(data)

    def until(self, tag):
        """(untagged lines, tagged line without its tag)"""
        untagged = []
        while True:
            line = self.line()
            if line.startswith(tag + b" "):
                return untagged, line[len(tag) + 1:]
            untagged.append(line)

    def command(self, text):
        return self.until(self.send(text))

    def ok(self, text):
        """Untagged lines of a command that must succeed."""
        untagged, tagged = self.command(text)
        if not tagged.startswith(b"OK"):
            raise AssertionError("%r: %r" % (text[:200], tagged))
        return untagged

    def append(self, mailbox, message, flags=""):
        """APPEND with a non-synchronising literal."""
        self.ok(b"APPEND %s (%s) {%d+}\r\n%s" % (mailbox.encode(), flags.encode(), len(message), message))

    def idle(self):
        """Enter IDLE; gives the tag to wait for after done()."""
        tag = self.send("IDLE")
        while not self.line().startswith(b"+"):
            pass
        return tag

    def done(self, tag):
        self.raw(b"DONE\r\n")
        return self.until(tag)

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Lmtp:
    """One LMTP connection (RFC 2033), after its greeting and LHLO."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb")
        self.expect(220)
        self.extensions = self.ask("LHLO client.example.org", 250)

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise AssertionError("LMTP: the server closed after %r" % line)
            lines.append(line[4:-2].decode())
            if line[3:4] == b" ":
                return int(line[:3]), "\n".join(lines)

    def expect(self, code):
        got, text = self.reply()
        if got != code:
            raise AssertionError("LMTP: %d %s, not %d" % (got, text, code))
        return text

    def ask(self, line, code):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.expect(code)

    def send(self, sender, recipients, message):
        """[(code, text)] for each recipient, in order: of RCPT if that refused, else of the message."""
        self.ask("MAIL FROM:<%s>" % sender, 250)
        out = []
        for recipient in recipients:
            self.sock.sendall(b"RCPT TO:<%s>\r\n" % recipient.encode())
            out.append(self.reply())
        taken = [i for i, (code, _) in enumerate(out) if code == 250]
        if taken:
            self.ask("DATA", 354)
            if not message.endswith(b"\r\n"):
                message += b"\r\n"
            self.sock.sendall(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
            for i in taken:
                out[i] = self.reply()
        else:
            self.ask("RSET", 250)
        return out

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def is_sanitized():
    """Its own memory is in the way of measuring the server's."""
    with open(ROOST, "rb") as binary:
        data = binary.read()
    return b"__asan_init" in data or b"__tsan_init" in data


def pss_kib(pid):
    """Proportional set size of a process."""
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as text:
        for line in text:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    raise AssertionError("no Pss of %d" % pid)


def sample(number, bytes_about=500):
    """A message with CRLF line ends that names its number; no two are equal."""
    head = ("From: Sender <sender@example.org>\r\nTo: reader@example.org\r\n"
            "Subject: message %d\r\nMessage-ID: <%d@roost.example.org>\r\n"
            "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n" % (number, number)).encode()
    line = b"line of message %d, eight bit: \xc3\xa9\r\n" % number
    return head + line * max(1, (bytes_about - len(head)) // len(line))
