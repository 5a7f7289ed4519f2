"""People make their own devices: second factors, recovery codes, enrolment on the command line, profiles and codes for phones."""

import glob
import hashlib
import imaplib
import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import ROOST, Server, wait_for
import totp

PASSWORD = "an account password of anna"


class Enrol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=2, breached_passwords="stolen").start()
        cls.breached(["password", "123456", "a stolen password", "another stolen one"])
        cls.addClassCleanup(cls.server.close)
        cls.shown = []  # every secret that was shown or typed
        cls.names = iter("person%d" % i for i in range(100))

    @classmethod
    def breached(cls, passwords, by=None):
        lines = sorted(("%s:%d\r\n" % (hashlib.sha1(text.encode()).hexdigest().upper(), n + 1)
                        for n, text in enumerate(passwords)), key=by)
        with open(os.path.join(cls.server.data, "stolen"), "w", encoding="ascii", newline="") as out:
            out.writelines(lines)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="roost-enrol-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)

    def run_roost(self, *words, stdin=None, code=0):
        done = subprocess.run([ROOST, *words, "-c", self.server.config], input=stdin, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def roost(self, *words, **options):
        return json.loads(self.run_roost(*words, "--json", **options).stdout)

    def person(self, password=PASSWORD):
        """A user with an account password."""
        name = next(self.names)
        self.roost("user", "add", name, "--password-stdin", stdin=password + "\n")
        self.shown.append(password)
        return name

    def enable(self, name):
        """The app of a new second factor, and the recovery codes."""
        process = subprocess.Popen([ROOST, "totp", "enable", name, "--json", "-c", self.server.config], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        first = ""
        for line in process.stdout:
            first += line
            if line == "]\n":
                break
        (row,) = json.loads(first)
        app = totp.App(row["secret"])
        rest, _ = process.communicate(app.next() + "\n")
        self.assertEqual(process.returncode, 0)
        codes = [row["recovery_code"] for row in json.loads(rest)]
        self.shown.extend([row["secret"], *codes])
        return app, codes, row["uri"]

    def enrol(self, name, password, code, *options, device="phone"):
        (row,) = self.roost("device", "enrol", name, device, "--password-stdin", *options, stdin="%s\n%s\n" % (password, code))
        self.shown.append(row["password"])
        return row

    def refused(self, name, password, code):
        return self.run_roost("device", "enrol", name, "phone", "--password-stdin", stdin="%s\n%s\n" % (password, code),
                              code=1).stderr

    def log_in(self, name, password):
        client = imaplib.IMAP4_SSL("localhost", self.server.imaps_port, ssl_context=self.server.tls_context())
        client.login(name, password)
        return client

    def devices(self, name):
        return {row["name"]: row for row in self.roost("device", "list", name)}

    def test_the_app_of_another_hand_shows_the_same_codes(self):
        for at in (59, 1111111109, 1234567890, 20000000000):
            self.assertIn(totp.judged("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", at),
                          (None, totp.code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", at)))

    def test_from_the_account_password_to_a_mailbox(self):
        name = self.person()
        (before,) = self.roost("totp", "status", name)
        self.assertEqual((before["state"], before["codes_left"]), ("none", 0))
        app, codes, uri = self.enable(name)
        label, parameters = totp.read_uri(uri)
        self.assertEqual(label, "localhost:" + name)
        self.assertEqual((parameters["secret"], parameters["issuer"], parameters["digits"], parameters["period"]),
                         (app.secret, "localhost", "6", "30"))
        self.assertEqual(len(set(codes)), 10)
        code = app.next()
        row = self.enrol(name, PASSWORD, code, "--read-only", device="phone")
        client = self.log_in(name, row["password"])
        self.assertEqual(client.append("INBOX", None, None, b"Subject: x\r\n\r\n")[0], "NO")
        client.logout()
        self.assertEqual(self.devices(name)["phone"]["access"], "read-only")
        # A code is good once, and so is one on paper; the device's own password opens no way to further ones.
        texts = {self.refused(name, PASSWORD, code), self.refused(name, row["password"], app.next())}
        paper = self.enrol(name, PASSWORD, codes[7].upper().replace("-", " "), device="tablet")
        self.log_in(name, paper["password"]).logout()
        texts.add(self.refused(name, PASSWORD, codes[7]))
        (after,) = self.roost("totp", "status", name)
        self.assertEqual((after["state"], after["codes_left"]), ("enabled", 9))
        fresh = [row["recovery_code"] for row in self.roost("totp", "codes", name)]
        self.shown.extend(fresh)
        self.assertFalse(set(fresh) & set(codes))
        texts.add(self.refused(name, PASSWORD, codes[0]))
        self.assertEqual(len(texts), 1, texts)
        self.run_roost("totp", "disable", name)
        self.run_roost("totp", "disable", name, code=1)
        self.log_in(name, row["password"]).logout()
        logins = [line for line in self.server.audited("enrol.login") if line["user.name"] == name]
        self.assertEqual([line["roost.factor"] for line in logins], ["totp", "recovery_code"])
        reasons = [line["event.reason"] for line in self.server.audited("enrol.refused", 4) if line["user.name"] == name]
        self.assertEqual(sorted(reasons), ["wrong_code", "wrong_code", "wrong_code", "wrong_password"])
        for lines in (self.server.audited("totp.enabled"), self.server.audited("totp.disabled"), self.server.audited("totp.codes")):
            self.assertIn(name, [line["user.target.name"] for line in lines])
        made = [line for line in self.server.audited("device.added", 3) if line["user.target.name"] == name]
        self.assertEqual([line.get("roost.by") for line in made], ["user", "user"])

    def test_whatever_is_wrong_the_words_are_the_same(self):
        whole, half, bare = self.person(), self.person(), self.person()
        self.run_roost("user", "passwd", bare, "--none")
        self.enable(whole)
        texts = {self.refused(whole, PASSWORD, "000000"), self.refused(whole, "wrong", "000000"),
                 self.refused(half, PASSWORD, "000000"), self.refused(bare, PASSWORD, "000000"),
                 self.refused("nobody", PASSWORD, "000000"), self.refused("admin", PASSWORD, "abcd-efgh-ijkl-mnop")}
        self.assertEqual(texts, {"roost: User name, password or code is wrong\n"})
        reasons = {(line["user.name"], line["event.reason"]) for line in self.server.audited("enrol.refused", 6)}
        self.assertGreaterEqual(reasons, {(whole, "wrong_code"), (whole, "wrong_password"), (half, "no_second_factor"),
                                          (bare, "wrong_password"), ("nobody", "unknown_user")})
        self.assertEqual(self.devices(whole).keys(), {"first device"})

    def test_a_wrong_first_code_enables_nothing(self):
        name = self.person()
        done = self.run_roost("totp", "enable", name, stdin="123\n", code=1)
        self.assertIn("check the clock", done.stderr)
        self.assertEqual(self.roost("totp", "status", name)[0]["state"], "begun")
        self.enable(name)
        self.assertIn("disable it first", self.run_roost("totp", "enable", name, stdin="\n", code=1).stderr)

    def test_a_profile_for_apple(self):
        name = self.person()
        path = os.path.join(self.folder, "anna.mobileconfig")
        device = "<Anna's> & \"mine\""
        (row,) = self.roost("device", "add", name, device, "--mobileconfig", path)
        self.shown.append(row["password"])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as file:
            profile = plistlib.load(file)
        (mail,) = profile["PayloadContent"]
        self.assertEqual(profile["PayloadDescription"], device)
        self.assertEqual((mail["IncomingMailServerHostName"], mail["IncomingMailServerPortNumber"],
                          mail["IncomingPassword"], mail["OutgoingMailServerHostName"]),
                         ("localhost", self.server.imaps_port, row["password"], "localhost"))
        self.log_in(mail["IncomingMailServerUsername"], mail["IncomingPassword"]).logout()
        # A file that is there is not written over, and then no device is made.
        self.run_roost("device", "add", name, "second", "--mobileconfig", path, code=1)
        self.assertNotIn("second", self.devices(name))
        printed = self.run_roost("device", "add", name, "third", "--mobileconfig", "-").stdout
        self.shown.append(plistlib.loads(printed.encode())["PayloadContent"][0]["IncomingPassword"])

    @staticmethod
    def modules(text):
        """The picture on a terminal as rows of dark modules."""
        rows = []
        for line in re.findall("\033\\[30;107m(.*)\033\\[0m\n", text):
            rows.append([c in "\u2580\u2588" for c in line])
            rows.append([c in "\u2584\u2588" for c in line])
        return rows

    def assert_is_code(self, text):
        """Three finder patterns (ISO/IEC 18004 6.3.3) and four light modules around."""
        rows = self.modules(text)
        side = len(rows[0])
        self.assertGreater(side, 29)
        self.assertEqual({len(row) for row in rows}, {side})
        self.assertIn(len(rows) - side, (0, 1))
        edge = [7 * [True], [True, False, False, False, False, False, True]]
        ring = [True, False, True, True, True, False, True]
        finder = [edge[0], edge[1], ring, ring, ring, edge[1], edge[0]]
        for top, left in ((4, 4), (4, side - 11), (side - 11, 4)):
            self.assertEqual([row[left:left + 7] for row in rows[top:top + 7]], finder)
        for index in (*range(4), *range(side - 4, side)):
            self.assertFalse(any(rows[index]) or any(row[index] for row in rows))
        return rows

    def test_codes_for_phones(self):
        name = self.person()
        done = self.run_roost("totp", "enable", name, stdin="\n", code=1)
        self.assert_is_code(done.stdout)
        done = self.run_roost("device", "add", name, "phone", "--qr")
        self.assert_is_code(done.stdout)
        self.shown.append(re.search("[a-z2-7-]{24}", done.stdout).group())

    def test_a_changed_device_has_new_rights_at_once(self):
        name = self.person()
        (row,) = self.roost("device", "add", name, "desk", "--days", "3")
        self.shown.append(row["password"])
        number = str(row["device"])
        client = self.log_in(name, row["password"])
        message = b"Subject: x\r\n\r\n"
        self.assertEqual(client.append("INBOX", None, None, message)[0], "OK")
        self.run_roost("device", "change", name, number, "--read-only", "--name", "old desk", "--for-ever")

        def is_over():
            try:
                client.noop()
            except (imaplib.IMAP4.abort, OSError):
                return True
            return False
        wait_for(is_over, "the session's end")
        client = self.log_in(name, row["password"])
        self.assertEqual(client.append("INBOX", None, None, message)[0], "NO")
        device = self.devices(name)["old desk"]
        self.assertEqual((device["access"], device["scope"], device["expires"]), ("read-only", "both", None))
        self.run_roost("device", "change", name, number, "--scope", "send", "--network", "192.0.2.0/24")
        with self.assertRaises(imaplib.IMAP4.error):
            self.log_in(name, row["password"])
        self.run_roost("device", "change", name, number, "--scope", "both", "--network", "", "--full")
        self.log_in(name, row["password"]).logout()
        self.run_roost("device", "change", name, number, "--scope", "all", code=1)
        self.run_roost("device", "change", name, "99999", "--full", code=1)
        self.assertEqual([line["roost.access"] for line in self.server.audited("device.changed", 3)
                          if line["user.target.name"] == name], ["read-only", "read-only", "full"])
        (legacy,) = json.loads(self.run_roost("status", "--json").stdout)["account_passwords"]
        self.assertEqual((legacy["users"], legacy["recent"]), (0, 0))

    def test_devices_of_many_from_a_file(self):
        one, two = self.person(), self.person()
        path = os.path.join(self.folder, "users.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write("user,name,scope,rights,networks,expiry\r\n"
                       + one + ",phone,,,,\r\n"
                       + two + ',"Scanner, ""2nd"" floor",send,full,192.0.2.0/24 2001:db8::/32,2047-12-31\r\n'
                       "# not now\r\n\r\n"
                       "nobody,phone,both,full,,\r\n"
                       + one + ",x,some,full,,\r\n"
                       + one + ",y,both,full,,2047-02-30\r\n"
                       + one + ',"z,both\r\n'
                       + one + ",a,b,c,d,e,f\r\n"
                       + two + ",tablet,imap,read-only")
        done = self.run_roost("device", "add", "--file", path, "--json", code=3)
        rows = json.loads(done.stdout)
        self.shown.extend(row["password"] for row in rows)
        self.assertEqual([row["user"] for row in rows], [one, two, two])
        for number in (6, 7, 8, 9, 10):
            self.assertIn("line %d:" % number, done.stderr)
        self.log_in(one, rows[0]["password"]).logout()
        scanner = self.devices(two)['Scanner, "2nd" floor']
        self.assertEqual((scanner["scope"], scanner["networks"].split(), scanner["expires"][:10]),
                         ("send", ["192.0.2.0/24", "2001:db8::/32"], "2048-01-01"))
        self.assertEqual(self.devices(two)["tablet"]["access"], "read-only")
        self.run_roost("device", "add", "--file", path + "x", code=1)
        self.run_roost("device", "add", "--file", path, one, "phone", code=2)

    def test_stolen_and_short_passwords_are_refused(self):
        name = self.person()

        def set_to(password, code):
            return self.run_roost("user", "passwd", name, "--password-stdin", stdin=password + "\n", code=code).stderr

        self.assertIn("stolen somewhere", set_to("a stolen password", 1))
        self.assertIn("too short (password: want 12", set_to("elevenchars", 1))
        self.assertEqual(set_to("a password not stolen yet", 0), "")
        self.run_roost("user", "add", "newcomer", "--password-stdin", stdin="another stolen one\n", code=1)
        self.assertNotIn("newcomer", [row["user"] for row in self.roost("user", "list")])
        self.addCleanup(self.breached, ["password"])
        self.breached(["password", "a stolen password", "x", "y"], by=lambda line: [-ord(c) for c in line])
        self.assertIn("not sorted", set_to("a stolen password", 1))
        os.unlink(os.path.join(self.server.data, "stolen"))
        self.assertIn("cannot be opened", set_to("a password not stolen yet", 1))

    def test_a_change_of_password_or_account_takes_effect(self):
        name = self.person()
        app, codes, _ = self.enable(name)
        self.run_roost("user", "passwd", name, "--password-stdin", stdin="another password of hers\n")
        self.shown.append("another password of hers")
        self.refused(name, PASSWORD, codes[0])
        self.enrol(name, "another password of hers", codes[0])
        self.run_roost("user", "disable", name)
        self.refused(name, "another password of hers", codes[1])
        self.run_roost("user", "enable", name)
        self.enrol(name, "another password of hers", codes[1], device="tablet")

    @classmethod
    def tearDownClass(cls):
        """No secret in the log, the audit log, or any file but the credentials themselves (where all are sealed)."""
        log = cls.server.log()
        files = [path for path in glob.glob(os.path.join(cls.server.data, "**"), recursive=True) if os.path.isfile(path)]
        blobs = [log.encode()]
        for path in files:
            with open(path, "rb") as file:
                blobs.append(file.read())
        for secret in cls.shown:
            for form in {secret, secret.replace("-", "")}:
                assert not any(form.encode() in blob for blob in blobs), "a secret was written: %r" % secret
        assert cls.shown


if __name__ == "__main__":
    unittest.main()
