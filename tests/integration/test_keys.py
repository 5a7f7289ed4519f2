"""Private keys are in the process `keys` alone: looked for in the memory of all; what happens when it hangs or dies."""

import os
import re
import signal
import subprocess
import sys
import unittest

from harness import Server, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import roost_server

ROOT = os.geteuid() == 0
CHUNK = 1 << 24


def maps(pid):
    """(start, end) of what a core file would hold: not files that are shared, nor the kernel's pages (core(5))."""
    with open("/proc/%d/maps" % pid, encoding="utf-8") as lines:
        for line in lines:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r..(.) \S+ \S+ \S+ *(.*)", line)
            if match and not match[4].startswith(("[vvar", "[vsyscall", "[vdso")) and (match[3] == "p" or not match[4]):
                yield int(match[1], 16), int(match[2], 16)


def finds(pid, wanted):
    """Names of the needles that are in the process's memory."""
    found, overlap = set(), max(len(needle) for needle in wanted.values())
    with open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for start, end in maps(pid):
            for at in range(start, end, CHUNK):
                try:
                    memory.seek(at)
                    data = memory.read(min(CHUNK + overlap, end - at))
                except (OSError, ValueError):
                    continue
                found.update(name for name, needle in wanted.items() if needle in data)
    return found


def numbers(path, fields):
    """The secret numbers of a key, as `openssl pkey -text` prints them."""
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], check=True, capture_output=True,
                          text=True).stdout
    for field in fields:
        digits = re.search(r"^%s:\n((?:    .*\n)+)" % field, text, re.MULTILINE)[1]
        yield field, bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")


def needles(path, fields):
    """Each number in both orders of its bytes, and what the file says."""
    out = {}
    for field, number in numbers(path, fields):
        out[field] = number
        out[field + ", turned"] = number[::-1]
    with open(path, encoding="ascii") as pem:
        text = pem.read()
    out["PEM"] = text.splitlines()[1].encode()
    return out


def make_rsa(server):
    key, cert = (server.settings[name] for name in ("certificate_key", "certificate"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj",
                    "/CN=localhost", "-days", "30"], check=True, capture_output=True)


def gates(server):
    return sum(row["role"] == "gate" for row in server.children())


class Secrets(unittest.TestCase):
    def server(self):
        server = Server()
        self.addCleanup(server.close)
        server.make_data()
        return server

    def look(self, server, kinds):
        wanted = needles(server.settings["certificate_key"], kinds)
        for _ in range(3):
            server.connect().close()
        everybody = {row["role"] + row.get("index", ""): int(row["pid"]) for row in server.status()}
        self.assertGreaterEqual(set(everybody), {"supervisor", "gate0", "auth0", "mail0", "digest0", "log0", "keys0"})
        found = {name: finds(pid, wanted) for name, pid in everybody.items()}
        in_keys = found.pop("keys0")
        self.assertEqual({name: what for name, what in found.items() if what}, {})
        for kind in kinds:  # it can be found where it is; OpenSSL keeps numbers with the low byte first
            self.assertIn(kind + ", turned", in_keys)
        self.assertNotIn("PEM", in_keys)

    @unittest.skipUnless(ROOT, "needs root, to read the memory of others")
    @unittest.skipIf(roost_server.is_sanitized(), "the sanitizer's memory has terabytes, and keeps what was freed")
    def test_an_ec_key_is_in_keys_alone(self):
        server = self.server().start()
        self.look(server, ["priv"])
        server.make_certificate("renewed")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: server.stderr().count("tls.loaded") == 2 * gates(server), "the new key")
        self.look(server, ["priv"])

    @unittest.skipUnless(ROOT, "needs root, to read the memory of others")
    @unittest.skipIf(roost_server.is_sanitized(), "the sanitizer's memory has terabytes, and keeps what was freed")
    def test_an_rsa_key_is_in_keys_alone(self):
        server = self.server()
        make_rsa(server)
        server.start()
        self.look(server, ["prime1", "prime2", "privateExponent"])

    @unittest.skipUnless(ROOT, "needs root, to see the flags of others' memory")
    @unittest.skipIf(roost_server.is_sanitized(), "the sanitizer's memory is not locked")
    def test_keys_are_locked_and_in_no_core_file(self):
        server = self.server().start()
        (pid,) = (int(row["pid"]) for row in server.children() if row["role"] == "keys")
        with open("/proc/%d/smaps" % pid, encoding="utf-8") as text:
            flags = [line.split()[1:] for line in text if line.startswith("VmFlags:")]
        self.assertTrue([f for f in flags if "lo" in f and "dd" in f], "locked (lo), left out of cores (dd)")
        with open("/proc/%d/limits" % pid, encoding="utf-8") as text:
            self.assertRegex(text.read(), r"Max core file size +0 +0")


