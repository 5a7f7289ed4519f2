"""A server of one's own: folder, configuration, certificate, first account, processes.

Everything that waits waits for a condition, with a deadline that only a broken server meets.
"""

import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

ROOST = os.environ["ROOST"]
MAKE_DATA = os.environ["MAKE_DATA"]
DEADLINE_SEC = 60  # sanitized builds on a busy machine


def wait_for(condition, what):
    """Call condition until it gives something true, and return that."""
    end = time.monotonic() + DEADLINE_SEC
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("never: " + what)
        time.sleep(0.01)


def free_port():
    """A port below the ephemeral range that nobody listens on now."""
    start = 20000 + os.getpid() % 9000
    for port in range(start, start + 2000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


class Control:
    """The client's side of docs/formats/ipc.md, "Control sockets"."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(DEADLINE_SEC)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise

    def ask(self, verb, **fields):
        packet = b"R" + bytes([len(verb)]) + verb.encode()
        for key, value in fields.items():
            value = str(value).encode()
            packet += bytes([len(key)]) + key.encode() + struct.pack("<I", len(value)) + value
        self.sock.send(packet)
        rows = []
        while True:
            packet = self.sock.recv(1 << 17)
            if not packet:
                raise AssertionError("the server closed the control socket")
            if packet[:1] == b"W":
                rows.append(self.fields(packet[1:]))
            elif packet[:1] == b"Z":
                return packet[1], packet[2:].decode(), rows

    @staticmethod
    def fields(data):
        out = {}
        while data:
            n = data[0]
            key = data[1:1 + n].decode()
            (length,) = struct.unpack_from("<I", data, 1 + n)
            out[key] = data[5 + n:5 + n + length].decode()
            data = data[5 + n + length:]
        return out

    def close(self):
        self.sock.close()


class Server:
    def __init__(self, uid=None, **settings):
        self.uid = uid
        self.folder = tempfile.mkdtemp(prefix="roost-it-", dir="/tmp")
        self.data = os.path.join(self.folder, "data")
        self.config = os.path.join(self.folder, "roost.conf")
        self.stderr_path = os.path.join(self.folder, "stderr")
        self.port = free_port()
        self.process = None
        os.mkdir(self.data, 0o700)
        self.make_certificate("localhost")
        self.settings = {
            "data": self.data,
            "imaps": ["127.0.0.1:%d" % self.port],
            "imap": [],
            "lmtp": ["unix:" + os.path.join(self.folder, "lmtp.sock")],
            "certificate": os.path.join(self.folder, "cert.pem"),
            "certificate_key": os.path.join(self.folder, "key.pem"),
            "user_prefix": "",
        }
        self.settings.update(settings)
        self.write_config()
        self.own()

    def make_certificate(self, name):
        """Write a new pair and put it in place of the old one."""
        key, cert = (os.path.join(self.folder, n) for n in ("key.new", "cert.new"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
             cert, "-subj", "/CN=" + name, "-days", "30"],
            check=True, capture_output=True)
        if self.uid is not None:
            os.chown(key, self.uid, self.uid)
        os.rename(key, os.path.join(self.folder, "key.pem"))
        os.rename(cert, os.path.join(self.folder, "cert.pem"))

    def write_config(self):
        with open(self.config, "w", encoding="utf-8") as out:
            for key, value in self.settings.items():
                if isinstance(value, list):
                    value = "{" + ", ".join('"%s"' % item for item in value) + "}"
                else:
                    value = '"%s"' % value
                out.write("%s = %s\n" % (key, value))

    def own(self):
        if self.uid is not None:
            os.chown(self.folder, self.uid, self.uid)
            os.chown(self.data, self.uid, self.uid)

    def become(self):
        if self.uid is not None:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)

    def make_data(self, user="anna"):
        done = subprocess.run([MAKE_DATA, self.config, user], check=True, capture_output=True,
                              text=True, preexec_fn=self.become)
        return done.stdout.strip()

    def spawn(self, prefix=()):
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                list(prefix) + [ROOST, "serve", "-c", self.config], stderr=stderr,
                stdin=subprocess.DEVNULL, preexec_fn=self.become, close_fds=True)

    def start(self, prefix=()):
        self.spawn(prefix)
        wait_for(self.is_running, "the server is up:\n" + self.stderr())
        return self

    def is_running(self):
        if self.process.poll() is not None:
            raise AssertionError("the server ended: " + self.stderr())
        try:
            return self.status()[0]["state"] == "running"
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def stderr(self):
        try:
            with open(self.stderr_path, encoding="utf-8") as text:
                return text.read()
        except FileNotFoundError:
            return ""

    def control(self, role="supervisor"):
        return Control(os.path.join(self.data, "run", role + ".sock"))

    def ask(self, verb, **fields):
        control = self.control()
        try:
            return control.ask(verb, **fields)
        finally:
            control.close()

    def status(self):
        return self.ask("status")[2]

    def children(self):
        """Rows of the roles, the supervisor's left out."""
        return self.status()[1:]

    def all_running(self):
        return all(row["state"] == "running" for row in self.children())

    def connect(self):
        """A TLS connection and its greeting."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SEC)
        tls = context.wrap_socket(raw, server_hostname="localhost")
        greeting = tls.recv(4096)
        if not greeting.startswith(b"* OK"):
            raise AssertionError("greeting: %r" % greeting)
        return tls

    def stop(self, sig=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(DEADLINE_SEC)
        return self.process.returncode if self.process is not None else None

    def close(self):
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)


def proc_status(pid):
    """/proc/PID/status as a dict."""
    out = {}
    with open("/proc/%s/status" % pid, encoding="utf-8") as text:
        for line in text:
            key, _, value = line.partition(":")
            out[key] = value.strip()
    return out


def is_alive(pid):
    try:
        return proc_status(pid)["State"][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
