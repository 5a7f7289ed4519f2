"""Servers that can be measured, each behind a door of bench/servers/: NAME.sh start|stop|pid DIR, info."""

import os
import socket
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = os.path.join(HERE, "../servers")
BASES = range(21100, 28800, 200)
OFFSETS = (24, 43, 93)  # LMTP, IMAP, IMAP over TLS

# What each makes durable before it answers, as its door configures it.
DURABLE = {
    "roost": "every change, flags too, before its OK",
    "dovecot": "mail and expunges; not flag changes (mail_fsync = optimized, its default)",
    "dovecot-tuned": "as Dovecot",
    "cyrus": "mail, its index and its databases (its default)",
}


def _is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_base(taken):
    """Where nobody listens."""
    for base in BASES:
        if base not in taken and all(_is_free(base + offset) for offset in OFFSETS):
            taken.add(base)
            return base
    raise SystemExit("no free ports")


class Door:
    """A server with data of its own below `folder`. spec: a key of DURABLE, or NAME=EXECUTABLE for another build of
    Roost."""

    def __init__(self, spec, folder, taken):
        self.name, _, executable = spec.partition("=")
        self.kind = "roost" if executable else self.name
        if self.kind not in DURABLE:
            raise SystemExit("no such server: %s" % spec)
        self.script = os.path.join(SERVERS, self.kind.partition("-")[0] + ".sh")
        self.folder = os.path.join(folder, self.name)
        self.environment = dict(os.environ, BASE=str(free_base(taken)), TZ="UTC")
        if self.kind.endswith("-tuned"):
            self.environment["TUNED"] = "1"
        if executable:
            self.environment["ROOST"] = os.path.abspath(executable)
        self.info = dict(word.split("=", 1) for word in self._call("info").split())

    def _call(self, *words):
        done = subprocess.run([self.script, *words], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit("%s %s failed" % (self.script, " ".join(words)))
        return done.stdout

    def start(self):
        # What the server says stays on stderr; a daemon that keeps stdout open must not be waited for.
        with open(os.path.join(os.path.dirname(self.folder), self.name + ".started"), "w", encoding="utf-8") as out:
            done = subprocess.run([self.script, "start", self.folder], env=self.environment,
                                  stdin=subprocess.DEVNULL, stdout=out, check=False)
        if done.returncode != 0:
            raise SystemExit("%s does not start" % self.name)

    def stop(self):
        subprocess.run([self.script, "stop", self.folder], env=self.environment, stdin=subprocess.DEVNULL, check=False)

    def restart(self):
        self.stop()
        self.start()

    def pid(self):
        return int(self._call("pid", self.folder))

    def version(self):
        return self._call("version").strip()

    def capabilities(self):
        """After login."""
        with socket.create_connection((self.info["host"], int(self.info["imap"])), timeout=30) as sock:
            file = sock.makefile("rb")
            file.readline()
            sock.sendall(b"a LOGIN u1 %s\r\nb CAPABILITY\r\nc LOGOUT\r\n" % self.info["password"].encode())
            for line in file:
                if line.startswith(b"* CAPABILITY"):
                    found = line.decode("ascii").upper().split()[2:]
                if line.startswith(b"c "):
                    return set(found)
        raise SystemExit("%s: no CAPABILITY" % self.name)