class Trouble(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.server.make_data()
        self.server.start()

    def pid(self):
        return next(int(row["pid"]) for row in self.server.children() if row["role"] == "keys")

    def test_a_keys_that_hangs_holds_up_nobody_who_is_there(self):
        inside = [self.server.connect() for _ in range(4)]  # at each gate
        os.kill(self.pid(), signal.SIGSTOP)
        try:
            for _ in range(8):
                with self.assertRaises(OSError):
                    self.server.connect()
            for tls in inside:
                tls.sendall(b"a NOOP\r\n")
                self.assertIn(b"a OK", tls.recv(4096))
            self.assertIn("keys.silent", self.server.stderr())
        finally:
            os.kill(self.pid(), signal.SIGCONT)  # or the one that has taken its place

        def comes_in():
            try:
                self.server.connect().close()
                return True
            except OSError:
                return False

        wait_for(comes_in, "handshakes again")
        for tls in inside:
            tls.sendall(b"b NOOP\r\n")
            self.assertIn(b"b OK", tls.recv(4096))
            tls.close()

    def test_a_keys_that_hangs_is_begun_anew(self):
        before = self.pid()
        os.kill(before, signal.SIGSTOP)
        wait_for(lambda: "role.silent role=keys" in self.server.stderr(), "the supervisor notices")
        wait_for(lambda: self.pid() not in (0, before) and self.server.all_running(), "another keys")
        self.server.connect().close()

    def test_a_keys_that_dies_reads_the_files_again(self):
        before = self.pid()
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: self.pid() not in (0, before) and self.server.all_running(), "another keys")
        self.server.connect().close()

    def test_a_key_that_is_gone_is_said_and_audited(self):
        """Keys died and the file is broken by then: chains without a key. Asking for it is an audited event."""
        key, before = self.server.settings["certificate_key"], self.pid()
        with open(key, "rb") as good:
            text = good.read()
        with open(key, "wb") as bad:
            bad.write(text[:100])
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: "tls.refused" in self.server.stderr() and self.server.all_running(), "another keys")
        with self.assertRaises(OSError):
            self.server.connect()
        wait_for(lambda: "keys.refused" in self.server.stderr(), "the refusal")
        with open(key, "wb") as good:
            good.write(text)
        loaded = self.server.stderr().count("tls.loaded")
        self.server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.server.stderr().count("tls.loaded") == loaded + gates(self.server), "the pair")
        self.server.connect().close()
        self.server.stop()
        for events in (roost_server.audited(self.server.data, "keys.refused"), roost_server.audited(self.server.data, "tls.refused"),
                       roost_server.audited(self.server.data, "tls.loaded"), roost_server.audited(self.server.data, "certificate.read")):
            self.assertEqual({line["service.type"] for line in events}, {"roost"})

    def test_no_server_starts_with_a_pair_that_does_not_fit(self):
        def another_key():
            subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out",
                            self.server.settings["certificate_key"]], check=True, capture_output=True)

        def half(name):
            with open(self.server.settings[name], "r+", encoding="ascii") as file:
                file.truncate(100)

        for spoil in (another_key, lambda: half("certificate_key"), lambda: half("certificate")):
            self.server.stop()
            self.server.make_certificate("localhost")
            spoil()
            before = len(self.server.stderr())
            self.server.spawn()
            self.assertEqual(self.server.process.wait(60), 4)
            said = self.server.stderr()[before:]
            line = next(line for line in said.splitlines() if line.startswith("roost: keys cannot start: "))
            for name in ("certificate", "certificate_key"):
                self.assertIn(self.server.settings[name], line)
            self.assertNotIn("server.ready", said)


if __name__ == "__main__":
    unittest.main()
