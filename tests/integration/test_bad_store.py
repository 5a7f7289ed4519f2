"""A data directory that is not what it should be: one clear line, an exit code, and nothing touched.

Two servers' data directories are made once. Each case spoils a copy: a file truncated, removed, of a newer version, of
the other server, or not ours to open. `roost serve` must end with the code and a line that names the thing, and leave
every byte of it as it was. What can be made good or served around is, and is said.
"""

import hashlib
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, sample, wait_for

STARTS = 7  # each leaves a segment; more than four are worth a pack
IN_USE, DENIED, VERSION, BAD, MISSING = 5, 6, 7, 8, 4
# What a process makes anew when it opens the folder, and what means nothing without it.
PASSING = {"lock", "lock.mdb", "auth.db-shm", "auth.db-wal", "ballast", "super.new"}


def make(server):
    """Mail in the journal, in packs and in a file of its own."""
    for number in range(STARTS):
        server.start()
        server.deliver("u1", sample(number, 3000))
        if number == STARTS - 1:
            wait_for(lambda: files(server.data, "packs", ".pack"), server.log)
            with server.wire("u1", tls=False) as wire:
                wire.append("INBOX", sample(100, 6 << 20))
        if server.stop() != 0:
            raise AssertionError(server.log())


def files(data, folder, suffix):
    where = os.path.join(data, "mail", folder)
    return sorted(os.path.join(where, name) for name in os.listdir(where) if name.endswith(suffix))


def last_segment(data):
    """The last one with a batch in it."""
    for path in reversed(files(data, "log", ".seg")):
        with open(path, "rb") as file:
            file.seek(4096)
            if file.read(4096).strip(b"\0"):
                return path
    raise AssertionError("no segment with a batch")


def picture(data, top):
    """Hash of each file of mail/ or auth/, by name."""
    out = {}
    for folder, _, names in os.walk(os.path.join(data, top)):
        for name in names:
            path = os.path.join(folder, name)
            if name not in PASSING:
                with open(path, "rb") as file:
                    out[os.path.relpath(path, data)] = hashlib.sha256(file.read()).hexdigest()
    return out


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def same_owner(path, like):
    status = os.stat(like)
    os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, status.st_mode & 0o7777)


