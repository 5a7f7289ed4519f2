"""Secrets that are looked for afterwards: passwords, app passwords, the text of mails. Whatever happens, in whatever form a
program writes bytes down, they are in no log, no audit log, no status, no temporary file and no core."""

import base64
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import totp
from roost_server import DEADLINE_SEC, ROOST, Server, wait_for

ROLES = ("gate", "auth", "mail", "digest", "log")
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run")


def forms(secret):
    """A secret as programs print it: itself, in base64 at each of its three offsets, in hexadecimal, in UTF-16."""
    raw = secret.encode()
    out = {raw, raw.hex().encode(), raw.hex().upper().encode(), secret.encode("utf-16-le"),
           secret.replace("-", "").encode() if "-" in secret else raw}
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + raw)
        first = (lead * 8 + 5) // 6 + (1 if lead else 0)
        out.add(text[first:first + (len(raw) - 2) * 8 // 6 - 1])
    return out


class Canaries(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=1, log_level="debug", log_mail_events="yes")
        self.addCleanup(self.server.close)
        self.secrets = {"body": "canary-body-Zq8WvR1t", "subject": "canary-subject-Kp3Xs7", "wrong": "canary-wrong-Hb5Nd2Qe",
                        "account": "canary-account-Wm9Jc4Ty-long", "header": "canary-header-Ry6Lf0"}
        self.before = set(self.temporary())
        self.server.start()

    # ---- where a secret could be

    def temporary(self):
        """Files there, and in folders there that could be ours; those of tests are their own."""
        for folder in TEMPORARY:
            for entry in os.scandir(folder):
                if entry.is_file(follow_symlinks=False):
                    yield entry.path
                elif entry.name.startswith("roost") and not entry.name.startswith("roost-test-"):
                    yield from glob.glob(entry.path + "/**", recursive=True)

    def places(self):
        """{where: octets} of all that was written besides the mail itself and the credentials."""
        out = {"the log": self.server.log().encode()}
        for name in glob.glob(os.path.join(self.server.data, "audit/*")) + glob.glob(os.path.join(self.server.data, "run/*")):
            if os.path.isfile(name):
                with open(name, "rb") as file:
                    out[name] = file.read()
        for words in (("status", "--json"), ("status", "--space", "--json"), ("session", "list", "--json"),
                      ("user", "list", "--json"), ("device", "list", "u1", "--json"), ("device", "list", "canary", "--json")):
            done = self.server.run(*words, check=False)
            out["roost " + " ".join(words)] = (done.stdout + done.stderr).encode()
        for name in glob.glob(self.server.folder + "/**/core*", recursive=True) + glob.glob("core*"):
            self.fail("a core: " + name)
        return out

    def assert_nowhere(self):
        places = self.places()
        for name in set(self.temporary()) - self.before:
            try:
                if os.path.isfile(name) and os.path.getsize(name) < 64 << 20:
                    with open(name, "rb") as file:
                        places[name] = file.read()
            except OSError:
                pass  # gone meanwhile: another test's
        for what, secret in self.secrets.items():
            for where, octets in places.items():
                for form in forms(secret):
                    self.assertNotIn(form, octets, "the %s is in %s" % (what, where))

    # ---- what is done with them

    def make(self):
        run = self.server.run
        run("user", "add", "canary", "--password-stdin", input=self.secrets["account"] + "\n")
        made = run("device", "add", "canary", "phone").stdout
        self.secrets["app password"] = re.search(r"([a-z2-7]{4}-){4}[a-z2-7]{4}", made).group(0)
        process = subprocess.Popen([ROOST, "totp", "enable", "canary", "--json", "-c", self.server.config], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = ""
        while not first.endswith("]\n"):
            first += process.stdout.readline()
        self.secrets["TOTP secret"] = re.search(r'"secret": "([A-Z2-7]+)"', first).group(1)
        out, _ = process.communicate(totp.code(self.secrets["TOTP secret"]) + "\n", timeout=DEADLINE_SEC)
        self.secrets["recovery code"] = re.search(r'"recovery_code": "([^"]+)"', out).group(1)

    def mail(self):
        return ("From: a@example.org\r\nSubject: %s\r\nX-Canary: %s\r\nTo: canary@example.org\r\n\r\n%s\r\n" % (
            self.secrets["subject"], self.secrets["header"], self.secrets["body"])).encode()

    def log_in(self, password, user="canary", tls=True):
        wire = self.server.wire(tls=tls)
        return wire, wire.command('LOGIN %s "%s"' % (user, password))[1].startswith(b"OK")

    def refusals(self):
        """Each way to be refused with a secret in one's hand."""
        for password in (self.secrets["wrong"], self.secrets["account"], self.secrets["app password"] + "x",
                         self.secrets["app password"][:-1]):
            wire, good = self.log_in(password)
            self.assertFalse(good)
            wire.close()
        for line in ("LOGIN canary {%d+}\r\n%s", "LOGIN canary %d\"%s", "LOGIN canary \"%0.0d%s", "AUTHENTICATE PLAIN %0.0d%s",
                     "LOGIN canary %0.0d%s extra", "LOGI canary %0.0d%s"):
            with self.server.wire() as wire:
                wire.command(line % (len(self.secrets["wrong"]), self.secrets["wrong"]))
        with self.server.wire() as wire:
            plain = base64.b64encode(("\0canary\0" + self.secrets["wrong"]).encode()).decode()
            self.assertTrue(wire.command("AUTHENTICATE PLAIN " + plain)[1].startswith(b"NO"))
        with self.server.wire() as wire:
            wire.command("AUTHENTICATE PLAIN " + base64.b64encode(self.secrets["wrong"].encode()).decode() + "*")
        sock = socket.create_connection(("127.0.0.1", self.server.imap_port), timeout=DEADLINE_SEC)
        sock.sendall(b"a LOGIN canary " + self.secrets["wrong"].encode())  # and gone
        sock.close()

    def session(self):
        wire, good = self.log_in(self.secrets["app password"])
        self.assertTrue(good)
        wire.append("INBOX", self.mail())
        wire.ok("SELECT INBOX")
        self.assertIn(self.secrets["body"].encode(), b"".join(wire.ok("FETCH * BODY.PEEK[TEXT]")))
        wire.ok('SEARCH TEXT "%s"' % self.secrets["body"])
        wire.command('SEARCH TEXT "%s" BAD' % self.secrets["body"])
        wire.command('FETCH 1 (BODY[HEADER.FIELDS ("%s"' % self.secrets["header"])
        wire.command('STORE 1 +X "%s"' % self.secrets["subject"])
        wire.ok("COPY 1 Archive")
        return wire

    # ---- the tests

    def test_a_day_with_failures(self):
        self.make()
        wire = self.session()
        self.refusals()
        self.server.deliver("canary", self.mail())
        wire.ok("NOOP")
        wire.close()
        self.server.run("device", "revoke", "canary", "phone", check=False)
        wire, good = self.log_in(self.secrets["app password"])
        wire.close()
        self.server.logged("login.refused", 5)
        self.assert_nowhere()

    def test_each_process_dies_with_them_in_its_hands(self):
        self.make()
        for role in ROLES:
            wire = self.session()
            self.server.deliver("canary", self.mail())
            half = self.server.wire()
            half.raw(b"a LOGIN canary " + self.secrets["app password"].encode())  # in the gate's buffer
            pids = self.server.roles()[role]
            for pid in pids:
                os.kill(pid, signal.SIGABRT)
            wait_for(lambda: set(self.server.roles().get(role, pids)).isdisjoint(pids) and
                     len(self.server.roles().get(role, [])) == len(pids), "a new " + role)
            half.close()
            wire.close()
            wait_for(self.can_log_in, "a login again")
        self.server.run("quarantine", "list", check=False)
        self.assert_nowhere()
        self.server.stop()
        self.assert_nowhere()

    def can_log_in(self):
        try:
            wire, good = self.log_in(self.secrets["app password"])
        except (OSError, AssertionError):
            return False
        wire.close()
        return good

    def test_no_process_leaves_a_core(self):
        """What is asked of the kernel: no core files, and nobody of the same user may look."""
        for role, pids in self.server.roles().items():
            for pid in pids:
                with open("/proc/%d/limits" % pid, encoding="ascii") as text:
                    self.assertRegex(text.read(), r"Max core file size\s+0\s+0\s", role)
                if os.geteuid() == 0:
                    self.assertEqual(os.stat("/proc/%d/mem" % pid).st_uid, 0, role)  # not dumpable: root's

    def test_this_test_would_find_them(self):
        self.make()
        name = os.path.join(self.server.data, "run", "planted")
        for form in sorted(forms(self.secrets["account"]))[::3]:
            with open(name, "wb") as out:
                out.write(b"...." + form + b"....")
            with self.assertRaises(AssertionError):
                self.assert_nowhere()
        os.unlink(name)
        self.assert_nowhere()
        for lead in range(3):
            self.assertTrue(any(form in base64.b64encode(b"xyz"[:lead] + self.secrets["account"].encode() + b"end")
                                for form in forms(self.secrets["account"])), lead)


if __name__ == "__main__":
    unittest.main()
