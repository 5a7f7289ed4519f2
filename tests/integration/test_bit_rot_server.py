"""Bit rot met by a real server: it serves what is sound, says what is not, and mends what it can."""

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, sample

PARTLY = 3
MESSAGES = 40
USERS = ("u1", "u2", "u3")
FLIPS = 12
LOOKED_THROUGH = 512 << 20  # STATE_CHECK_BYTES


class BitRot(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=len(USERS)).start()
        self.addCleanup(self.server.close)
        for number in range(1, MESSAGES + 1):
            for user in USERS:
                self.server.deliver(user, sample(number, 2000))
        self.truth = {user: self.picture(user) for user in USERS}

    def roost(self, *words, code=0):
        done = subprocess.run([ROOST, *words, "-c", self.server.config, "--json"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr + self.server.log())
        return json.loads(done.stdout)

    def picture(self, user):
        """Everything of INBOX, message by message; None for what the server refuses."""
        with self.server.wire(user) as wire:
            lines, tagged = wire.command("SELECT INBOX")
            if not tagged.startswith(b"OK"):
                return None
            exists = [int(m.group(1)) for m in (re.match(rb"\* (\d+) EXISTS", l) for l in lines) if m]
            seen = {}
            for seq in range(1, exists[0] + 1):
                lines, tagged = wire.command("FETCH %d (UID FLAGS BODY.PEEK[])" % seq)
                seen[seq] = lines[0] if tagged.startswith(b"OK") and lines else None
            return seen

    def flip(self, name, bit):
        path = os.path.join(self.server.data, "mail", name)
        with open(path, "r+b") as file:
            file.seek(bit // 8)
            (byte,) = file.read(1)
            file.seek(bit // 8)
            file.write(bytes([byte ^ 1 << bit % 8]))

    def files(self):
        root = os.path.join(self.server.data, "mail")
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                dead = name in ("lock", "lock.mdb", "ballast") or name.endswith(".spare")
                if not dead and os.path.getsize(path) > 0:
                    yield os.path.relpath(path, root), os.path.getsize(path)

    def test_a_sound_store_passes(self):
        self.assertEqual(self.roost("scrub"), [])
        found = self.roost("check")
        self.assertEqual(found["losses"], [])
        self.assertEqual(found["sum"][0]["messages"], MESSAGES * len(USERS))
        status = self.roost("status")
        self.assertEqual(status["scrub"][0]["scrub_findings"], 0)
        self.assertNotEqual(status["scrub"][0]["scrub_ended"], 0)
        self.server.stop()
        found = self.roost("check", "--offline")
        self.assertEqual(found["losses"], [])

    def test_flips_never_make_it_lie(self):
        dice = random.Random(7)
        store, sealed = os.path.join(self.server.data, "mail"), self.server.data + ".sealed"
        self.server.stop()
        subprocess.run(["cp", "-a", store, sealed], check=True)  # owners too
        self.addCleanup(shutil.rmtree, sealed)
        for _ in range(FLIPS):
            shutil.rmtree(store)
            subprocess.run(["cp", "-a", sealed, store], check=True)
            name, size = dice.choice(sorted(self.files()))
            bit = dice.randrange(size * 8)
            self.flip(name, bit)
            self.server.start()
            for user in USERS:
                now = self.picture(user)
                for seq, line in (now or {}).items():
                    self.assertIn(line, (None, self.truth[user][seq]), (name, bit, user))
                self.assertTrue(now is None or len(now) == MESSAGES, (name, bit, user))
            self.server.stop()

    def test_an_account_without_its_root_is_made_anew(self):
        self.server.stop()
        state = os.path.join(self.server.data, "mail", "state", "data.mdb")
        wanted = self.account("u2").to_bytes(8, "big")
        with open(state, "rb") as file:
            data = bytearray(file.read())
        at = -1
        while (at := data.find(wanted, at + 1)) >= 0:  # each row that is the account's own
            data[at + 7] ^= 1
        with open(state, "wb") as file:
            file.write(data)
        self.the_account_is_made_anew()

    def test_a_large_state_with_a_damaged_root_costs_that_account(self):
        """Longer than what is looked through at each start: sparse, its pages are the same."""
        self.server.stop()
        self.spoil_large_state(self.account("u2"))
        self.the_account_is_made_anew()

    def test_a_large_state_with_a_damaged_mark_of_a_removed_account(self):
        self.server.run("user", "add", "gone")
        self.server.deliver("gone", sample(1, 2000))
        self.server.stop()
        account = self.account("gone")
        self.server.start()
        self.server.run("user", "delete", "gone", "--yes")
        self.server.logged(" account.removed ")
        self.server.stop()
        self.spoil_large_state(account)
        self.server.start()
        self.server.logged("mark of a removed account")
        for user in USERS:
            self.assertEqual(self.picture(user), self.truth[user])
        self.assertEqual(self.roost("check")["losses"], [])

    def spoil_large_state(self, account):
        """Every row whose whole key is the account's number."""
        state = os.path.join(self.server.data, "mail", "state", "data.mdb")
        with open(state, "r+b") as file:
            data = file.read()
            for at in (m.start() for m in re.finditer(re.escape(account.to_bytes(8, "big")), data)):
                if data[at - 2:at] == b"\x08\x00":  # the key's length; its value is behind it
                    file.seek(at + 12)
                    file.write(bytes([data[at + 12] ^ 1]))
            file.truncate(LOOKED_THROUGH + 1)

    def the_account_is_made_anew(self):
        self.server.start()
        self.assertEqual(self.picture("u1"), self.truth["u1"])
        self.assertEqual(self.picture("u3"), self.truth["u3"])
        found = self.roost("check", code=PARTLY)
        self.assertEqual([loss["lost"] for loss in found["losses"]], ["account"])
        found = self.roost("check", "--repair", code=PARTLY)
        self.assertEqual(found["sum"][0]["repaired"], 1)
        now = self.picture("u2")
        bodies = lambda seen: sorted(line.split(b"}\r\n", 1)[-1] for line in seen.values())
        self.assertEqual(bodies(now), bodies(self.truth["u2"]))
        self.assertEqual(self.roost("check")["losses"], [])

    def test_a_mailbox_without_its_messages_is_counted_and_left(self):
        """SELECT says what stands with the account; what needs the messages is refused, and nothing else."""
        self.server.stop()
        state = os.path.join(self.server.data, "mail", "state", "data.mdb")
        wanted = rb"RoPg\x06[\x04\x05]\0\0" + re.escape(self.account("u2").to_bytes(8, "little"))
        with open(state, "rb") as file:
            data = bytearray(file.read())
        pages = list(re.finditer(wanted, data, re.DOTALL))
        self.assertNotEqual(pages, [])
        for page in pages:
            data[page.end() + 8 + 20] ^= 1  # behind the page's number, among the rows
        with open(state, "wb") as file:
            file.write(data)
        self.server.start()
        self.assertEqual(self.picture("u1"), self.truth["u1"])
        with self.server.wire("u2") as wire:
            self.assertIn(b"* %d EXISTS" % MESSAGES, wire.ok("SELECT INBOX"))
            for _ in range(2):
                for command in ("FETCH 1 FLAGS", "UID SEARCH ALL", "STORE 1 +FLAGS (\\Seen)"):
                    lines, tagged = wire.command(command)
                    self.assertRegex(tagged, rb"^NO .*[Dd]amaged")
                    self.assertEqual(lines, [])
                wire.ok("NOOP")
                wire.ok("STATUS INBOX (MESSAGES UNSEEN)")
                wire.done(wire.idle())
            wire.ok("SELECT Drafts")
            wire.ok("UID FETCH 1:* FLAGS")
            wire.ok("SELECT INBOX")
            wire.ok("UNSELECT")
            wire.ok("LOGOUT")
        found = self.roost("check", "--repair", code=PARTLY)
        self.assertEqual([loss["lost"] for loss in found["losses"]], ["mailbox"])
        self.assertEqual(len(self.picture("u2")), MESSAGES)

    def test_credentials_damaged_in_one_page_serve_the_others(self):
        for number in range(5):
            self.server.run("alias", "add", "alias%d" % number, "u1")
        self.server.stop()
        path = os.path.join(self.server.data, "auth", "auth.db")
        database = sqlite3.connect(path)
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'aliases_account'").fetchone()
        database.close()
        self.flip("../auth/auth.db", ((root - 1) * 4096 + 4000) * 8)
        self.server.start()
        self.assertEqual(self.picture("u1"), self.truth["u1"])
        found = self.roost("scrub", code=PARTLY)
        self.assertEqual([(row["file"], row["offset"]) for row in found],
                         [("auth.db", (root - 1) * 4096)])
        self.assertIn("first=%d" % root, self.server.logged("auth.damaged ")[0])

    def account(self, user):
        """Its id: the first column of the table of accounts that auth keeps."""
        database = sqlite3.connect(os.path.join(self.server.data, "auth", "auth.db"))
        (number,) = database.execute("SELECT id FROM accounts WHERE name = ?", (user,)).fetchone()
        database.close()
        return number % 2**64


if __name__ == "__main__":
    unittest.main()
