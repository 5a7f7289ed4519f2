"""An Exim of a test's own, as Debian ships exim4-daemon-heavy, unpacked: its package excludes Postfix's, which other tests want."""

import fcntl
import glob
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys

from roost_server import DEADLINE_SEC, SKIPPED, SOURCE, Port, wait_for

ROOT = os.environ.get("EXIM_ROOT", "/var/tmp/roost-test-exim")
USER = "Debian-exim"  # built in
PACKAGES = ("exim4-daemon-heavy", "exim4-base")


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIPPED)


def need_exim():
    """The path of its program, fetched once; without it the whole test is skipped and says so."""
    if os.geteuid() != 0:
        skip("Exim starts as root only")
    program = os.path.join(ROOT, "usr/sbin/exim4")
    os.makedirs(ROOT, exist_ok=True)
    with open(os.path.join(ROOT, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(program):
            done = subprocess.run(["apt-get", "download", *PACKAGES], cwd=ROOT, check=False, capture_output=True, text=True)
            if done.returncode != 0:
                skip("exim4-daemon-heavy missing: " + done.stderr.strip())
            for package in glob.glob(os.path.join(ROOT, "*.deb")):
                subprocess.run(["dpkg", "-x", package, ROOT], check=True)
        if subprocess.run(["id", "-u", USER], check=False, capture_output=True).returncode != 0:
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                            "--shell", "/usr/sbin/nologin", USER], check=True)
    missing = re.findall(r"(\S+) => not found", subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout)
    if missing:
        skip("libraries of exim4-daemon-heavy missing: " + " ".join(missing))
    return program


def documented_configuration():
    """Exim's half of docs/operating.md, "With Exim"."""
    with open(os.path.join(SOURCE, "docs/operating.md"), encoding="utf-8") as text:
        part = re.search(r"(?m)^## With Exim$[\s\S]*?^    # Exim's configuration\n((?:    .*\n|\n)+)", text.read()).group(1)
    return re.sub(r"(?m)^    ", "", part)


class Exim:
    """Folders and a port at first, so that Roost's sockets can lie there; then start(configuration)."""

    def __init__(self, folder):
        self.program = need_exim()
        self.folder = folder
        self.sockets = os.path.join(folder, "mta")
        self.port = Port()
        self.process = None
        for path in (folder, self.sockets):
            os.mkdir(path, 0o755)
        for name in ("spool", "log"):
            os.mkdir(os.path.join(folder, name), 0o750)
            subprocess.run(["chown", USER + ":", os.path.join(folder, name)], check=True)

    def start(self, configuration):
        path = os.path.join(self.folder, "exim.conf")
        main = ["exim_path = " + self.program, "primary_hostname = relay.example.org", "spool_directory = " + os.path.join(self.folder, "spool"),
                "log_file_path = " + os.path.join(self.folder, "log/%slog"), "pid_file_path = " + os.path.join(self.folder, "log/pid"),
                "local_interfaces = 127.0.0.1", "daemon_smtp_ports = %d" % self.port.number, "keep_environment =", "host_lookup =",
                "rfc1413_query_timeout = 0s", "never_users = root", "deliver_drop_privilege = true", "disable_ipv6 = true"]
        with open(path, "w", encoding="ascii") as out:
            out.write("\n".join(main) + "\n" + configuration)
        with open(os.path.join(self.folder, "console"), "wb") as console:
            self.process = subprocess.Popen([self.program, "-C", path, "-bdf", "-q1m"], stdin=subprocess.DEVNULL, stdout=console,
                                            stderr=console, start_new_session=True)
        wait_for(self.answers, self.log)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("Exim ended:\n" + self.log())
        try:
            with socket.create_connection(("127.0.0.1", self.port.number), timeout=5) as sock:
                return sock.recv(100).startswith(b"220 ")
        except OSError:
            return False

    def smtp(self, context=None):
        client = smtplib.SMTP("127.0.0.1", self.port.number, timeout=DEADLINE_SEC)
        client.ehlo()
        if context is not None:
            client.starttls(context=context)
            client.ehlo()
        return client

    def log(self):
        out = ""
        for name in ("console", "log/mainlog", "log/rejectlog", "log/paniclog"):
            try:
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as text:
                    out += text.read()
            except FileNotFoundError:
                pass
        return out

    def close(self):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(DEADLINE_SEC)
        self.port.close()
