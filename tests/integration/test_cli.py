"""The command line against a running server: accounts, sessions, mailboxes, import and export."""

import hashlib
import imaplib
import json
import mailbox
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, wait_for

PARTLY = 3


def message(n, body="text\n"):
    return ("From: a%d@example.org\nDate: Sat, 21 Nov 2026 20:42:26 +0000\nSubject: %d\n\n%s"
            % (n, n, body)).encode()


def crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Cli(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=40).start()
        cls.addClassCleanup(cls.server.close)
        cls.users = iter("u%d" % i for i in range(1, 41))

    def setUp(self):
        self.user = next(self.users)
        self.folder = tempfile.mkdtemp(prefix="roost-cli-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, data, mtime=None):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(data)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def roost(self, *words, code=0):
        done = subprocess.run([ROOST, *words, "-c", self.server.config, "--json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else None

    def bring(self, *paths, code=0):
        return self.roost("import", self.user, *paths, code=code)

    def mailboxes(self):
        return {row["mailbox"]: row for row in self.roost("mailbox", "list", self.user)}

    def fetch(self, name):
        """[(uid, flags, INTERNALDATE, bytes)] as IMAP shows them."""
        imap = self.server.imap(self.user)
        status, data = imap.select('"%s"' % name, readonly=True)
        self.assertEqual(status, "OK", data)
        out = []
        if data != [b"0"]:
            status, data = imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
            self.assertEqual(status, "OK")
            for item in data:
                if not isinstance(item, tuple):
                    continue
                head = item[0].decode()
                flags = set(head.split("FLAGS (")[1].split(")")[0].split())
                out.append((int(head.split("UID ")[1].split()[0]), flags - {"\\Recent"},
                            head.split('INTERNALDATE "')[1].split('"')[0], item[1]))
        imap.logout()
        return out

    # ---- accounts, sessions, mailboxes

    def test_status_names_every_role(self):
        status = self.roost("status")
        roles = {row["role"] for row in status["processes"]}
        self.assertEqual(roles, {"supervisor", "gate", "auth", "mail", "digest", "log", "keys"})
        self.assertEqual(status["store"][0]["state"], "ok")

    def test_the_space_report_counts_what_is_kept_apart(self):
        mail = b"Subject: space\r\n\r\n" + b"of some length\r\n" * 100
        imap = self.server.imap(self.user)
        for _ in range(10):
            self.assertEqual(imap.append("INBOX", None, None, mail)[0], "OK")
        imap.select("INBOX")
        imap.store("1:3", "+FLAGS", "\\Deleted")
        imap.expunge()
        imap.logout()
        row = self.roost("status", "--space", "--account", self.user)[0]
        self.assertEqual((row["user"], row["bodies"], row["raw_bytes"]),
                         (self.user, 10, 10 * len(mail)))
        self.assertEqual((row["kept_messages"], row["kept_bytes"]), (3, 3 * len(mail)))
        rows = self.roost("status", "--space", "--accounts", "40")
        self.assertIn(row, rows)
        self.assertEqual(rows, sorted(rows, key=lambda r: -r["stored_bytes"]))
        store = self.roost("status", "--space")[0]
        self.assertGreaterEqual(store["raw_bytes"], row["raw_bytes"])
        self.assertGreaterEqual(store["kept_bytes"], row["kept_bytes"])
        self.roost("status", "--space", "--account", "nobody-there", code=1)

    def test_a_user_is_added_and_logs_in_with_the_password_shown(self):
        made = self.roost("user", "add", "newcomer")[0]
        imap = self.server.imap()
        self.assertEqual(imap.login("newcomer", made["password"])[0], "OK")
        imap.logout()

    def test_sessions_are_listed_and_kicked(self):
        wire = self.server.wire(self.user)
        rows = [row for row in self.roost("session", "list", self.user)]
        self.assertEqual([row["user"] for row in rows], [self.user])
        self.assertEqual(self.roost("session", "kick", rows[0]["session"])[0]["ended"], 1)
        self.assertTrue(wire.line().startswith(b"* BYE"))
        wire.close()
        self.roost("session", "kick", "999999999", code=1)

    def test_all_sessions_of_a_user_are_kicked(self):
        wires = [self.server.wire(self.user) for _ in range(3)]
        self.assertEqual(self.roost("session", "kick", "--user", self.user)[0]["ended"], 3)
        for wire in wires:
            self.assertTrue(wire.line().startswith(b"* BYE"))
            wire.close()

    def test_mailboxes_come_and_go(self):
        self.roost("mailbox", "create", self.user, "Work/2026")
        self.roost("mailbox", "rename", self.user, "Work", "Büro")
        self.assertIn("Büro/2026", self.mailboxes())
        self.roost("mailbox", "delete", self.user, "Büro/2026")
        self.assertNotIn("Büro/2026", self.mailboxes())
        self.roost("mailbox", "create", self.user, "Büro", code=1)
        self.roost("mailbox", "delete", self.user, "INBOX", code=1)
        self.roost("mailbox", "list", "nobody-there", code=1)

    def test_a_mailbox_of_all_mail(self):
        """It shows the others' mail and takes none of it along when it goes."""
        self.bring(self.write("One.mbox", b"From a@b Sat Nov 21 20:42:26 2026\n" + message(1)))
        self.roost("mailbox", "all", self.user, "All mail")
        self.assertEqual([row[3] for row in self.fetch("All mail")], [crlf(message(1))])
        rows = {row["mailbox"]: row for row in self.roost("mailbox", "list", self.user)}
        self.assertEqual((rows["All mail"]["use"], rows["All mail"]["messages"]), ("All", 1))
        self.roost("mailbox", "all", self.user, "Another", code=1)
        self.roost("mailbox", "delete", self.user, "All mail")
        self.assertNotIn("All mail", self.mailboxes())
        self.assertEqual(len(self.fetch("One")), 1)

    # ---- import

    def test_an_mbox_comes_with_flags_and_dates(self):
        path = self.write("Old.mbox", b"From a@b Sat Nov 21 20:42:26 2026\nStatus: RO\nX-Status: F\n"
                          b"X-Keywords: work $Junk\n" + message(1, ">From x\ny\n") +
                          b"\nFrom a@b Sun Nov 22 20:42:26 2026\n" + message(2) + b"\n")
        done = self.bring(path)
        self.assertEqual((done["imported"], done["left_out"], done["line_ends_made_crlf"]), (2, 0, 2))
        self.assertEqual(self.fetch("Old"), [
            (1, {"\\Seen", "\\Flagged", "work", "$Junk"}, "21-Nov-2026 20:42:26 +0000",
             crlf(message(1, "From x\ny\n"))),
            (2, set(), "22-Nov-2026 20:42:26 +0000", crlf(message(2)))])

    def test_a_second_run_brings_nothing_twice(self):
        same = b"From a@b Sat Nov 21 20:42:26 2026\n" + message(1) + b"\n"
        path = self.write("Twins.mbox", same + same)
        self.assertEqual(self.bring(path)["imported"], 2)  # two equal mails are two
        again = self.bring(path)
        self.assertEqual((again["imported"], again["already_there"]), (0, 2))
        with open(path, "ab") as out:
            out.write(same)
        again = self.bring(os.path.relpath(path))  # the same file by another name
        self.assertEqual((again["imported"], again["already_there"]), (1, 2))

    def test_a_mail_taken_out_of_an_mbox_changes_nothing(self):
        mails = [b"From a@b Sat Nov 21 20:42:26 2026\n" + message(n) + b"\n" for n in range(4)]
        path = self.write("Pack.mbox", b"".join(mails))
        self.assertEqual(self.bring(path)["imported"], 4)
        self.write("Pack.mbox", mails[0] + mails[3])
        again = self.bring(path)
        self.assertEqual((again["imported"], again["already_there"]), (0, 2))

    def test_what_was_moved_is_known(self):
        self.bring(self.write("m/1.eml", message(1)))
        imap = self.server.imap(self.user)
        imap.select("INBOX")
        self.assertEqual(imap.uid("MOVE", "1", "Archive")[0], "OK")
        imap.logout()
        self.assertEqual(self.bring(self.path("m/1.eml"))["already_there"], 1)

    def make_maildir(self):
        self.write("Maildir/cur/1500000001.M1P1.host:2,RSa", message(1), 1400000000)
        self.write("Maildir/cur/1500000002.M1P2.host:2,", message(2), 1700000000)  # a copy's mtime
        self.write("Maildir/new/1500000003.M1P3.host", message(3), 1500000003)
        self.write("Maildir/dovecot-uidlist", b"3 V1234567 N900 G00\n700 :1500000001.M1P1.host:2,S\n"
                   b"650 :1500000002.M1P2.host\n", None)
        self.write("Maildir/dovecot-keywords", b"0 $Label1\n")
        self.write("Maildir/.Work.Entw&APw-rfe/cur/1500000004.M1P4.host:2,DFTP", message(4), 1500000004)
        self.write("Maildir/.Empty/cur/.keep", b"")
        self.write("Maildir/.Empty/dovecot-uidlist", b"3 V7654321 N12\n")
        self.write("Maildir/tmp/garbage", b"half a mess")
        self.write("Maildir/subscriptions", b"V\t2\n\nWork\tEntw&APw-rfe\nGone.Folder\n")
        return self.path("Maildir")

    def check_maildir(self):
        inbox = self.fetch("INBOX")
        self.assertEqual([m[:3] for m in inbox], [
            (650, set(), "14-Jul-2017 02:40:02 +0000"),
            (700, {"\\Answered", "\\Seen", "$Label1"}, "13-May-2014 16:53:20 +0000"),
            (701, set(), "14-Jul-2017 02:40:03 +0000")])
        self.assertEqual([m[3] for m in inbox], [crlf(message(n)) for n in (2, 1, 3)])
        self.assertEqual([m[1] for m in self.fetch("Work/Entw&APw-rfe")],
                         [{"\\Draft", "\\Flagged", "\\Deleted", "$Forwarded"}])
        rows = self.mailboxes()
        self.assertEqual((rows["INBOX"]["uidvalidity"], rows["INBOX"]["uidnext"]), (1234567, 900))
        self.assertEqual((rows["Empty"]["uidvalidity"], rows["Empty"]["uidnext"]), (7654321, 12))
        self.assertEqual(rows["Work/Entwürfe"]["subscribed"], "yes")

    def test_a_maildir_keeps_uids_flags_folders_and_subscriptions(self):
        done = self.bring(self.make_maildir())
        self.assertEqual((done["imported"], done["left_out"]), (4, 0))
        self.check_maildir()
        self.assertEqual(self.bring(self.path("Maildir"))["already_there"], 4)
        self.check_maildir()

    def test_a_mailbox_in_use_keeps_its_own_uids(self):
        self.server.deliver(self.user, message(9))
        before = self.mailboxes()["INBOX"]["uidvalidity"]
        self.assertEqual(self.bring(self.make_maildir())["imported"], 4)
        self.assertEqual([m[0] for m in self.fetch("INBOX")], [1, 2, 3, 4])
        self.assertEqual(self.mailboxes()["INBOX"]["uidvalidity"], before)

    def test_an_mbox_goes_into_the_target(self):
        path = self.write("Pack.mbox", b"From a@b Sat Nov 21 20:42:26 2026\n" + message(1) + b"\n")
        self.roost("import", self.user, path, "--folder", "Old/2016")
        rows = self.mailboxes()
        self.assertEqual(rows["Old/2016"]["messages"], 1)
        self.assertNotIn("Old/2016/Pack", rows)

    def test_a_target_folder_takes_everything(self):
        self.roost("import", self.user, self.make_maildir(), "--folder", "Old/2017")
        rows = self.mailboxes()
        self.assertEqual(rows["Old/2017"]["messages"], 3)
        self.assertEqual(rows["Old/2017/Work/Entwürfe"]["messages"], 1)
        self.assertEqual(rows["INBOX"]["messages"], 0)

    def test_a_packed_archive_of_everything(self):
        tar = self.path("all.tar")
        box = self.write("x/Box.mbox", b"From a@b Sat Nov 21 20:42:26 2026\n" + message(1) + b"\n")
        mail = self.write("x/2.eml", message(2))
        deep = "d" * 90 + "/" + "e" * 90 + "/" + "f" * 90 + ".eml"
        with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out:
            out.add(box, "mail/Box.mbox")
            out.add(mail, "mail/2.eml")
            out.add(mail, deep)
            out.add(mail, "Maildir/.Sent/cur/1500000001.M1P1.host:2,S")
            out.add(self.path("x"), "mail/folder", recursive=False)
        subprocess.run(["zstd", "-q", "--rm", tar], check=True)
        done = self.bring(tar + ".zst")
        self.assertEqual((done["imported"], done["left_out"]), (4, 0), done)
        rows = self.mailboxes()
        self.assertEqual(rows["mail/Box"]["messages"], 1)
        self.assertEqual(rows["mail"]["messages"], 1)
        self.assertEqual(rows[os.path.dirname(deep)]["messages"], 1)
        self.assertEqual([m[1] for m in self.fetch("Sent")], [{"\\Seen"}])

    def test_what_is_bad_is_named_and_stops_nothing(self):
        self.write("d/1.eml", message(1))
        self.write("d/2.eml", b"")
        self.write("d/3.eml", message(3) + b"x" * (65 << 20))  # over message_max_bytes
        self.write("d/4.txt", b"\x7fELF no mail")
        self.write("d/5.tar", b"x" * 100)
        self.write("d/6.eml.zst", b"\x28\xb5\x2f\xfdbroken")
        self.write("d/7.eml", message(7))
        done = self.bring(self.path("d"), self.path("nowhere"), code=PARTLY)
        self.assertEqual(done["imported"], 2)
        self.assertEqual(sorted(os.path.basename(p["place"]) for p in done["problems"]),
                         ["3.eml", "4.txt", "5.tar", "6.eml.zst", "nowhere"])
        self.roost("import", "nobody-there", self.path("d"), code=1)

    def test_a_folder_that_cannot_be_made_is_named(self):
        path = self.write("bad\x07name.mbox", b"From a@b Sat Nov 21 20:42:26 2026\n" + message(1) + b"\n")
        done = self.bring(path, self.write("ok.eml", message(2)), code=PARTLY)
        self.assertEqual((done["imported"], done["left_out"]), (1, 2))

    def test_a_ring_of_links_ends(self):
        self.write("ring/1.eml", message(1))
        os.symlink(self.path("ring"), self.path("ring/again"))
        done = self.bring(self.path("ring"), code=PARTLY)
        self.assertEqual((done["imported"], done["left_out"]), (1, 1))

    def test_directories_have_a_depth(self):
        self.write("/".join(["deep"] + ["d"] * 64 + ["1.eml"]), message(1))
        self.write("/".join(["deeper"] + ["d"] * 65 + ["1.eml"]), message(1))
        self.assertEqual(self.bring(self.path("deep"))["imported"], 1)
        done = self.bring(self.path("deeper"), code=PARTLY)
        self.assertEqual([p["why"] for p in done["problems"]], ["it lies too deep"])

    # ---- export

    def digest(self, folder):
        """Every file's name, time and bytes below a folder."""
        out = {}
        for root, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(root, name)
                with open(path, "rb") as data:
                    out[os.path.relpath(path, folder)] = (
                        hashlib.sha256(data.read()).hexdigest(),
                        int(os.stat(path).st_mtime) if "/cur/" in path else 0)
        return out

    def test_export_and_import_are_inverse(self):
        self.bring(self.make_maildir())
        self.roost("mailbox", "create", self.user, "A/Example.com")
        self.server.deliver(self.user, crlf(message(5)))
        first = self.user
        self.assertEqual(self.roost("export", first, self.path("out"))["messages"], 5)
        self.user = next(self.users)
        self.assertEqual(self.bring(self.path("out"))["imported"], 5)
        self.roost("export", self.user, self.path("again"))
        self.assertEqual(self.digest(self.path("out")), self.digest(self.path("again")))
        self.roost("export", self.user, self.path("again"), code=1)  # not empty

    def test_others_read_the_maildir(self):
        self.bring(self.make_maildir())
        self.roost("export", self.user, self.path("out"))
        maildir = mailbox.Maildir(self.path("out"), create=False)
        self.assertEqual(len(maildir), 3)
        self.assertIn("Work.Entw&APw-rfe", maildir.list_folders())
        self.assertEqual(sorted(m.get_flags() for m in maildir), ["", "", "RSa"])

    def test_mbox_export_quotes_and_comes_back(self):
        body = "From x\n>From y\n\nFrom a@b Sat Nov 21 20:42:26 2026\nz\n"
        self.server.deliver(self.user, crlf(message(1, body)))
        stored = self.fetch("INBOX")[0][3]
        self.roost("export", self.user, self.path("out"), "--format", "mbox")
        box = mailbox.mbox(self.path("out/INBOX.mbox"))
        self.assertEqual(len(box), 1)
        box.close()
        self.user = next(self.users)
        self.bring(self.path("out/INBOX.mbox"))
        self.assertEqual([m[3] for m in self.fetch("INBOX")], [stored])

    # ---- the command line itself

    def test_configurations_are_checked(self):
        path = self.write("bad.conf", b'data = "."\n\nhostnmae = "x"\n')
        done = subprocess.run([ROOST, "check-config", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("bad.conf:3:", done.stderr)
        self.assertIn("hostname", done.stderr)
        done = subprocess.run([ROOST, "check-config", self.server.config], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        names = {row["name"] for row in self.roost("check-config", "--defaults")}
        self.assertTrue({"data", "imaps", "domains"} <= names)

    def test_every_subcommand_explains_itself(self):
        table = subprocess.run([ROOST, "help"], capture_output=True, text=True, check=True).stdout
        words = [line.split()[0] for line in table.splitlines() if line.startswith("  ")]
        self.assertIn("import", words)
        for word in words:
            for words in ([word, "--help"], ["help", word]):
                done = subprocess.run([ROOST, *words], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, word)
                self.assertIn("usage: roost " + word, done.stdout)

    def test_nonsense_is_refused(self):
        for words in (["nonsense"], ["import"], ["import", self.user, "x", "--mbox", "what"],
                      ["export", self.user], ["mailbox", "list"], ["session", "kick"],
                      ["status", "x"], ["status", "--account", self.user],
                      ["quarantine"], ["quarantine", "list", "x"], ["quarantine", "clear"],
                      ["quarantine", "clear", "x", "--account", "1"],
                      ["import", self.user, "x", "--what"]):
            done = subprocess.run([ROOST, *words, "-c", self.server.config], capture_output=True)
            self.assertEqual(done.returncode, 2, words)
            self.assertTrue(done.stderr)


class Quarantine(unittest.TestCase):
    """Accounts that are listed when the server starts, as crashes leave them (test_supervision)."""

    def setUp(self):
        self.server = Server(users=3).start()
        self.addCleanup(self.server.close)
        for user in ("u1", "u2"):
            self.deliver(user)
        self.accounts = {row["user"]: row["account"] for row in self.roost("status", "--space", "--accounts", "9")}
        self.server.stop()
        with open(os.path.join(self.server.data, "run", "quarantine"), "w", encoding="ascii") as out:
            out.write("%d\n%d\n" % (int(self.accounts["u1"], 16), 77))
        self.server.start()

    def roost(self, *words, code=0):
        done = subprocess.run([ROOST, *words, "-c", self.server.config, "--json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else None

    def deliver(self, user):
        imap = self.server.imap(user)
        try:
            self.assertEqual(imap.append("INBOX", None, None, message(1))[0], "OK")
        finally:
            imap.shutdown()

    def is_served(self, user):
        try:
            self.deliver(user)
            return True
        except (imaplib.IMAP4.error, OSError):
            return False

    def test_who_is_in_it_comes_back_when_cleared(self):
        self.assertFalse(self.is_served("u1"))
        self.deliver("u2")
        rows = self.roost("quarantine", "list")
        self.assertEqual({(row["user"], row["account"]) for row in rows},
                         {("u1", self.accounts["u1"]), ("(deleted)", "%016x" % 77)})
        self.roost("quarantine", "clear", "u2", code=1)
        self.roost("quarantine", "clear", "U1")
        wait_for(lambda: self.is_served("u1"), self.server.log)
        self.roost("quarantine", "clear", "u1", code=1)
        self.roost("quarantine", "clear", "--account", "%016x" % 77)
        self.assertEqual(self.roost("quarantine", "list"), [])
        self.server.stop()
        self.server.start()
        self.assertTrue(self.is_served("u1"))


class Interrupted(unittest.TestCase):
    """The server, or the import, dies in the middle: a second run brings the rest and nothing twice."""

    N = 12000

    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        self.folder = tempfile.mkdtemp(prefix="roost-cli-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "Many.mbox")
        with open(self.path, "wb") as out:
            for n in range(self.N):
                out.write(b"From a@b Sat Nov 21 20:42:26 2026\n" + message(n % 1000, "x" * 500 + "\n") + b"\n")

    def words(self):
        return [ROOST, "import", "u1", self.path, "--json", "-c", self.server.config]

    def count(self):
        done = subprocess.run([ROOST, "mailbox", "list", "u1", "--json", "-c", self.server.config],
                              capture_output=True, text=True)
        rows = json.loads(done.stdout) if done.returncode == 0 else []
        return sum(row["messages"] for row in rows if row["mailbox"] == "Many")

    def finish(self, process):
        self.assertNotEqual(process.wait(), 0)
        before = self.count()
        done = json.loads(subprocess.run(self.words(), capture_output=True, check=True).stdout)
        # What was on its way when the first import ended is brought still: the second waits for it.
        self.assertGreaterEqual(done["already_there"], before)
        self.assertEqual(done["imported"], self.N - done["already_there"])
        self.assertEqual(self.count(), self.N)

    def begin(self):
        """An import that has brought some."""
        process = subprocess.Popen(self.words(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.count() > 0 or process.poll() is not None, "some are there")
        return process

    def test_the_server_is_killed(self):
        process = self.begin()
        for pid in sum(self.server.roles().values(), []) + [self.server.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # ended with another of them
        self.server.process.wait()
        process.wait()
        self.server.start()
        self.finish(process)

    def test_mail_is_killed(self):
        process = self.begin()
        os.kill(self.server.roles()["mail"][0], signal.SIGKILL)
        process.wait()
        wait_for(lambda: self.count() > 0, "mail is back")
        self.finish(process)

    def test_the_import_is_stopped(self):
        process = self.begin()
        process.terminate()
        self.finish(process)


if __name__ == "__main__":
    unittest.main()
