"""Backup and restore, as an administrator does them: a server under load, backed up, lost, and brought back."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, wait_for

USER = "admin"


def message(name, size=0):
    return (b"From: anna@example.org\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\n\r\n" %
            (name.encode(), name.encode()) + b"x" * size + b"\r\n")


def subjects(wire, mailbox):
    """{subject: (flags, INTERNALDATE, uid)} of a mailbox."""
    wire.ok("SELECT %s" % mailbox)
    out = {}
    for line in wire.ok("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
        found = re.search(rb"Subject: (\S+)", line)
        if found is None:
            continue
        flags = set(re.search(rb"FLAGS \(([^)]*)\)", line).group(1).split()) - {b"\\Recent"}
        out[found.group(1).decode()] = (
            flags, re.search(rb'INTERNALDATE "([^"]*)"', line).group(1),
            int(re.search(rb"UID (\d+)", line).group(1)))
    return out


def objects(wire, mailbox):
    """{subject: (EMAILID, THREADID, flags, INTERNALDATE)} of a mailbox (RFC 8474 5)."""
    wire.ok("SELECT %s" % mailbox)
    out = {}
    for line in wire.ok("UID FETCH 1:* (EMAILID THREADID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
        found = re.search(rb"Subject: (\S+)", line)
        if found is None:
            continue
        out[found.group(1).decode()] = (
            re.search(rb"EMAILID \(([^)]+)\)", line).group(1),
            re.search(rb"THREADID (NIL|\([^)]+\))", line).group(1),
            set(re.search(rb"FLAGS \(([^)]*)\)", line).group(1).split()) - {b"\\Recent"},
            re.search(rb'INTERNALDATE "([^"]*)"', line).group(1))
    return out


def metadata(wire, mailbox):
    """{entry: value} of the comments (RFC 5464 4.2)."""
    answer = b"".join(wire.ok("GETMETADATA %s (/private/comment /shared/comment)" % mailbox))
    return dict(re.findall(rb'(/(?:private|shared)/\S+) "([^"]*)"', answer))


def uidvalidity(wire, mailbox):
    return int(re.search(rb"UIDVALIDITY (\d+)", wire.ok("STATUS %s (UIDVALIDITY)" % mailbox)[0]).group(1))


def tree(folder):
    """Names and contents below a folder."""
    out = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as data:
                out[os.path.relpath(os.path.join(path, name), folder)] = data.read()
    return out


class Backup(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=0, passwd_file="")
        self.addCleanup(self.server.close)
        self.server.start()
        self.dir = os.path.join(self.server.folder, "backup")
        self.key = os.path.join(self.server.folder, "backup.key")
        with open(self.key, "wb") as key:
            key.write(os.urandom(32))
        self.password = self.new_password()

    def roost(self, *words, code=0):
        done = subprocess.run([ROOST, *words, "-c", self.server.config], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def new_password(self):
        made = json.loads(self.roost("device", "add", USER, "phone", "--json").stdout)
        return (made[0] if isinstance(made, list) else made)["password"]

    def login(self):
        wire = self.server.wire(tls=False)
        self.addCleanup(wire.close)
        wire.ok("LOGIN %s %s" % (USER, self.password))
        return wire

    def backup(self, *words):
        return json.loads(self.roost("backup", self.dir, "--key-file", self.key, "--json", *words).stdout)

    def restore(self, *words, code=0):
        return self.roost("restore", "--from", self.dir, *words, code=code)

    def lose_everything(self):
        self.server.stop(signal.SIGKILL)
        shutil.rmtree(self.server.data)

    def fill(self, wire):
        wire.ok("CREATE Work")
        for n in range(12):
            wire.ok(b'APPEND Work (\\Seen $Label%d) "0%d-Feb-2020 10:00:00 +0100" {%d+}\r\n%s' %
                    (n % 3, n % 9 + 1, len(message("w%d" % n)), message("w%d" % n)))
        wire.append("Work", message("large", 5 << 20), "\\Flagged")  # beyond what the journal holds
        wire.ok("SELECT Work")
        wire.ok("UID STORE 2 +FLAGS (\\Answered)")
        wire.ok("UNSELECT")

    def test_a_lost_server_comes_back(self):
        wire = self.login()
        self.fill(wire)
        acknowledged, stop = [], threading.Event()

        def load():
            with self.login() as loader:
                while not stop.is_set():
                    name = "load%d" % len(acknowledged)
                    loader.append("INBOX", message(name, 3000))
                    acknowledged.append(name)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            wait_for(lambda: len(acknowledged) > 20, "mail is coming in")
            first = self.backup()
            before = list(acknowledged)
            wait_for(lambda: len(acknowledged) > len(before) + 20, "more mail is coming in")
            before = list(acknowledged)
            second = self.backup()
        finally:
            stop.set()
            thread.join()
        self.assertEqual((first["backups"], second["backups"]), (1, 2))
        self.assertLess(second["new_bytes"], first["new_bytes"])  # the large message is not copied again
        was = subjects(wire, "Work")
        self.assertEqual(len(was), 13)
        old = uidvalidity(wire, "Work")
        self.roost("backup", "verify", self.dir, "--key-file", self.key)
        self.lose_everything()

        self.assertIn("--key-file", self.restore("--to", self.server.data, code=1).stderr)
        wrong = os.path.join(self.server.folder, "wrong.key")
        with open(wrong, "wb") as key:
            key.write(os.urandom(32))
        self.restore("--to", self.server.data, "--key-file", wrong, code=1)
        self.assertFalse(os.path.exists(self.server.data))
        said = self.restore("--to", self.server.data, "--key-file", self.key).stdout
        self.assertIn("new UIDVALIDITY", said)
        self.assertIn("not empty", self.restore("--to", self.server.data, "--key-file", self.key, code=1).stderr)
        self.server.start()
        wire = self.login()  # the same app password
        now = subjects(wire, "Work")
        self.assertEqual(now, was)  # flags, keywords, dates, uids
        done = json.loads(self.restore("--user", USER, "--mailbox", "Work", "--into", "x", "--json").stdout)
        self.assertEqual((done["restored"], done["already_there"]), (0, 13))  # the same EMAILIDs
        self.assertGreater(uidvalidity(wire, "Work"), old)
        self.assertLessEqual(set(before), set(subjects(wire, "INBOX")))
        wire.append("Work", message("after"))
        self.assertGreater(subjects(wire, "Work")["after"][2], max(row[2] for row in was.values()))
        self.backup()  # it is the same store: it goes on in the same directory
        self.roost("backup", "verify", self.dir)

    def test_a_mailbox_as_it_was(self):
        wire = self.login()
        self.fill(wire)
        was = subjects(wire, "Work")
        self.backup()
        time.sleep(1.1)  # --at has whole seconds here
        wire.append("Work", message("later"))
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(1.1)
        wire.ok("SELECT Work")
        wire.ok("UID STORE 3:13 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        wire.append("Work", message("latest"))
        self.assertIn("no backup reaches", self.restore("--user", USER, "--at", moment, "--into", "x",
                                                        code=1).stderr.lower())
        self.backup()

        self.assertIn("--into", self.restore("--user", USER, "--mailbox", "Work", code=1).stderr)
        done = json.loads(self.restore("--user", USER, "--mailbox", "Work", "--at", moment, "--into", "Was/Work",
                                       "--json").stdout)
        self.assertEqual((done["restored"], done["already_there"]), (11, 3))
        now = subjects(wire, "Was/Work")
        self.assertEqual(set(now), set(was) - {"w0", "w1"})
        for name, row in now.items():
            self.assertEqual(row[:2], was[name][:2])
        done = json.loads(self.restore("--user", USER, "--mailbox", "Work", "--at", moment, "--into", "Was/Work",
                                       "--json").stdout)
        self.assertEqual((done["restored"], done["already_there"]), (0, 14))
        self.assertIn("oldest", self.restore("--user", USER, "--at", "2020-01-01", "--into", "x", code=1).stderr)
        self.assertIn("No such mailbox", self.restore("--user", USER, "--mailbox", "None", "--into", "x",
                                                      code=1).stderr)
        self.assertEqual([name for name in os.listdir(self.dir) if name.startswith(".")], [])  # no copy is left

    def test_a_deleted_mailbox_comes_back_with_all_that_belongs_to_it(self):
        wire = self.login()
        self.fill(wire)
        reply = message("reply")
        wire.ok(b'APPEND Work ($Label1) "03-Mar-2021 04:05:06 -0700" {%d+}\r\n%s' % (len(reply), reply))
        wire.ok('SETMETADATA Work (/private/comment "for me" /shared/comment "for all")')
        wire.ok("SELECT Work")
        wire.ok('UID STORE 3 ANNOTATION (/comment (value.priv "mine" value.shared "ours") /altsubject (value.priv "x"))')
        wire.ok("UID STORE 3 ANNOTATION (/altsubject (value.priv NIL))")
        wire.append("INBOX", message("stays"))
        was, notes = objects(wire, "Work"), metadata(wire, "Work")
        self.assertEqual(len(was), 14)
        self.assertEqual(len({row[0] for row in was.values()}), 14)
        self.assertEqual(notes, {b"/private/comment": b"for me", b"/shared/comment": b"for all"})
        self.backup()
        wire.ok("UNSELECT")
        wire.ok("DELETE Work")
        wire.ok("CREATE Work")  # another one of that name
        self.assertEqual(metadata(wire, "Work"), {})
        wire.ok("DELETE Work")

        done = json.loads(self.restore("--user", USER, "--mailbox", "Work", "--into", "Work", "--json").stdout)
        self.assertEqual((done["restored"], done["already_there"]), (14, 0))
        self.assertEqual(objects(wire, "Work"), was)
        self.assertEqual(metadata(wire, "Work"), notes)
        wire.ok("SELECT Work")
        beside = [line for line in wire.ok("FETCH 1:* (ANNOTATION (* value))") if b"ANNOTATION" in line]
        self.assertEqual([line.split(b"FETCH")[1] for line in beside],
                         [b' (ANNOTATION (/comment (value.priv "mine" value.shared "ours")))'])

    def test_the_journal_of_the_lost_machine_keeps_uids(self):
        wire = self.login()
        self.fill(wire)
        self.backup()
        wire.append("Work", message("later"))
        was, old = subjects(wire, "Work"), uidvalidity(wire, "Work")
        self.server.stop(signal.SIGKILL)
        saved = os.path.join(self.server.folder, "saved")
        os.rename(self.server.data, saved)
        said = self.restore("--to", self.server.data, "--key-file", self.key, "--journal", saved + "/mail").stdout
        self.assertIn("UIDs stay", said)
        self.server.start()
        wire = self.login()
        self.assertEqual(subjects(wire, "Work"), was)
        self.assertEqual(uidvalidity(wire, "Work"), old)

    def test_without_secrets_devices_need_new_passwords(self):
        self.roost("backup", self.dir, code=2)
        self.assertIn("app password", self.roost("backup", self.dir, "--without-secrets").stdout)
        self.lose_everything()
        said = self.restore("--to", self.server.data).stdout
        self.assertIn("roost device add", said)
        self.assertIn("key.pem, which is not there; the backup has no copy of it", said)
        for name in ("cert.pem", "key.pem"):  # the key was left out with the other secrets
            if os.path.exists(os.path.join(self.server.data, name)):
                os.unlink(os.path.join(self.server.data, name))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"],
                       check=True, capture_output=True, cwd=self.server.data)
        self.server.start()
        wire = self.server.wire(tls=False)
        self.addCleanup(wire.close)
        _, tagged = wire.command("LOGIN %s %s" % (USER, self.password))
        self.assertIn(b"AUTHENTICATIONFAILED", tagged)
        self.password = self.new_password()
        self.login()

    def test_what_is_wrong_is_found_and_refused(self):
        wire = self.login()
        self.fill(wire)
        for _ in range(4):
            wire.append("INBOX", message("m", 1000))
            self.backup("--keep", "3")
        self.assertEqual(len(json.loads(self.roost("backup", "list", self.dir, "--json").stdout)), 3)
        self.roost("backup", "verify", self.dir, "--quick")

        other = Server(users=0, passwd_file="")
        self.addCleanup(other.close)
        other.start()
        before = tree(self.dir)
        done = subprocess.run([ROOST, "backup", self.dir, "--without-secrets", "-c", other.config],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("another store", done.stderr)
        self.assertEqual(tree(self.dir), before)
        stranger = os.path.join(self.server.folder, "stranger")
        os.mkdir(stranger)
        with open(os.path.join(stranger, "letter"), "w", encoding="ascii") as out:
            out.write("mine")
        self.assertIn("something else", self.roost("backup", stranger, "--without-secrets", code=1).stderr)
        self.assertEqual(os.listdir(stranger), ["letter"])

        pool = os.path.join(self.dir, "pool")
        for name in sorted(os.listdir(pool)):
            path = os.path.join(pool, name)
            with open(path, "r+b") as data:  # in a copy: the pool may share bytes with the server
                whole = data.read()
            middle = len(whole) // 2
            flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:]
            os.rename(path, path + "-right")
            with open(path, "wb") as data:
                data.write(flipped)
            done = self.roost("backup", "verify", self.dir, "--quick", code=1)
            self.assertIn(name, done.stdout)
            os.rename(path + "-right", path)
        newest = sorted(os.listdir(os.path.join(self.dir, "manifests")))[-1]
        manifest = os.path.join(self.dir, "manifests", newest)
        with open(manifest, "r+b") as data:
            whole = data.read()
            data.seek(0)
            data.write(whole.replace(b"lsn ", b"lsn 1", 1)[:len(whole)])
        self.assertIn(newest, self.roost("backup", "verify", self.dir, code=1).stdout)
        self.assertIn("damaged", self.roost("backup", self.dir, "--key-file", self.key, "--keep", "1", code=1).stderr)


if __name__ == "__main__":
    unittest.main()