class BadStore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = Server(users=1), Server(users=1)
        cls.addClassCleanup(cls.one.close)
        cls.addClassCleanup(cls.two.close)
        make(cls.one)
        make(cls.two)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="roost-bad-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        subprocess.run(["cp", "-a", self.one.data, self.data], check=True)
        self.config = os.path.join(self.data, "roost.conf")
        with open(self.config, encoding="utf-8") as text:
            lines = text.read().replace(self.one.data, self.data)
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(lines)

    def path(self, name):
        return os.path.join(self.data, name)

    def foreign(self, name):
        """The other server's file in place of ours."""
        os.unlink(self.path(name))
        shutil.copy(os.path.join(self.two.data, name), self.path(name))
        same_owner(self.path(name), os.path.join(self.one.data, name))

    def serve(self):
        return subprocess.run([ROOST, "serve", "-c", self.config], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)

    def refused(self, code, line):
        top = "auth" if line.startswith("auth ") else "mail"
        before = picture(self.data, top)
        done = self.serve()
        plain = [text for text in done.stderr.splitlines() if text.startswith("roost: ")]
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(len(plain), 1, done.stderr)
        self.assertRegex(plain[0], line)
        self.assertEqual(picture(self.data, top), before)

    def serve_and_stop(self):
        """Up and down again; what it said."""
        with subprocess.Popen([ROOST, "serve", "-c", self.config], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as server:
            said = []
            for line in server.stderr:
                said.append(line)
                if " store.recovered " in line:
                    server.terminate()
        self.assertEqual(server.returncode, 0, said)
        return "".join(said)

    def can_deliver(self, number):
        try:
            self.one.deliver("u1", sample(number))
            return True
        except (OSError, AssertionError):
            return False

    # ---- the superblock

    def test_a_newer_version(self):
        with open(self.path("mail/super"), "rb") as file:
            whole = file.read()
        for found in re.finditer(b"RoostSup", whole):
            overwrite(self.path("mail/super"), found.end(), struct.pack("<I", 99))
        self.refused(VERSION, "mail cannot start: super: version 99, this program knows")

    def test_no_superblock(self):
        os.unlink(self.path("mail/super"))
        self.refused(MISSING, "mail cannot start: .*roost init")

    def test_a_truncated_superblock(self):
        os.truncate(self.path("mail/super"), 20)
        self.refused(BAD, "mail cannot start: super: ")

    def test_another_stores_superblock(self):
        self.foreign("mail/super")
        self.refused(BAD, "mail cannot start: .*another store|mail cannot start: (journal|state): ")

    def test_something_else_as_superblock(self):
        with open(self.path("mail/super"), "wb") as out:
            out.write(b"#!/bin/sh\n" * 300)
        self.refused(BAD, "mail cannot start: super: not a superblock")

    # ---- the state

    def test_another_stores_state(self):
        self.foreign("mail/state/data.mdb")
        self.refused(BAD, "mail cannot start: .*state/data.mdb")

    # ---- the journal

    def test_a_missing_segment(self):
        os.unlink(last_segment(self.data))
        self.refused(BAD, "mail cannot start: journal: segment [0-9a-f]+ is missing")

    def test_a_bad_segment_is_told_of(self):
        """Checkpoints cover it after a clean stop; what lay there alone is named."""
        for what in (lambda path: os.truncate(path, 5000),
                     lambda path: shutil.copyfile(last_segment(self.two.data), path)):
            with self.subTest(what):
                self.setUp()
                path = last_segment(self.data)
                what(path)
                log = self.serve_and_stop()
                self.assertRegex(log, " store.damage file=%s " % os.path.basename(path))

    def test_a_bad_segment_that_nothing_covers(self):
        """As a crash leaves it: mail that was acknowledged is in the journal alone."""
        with subprocess.Popen([ROOST, "serve", "-c", self.config], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, text=True) as server:
            wait_for(lambda: self.can_deliver(11), "mail is taken")
            self.assertTrue(self.can_deliver(12))
            server.kill()
        path = last_segment(self.data)
        overwrite(path, 4096, bytes(512))
        self.refused(BAD, "mail cannot start: journal: segment [0-9a-f]+ offset")

    # ---- credentials

    def test_a_newer_database(self):
        with sqlite3.connect(self.path("auth/auth.db")) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        same_owner(self.path("auth/auth.db"), os.path.join(self.one.data, "auth/auth.db"))
        self.refused(VERSION, "auth cannot start: auth.db: version 99, this program knows")

    def test_no_database(self):
        os.unlink(self.path("auth/auth.db"))
        self.refused(MISSING, "auth cannot start: .*auth.db")

    def test_a_truncated_database(self):
        os.truncate(self.path("auth/auth.db"), 5000)
        self.refused(BAD, "auth cannot start: .*auth.db|auth cannot start: sqlite: ")

    def test_something_else_as_database(self):
        with open(self.path("auth/auth.db"), "wb") as out:
            out.write(b"not a database\n" * 1000)
        self.refused(BAD, "auth cannot start: .*not a database")

    def test_another_servers_pepper(self):
        self.foreign("auth/pepper.key")
        self.refused(BAD, "auth cannot start: .*pepper")

    def test_a_truncated_pepper(self):
        os.truncate(self.path("auth/pepper.key"), 10)
        self.refused(BAD, "auth cannot start: .*pepper")

    def test_no_pepper(self):
        os.unlink(self.path("auth/pepper.key"))
        self.refused(BAD, "auth cannot start: .*pepper.key: missing")

    # ---- whose it is

    def test_two_servers(self):
        subprocess.run(["rm", "-rf", self.path("run")], check=True)
        with subprocess.Popen([ROOST, "serve", "-c", self.config], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as first:
            for line in first.stderr:
                if "role.ready role=gate" in line:
                    break
            done = self.serve()
            first.terminate()
            first.stderr.read()
        self.assertEqual(first.returncode, 0)
        self.assertEqual(done.returncode, IN_USE)
        self.assertRegex(done.stderr, "^roost: .*another server holds it\n$")

    def test_a_pepper_that_others_may_read(self):
        os.chmod(self.path("auth/pepper.key"), 0o644)
        self.refused(DENIED, "auth cannot start: .*pepper.key: mode 644, wanted 600")

    @unittest.skipIf(os.geteuid() != 0, "chown needs root")
    def test_a_folder_of_somebody_else(self):
        os.chown(self.path("mail"), 12345, 12345)
        self.refused(DENIED, "roost: .*/mail belongs to uid 12345")

    @unittest.skipIf(os.geteuid() != 0, "chown needs root")
    def test_files_of_somebody_else(self):
        for name in ("mail/super", "mail/state/data.mdb", "auth/auth.db"):
            with self.subTest(name):
                before = os.stat(self.path(name))
                os.chown(self.path(name), 12345, 12345)
                self.refused(DENIED, name.split("/")[0] + " cannot start: ")
                os.chown(self.path(name), before.st_uid, before.st_gid)

    # ---- what the server comes up with

    def test_a_bad_pack_and_a_bad_long_body_are_those_mails_alone(self):
        for path in files(self.data, "packs", ".pack") + files(self.data, "spill", ".body"):
            os.truncate(path, 100)
        server = self.one
        held = server.data, server.config, server.console
        server.data, server.config, server.console = self.data, self.config, self.path("console")
        try:
            server.start()
            with server.wire("u1", tls=False) as wire:
                wire.ok("SELECT INBOX")
                for number in (1, STARTS + 1):
                    _, tagged = wire.command("FETCH %d BODY.PEEK[TEXT]" % number)
                    self.assertTrue(tagged.startswith(b"NO [CORRUPTION] "), (number, tagged))
                wire.ok("FETCH 1:* (FLAGS UID)")
                wire.append("INBOX", sample(101, 3000))
            wait_for(lambda: " command.failed " in server.log() and "error=corrupt" in server.log(),
                     "the failures in the log")
            self.assertEqual(server.stop(), 0)
        finally:
            server.stop()
            server.data, server.config, server.console = held


if __name__ == "__main__":
    unittest.main()
