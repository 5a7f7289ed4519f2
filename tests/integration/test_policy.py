"""Rules about logins with a real server: each verdict, each thing that rules ask about, every way in, and sessions that
were there before the rules changed."""

import base64
import json
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from certificates import CA, Authority
from enrolment import PASSWORD, Browser, PageServer, Person
from idp_provider import idp_folder
from roost_server import DEADLINE_SEC, Wire, sample, wait_for
from scram_client import Scram
from token_issuer import ISSUER, Issuer, Key, oauthbearer, write_provider, xoauth2

HOME = "127.0.0.1"
AWAY = "127.1.0.1"  # another /24 than HOME's


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PageServer(passwd_file="", domains=["example.org"], legacy_passwords="until 2099-01-01", idp_folder="idp",
                                oauth=["here"])
        cls.addClassCleanup(cls.server.close)
        cls.issuer = Issuer()
        cls.addClassCleanup(cls.issuer.close)
        cls.key = Key("k", "ES256")
        cls.issuer.keys = [cls.key]
        write_provider(idp_folder(cls.server), "here", {"issuer": ISSUER, "audience": ["mail"], "keys": cls.issuer.url + "/certs"})
        os.chmod(cls.server.data, 0o755)
        folder = os.path.join(cls.server.data, "rules")
        os.mkdir(folder, 0o755)
        cls.file = os.path.join(folder, "policy")
        cls.auth_socket = os.path.join(cls.server.folder, "auth.sock")
        ca = cls.ca = Authority(os.path.join(cls.server.folder, "ca"))
        os.chmod(ca.folder, 0o755)
        ca.make("root", "root", CA)
        ca.make("inner", "root", {**CA, "authorityKeyIdentifier": "keyid", "basicConstraints": "critical,CA:TRUE,pathlen:0"})
        good = ca.client("good")
        cls.certificate = ca.bundle("sent.pem", good + ".pem", "inner.pem"), ca.path(good + ".key")
        cls.lists = ca.bundle("lists.pem", ca.crl("root", "root"), ca.crl("inner", "inner"))
        cls.write("allow\n")
        cls.server.set(policy_file=cls.file, auth_socket=cls.auth_socket, client_ca=ca.bundle("cas.pem", "root.pem"),
                       client_crl=cls.lists)
        cls.server.start()
        cls.anna = Person(cls.server, "anna")
        cls.server.run("group", "create", "sales")
        cls.phone = cls.device("phone")
        cls.kiosk = cls.device("kiosk-1")
        cls.server.run("device", "add", "anna", "laptop", "--certificate", ca.path(good + ".pem"))

    @classmethod
    def device(cls, name, *options):
        return json.loads(cls.server.run("device", "add", "anna", name, "--json", *options).stdout)[0]

    @classmethod
    def write(cls, text):
        with open(cls.file + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(cls.file + ".new", 0o644)
        os.replace(cls.file + ".new", cls.file)

    def explain(self, address, *options):
        done = self.server.run("explain", "login", "anna", address, *options, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @classmethod
    def rules(cls, text):
        """The server's rules from now on; the comment makes each file another."""
        count = cls.server.log().count("policy.loaded")
        cls.write("# %d\n%s" % (count, text))
        cls.server.run("reload")
        cls.server.logged("policy.loaded", count + 1)

    def setUp(self):
        self.rules("allow\n")

    # ---- clients

    def wire(self, source=HOME, certificate=None):
        sock = socket.create_connection(("127.0.0.1", self.server.imaps_port), timeout=DEADLINE_SEC,
                                        source_address=(source, 0))
        context = self.server.tls_context()
        if certificate is not None:
            context.load_cert_chain(*certificate)
        wire = Wire(context.wrap_socket(sock, server_hostname="localhost"))
        self.addCleanup(wire.close)
        wire.line()
        return wire

    def login(self, source=HOME, certificate=None, device=None, password=None):
        """(wire, the tagged answer)"""
        wire = self.wire(source, certificate)
        answer = wire.command('LOGIN anna "%s"' % (password or (device or self.phone)["password"]))[1].decode()
        return wire, answer

    def came_in(self, **options):
        return self.login(**options)[1].startswith("OK")

    def scram(self):
        wire = self.wire()
        exchange = Scram("anna", self.phone["password"])
        wire.raw(b"s AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(exchange.first()) + b"\r\n")
        line = wire.line()
        self.assertTrue(line.startswith(b"+ "), line)
        wire.raw(base64.b64encode(exchange.final(base64.b64decode(line[2:]))) + b"\r\n")
        line = wire.line()
        if line.startswith(b"+"):
            wire.raw(b"\r\n")
            line = wire.line()
        return line.decode()

    def by_token(self, message, mechanism="OAUTHBEARER", certificate=None):
        """(wire, the tagged answer) of a login by an access token."""
        wire = self.wire(certificate=certificate)
        wire.raw(b"t AUTHENTICATE %s %s\r\n" % (mechanism.encode(), message(self.key.token(email="anna@example.org")).encode()))
        line = wire.line()
        if line.startswith(b"+ "):  # why it was refused
            wire.raw(b"AQ==\r\n" if mechanism == "OAUTHBEARER" else b"\r\n")
            line = wire.line()
        self.assertTrue(line.startswith(b"t "), line)
        return wire, line[2:].decode()

    def revoke(self, *names):
        """A new list of the client certificates' CA; the old one comes back behind the test."""
        ca = self.ca
        self.addCleanup(os.rename, ca.bundle("lists.old", "root.crl", "inner.crl"), self.lists)
        os.rename(ca.bundle("lists.new", "root.crl", ca.crl("inner-new", "inner", names)), self.lists)

    def submit(self, source=HOME):
        """The answer of the socket where a mail server asks."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE_SEC)
            sock.connect(self.auth_socket)
            lines = sock.makefile("rwb")
            while lines.readline() != b"DONE\n":
                pass
            lines.write(("VERSION\t1\t2\nCPID\t%d\nAUTH\t1\tPLAIN\tservice=smtp\tsecured\trip=%s\tresp=%s\n" % (
                os.getpid(), source, b64("\0anna\0" + self.phone["password"]))).encode())
            lines.flush()
            return lines.readline().decode()

    def refused_by(self, reason, count=1):
        return self.server.logged("login.refused", count) and reason in self.server.log()

    # ---- verdicts

    def test_deny_says_little_and_is_audited(self):
        self.rules("deny user anna\nallow\n")
        _, answer = self.login()
        self.assertTrue(answer.startswith("NO [AUTHORIZATIONFAILED] Access rules"), answer)
        self.assertFalse(self.login(password="wrong")[1].startswith("NO [AUTHORIZATIONFAILED]"))
        self.server.logged('reason=policy')
        line = self.server.logged("policy.login")[-1]
        self.assertEqual(self.server.audited("policy.login")[-1]["event.reason"], "deny")
        for word in ("address=127.0.0.1", "reason=deny", "mode=enforce", "user=anna", "rule=2"):
            self.assertIn(word, line)

    def test_read_only_reads(self):
        self.rules("read-only device kiosk-*\nallow\n")
        wire, answer = self.login(device=self.kiosk)
        self.assertTrue(answer.startswith("OK"), answer)
        self.assertIn(b"[READ-ONLY]", wire.command("SELECT INBOX")[1])
        self.assertTrue(wire.command("CREATE x")[1].startswith(b"NO"))
        wire, _ = self.login()
        self.assertIn(b"[READ-WRITE]", wire.command("SELECT INBOX")[1])

    def test_mailboxes_are_hidden_or_only_read(self):
        wire, _ = self.login()
        for name in ("Private", "Private/in", "Work", "Work/in", "Team", "Team/closed"):
            wire.ok("CREATE " + name)
        wire.append("Work", sample(1))
        self.rules("deny mailbox Private, Team/closed\nread-only mailbox Work\nallow\n")
        wire, _ = self.login()
        listed = b"\n".join(wire.ok('LIST "" *'))
        self.assertNotIn(b"Private", listed)
        self.assertNotIn(b"closed", listed)
        self.assertIn(b"Work/in", listed)
        missing = wire.command("SELECT Nothing")[1]
        for name in ("Private", "Private/in", "Team/closed"):
            self.assertEqual(wire.command("SELECT " + name)[1], missing)
            self.assertEqual(wire.command("STATUS %s (MESSAGES)" % name)[1].split()[0], b"NO")
        for command in ("CREATE Work/more", "DELETE Work/in", "RENAME Work Other", "RENAME Other Work/new",
                        "RENAME Team Squad",  # what is below it and hidden would come along
                        "SETMETADATA Work (/private/comment \"x\")", "SETACL Work anna lr"):
            self.assertTrue(wire.command(command)[1].startswith(b"NO"), command)
        tag = wire.send("APPEND Work {3+}\r\nabc")
        self.assertTrue(wire.until(tag)[1].startswith(b"NO"))
        self.assertIn(b"[READ-ONLY]", wire.command("SELECT Work")[1])
        for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 Team", "COPY 1 Work/in"):
            self.assertTrue(wire.command(command)[1].startswith(b"NO"), command)
        self.assertTrue(wire.command("COPY 1 Team")[1].startswith(b"OK"))
        self.assertIn(b"[READ-WRITE]", wire.command("SELECT INBOX")[1])
        self.rules("allow mailbox INBOX\ndeny\n")
        wire, _ = self.login()
        self.assertEqual([line.split()[-1] for line in wire.ok('LIST "" *')], [b"INBOX"])
        self.rules("allow\n")
        wire, _ = self.login()
        for name in ("Private/in", "Private", "Work/in", "Work", "Team/closed", "Team"):
            wire.ok("DELETE " + name)

    def test_step_up_is_confirmed_by_the_user(self):
        self.rules("step-up not network 127.0.0.0/24\nallow\n")
        device = str(self.phone["device"])
        self.assertTrue(self.came_in())
        _, answer = self.login(source=AWAY)
        self.assertEqual(answer, "NO [ALERT] Confirm this device first: https://localhost:%d/" % self.server.page_port)
        self.server.logged("reason=unconfirmed")
        self.assertIn("FAIL", self.submit(AWAY))
        (waits,) = [row for row in json.loads(self.server.run("device", "networks", "anna", "--json").stdout)
                    if row["network"].startswith("127.1.")]
        self.assertEqual((waits["network"], waits["state"]), ("127.1.0.0/24", "waits since"))
        for password, code in ((PASSWORD, "123456"), ("wrong", self.anna.recovery[0])):
            done = self.server.run("device", "confirm", "anna", device, "--password-stdin", check=False,
                                   input="%s\n%s\n" % (password, code))
            self.assertEqual(done.returncode, 1, done.stdout)
        self.assertFalse(self.came_in(source=AWAY))
        self.server.run("device", "confirm", "anna", device, "--password-stdin",
                        input="%s\n%s\n" % (PASSWORD, self.anna.recovery[1]))
        self.assertEqual(self.server.audited("device.confirmed")[-1]["user.target.name"], "anna")
        self.assertTrue(self.came_in(source=AWAY))
        self.assertTrue(self.came_in(source="127.1.0.9"))       # the same network
        self.assertFalse(self.came_in(source="127.2.0.1"))      # another one
        self.assertFalse(self.came_in(source=AWAY, device=self.kiosk))  # another device
        self.assertTrue(self.submit(AWAY).startswith("OK"))
        # An administrator vouches, and takes it back: the session ends.
        self.server.run("device", "confirm", "anna", str(self.kiosk["device"]), "--administrator", "--address", "127.2.0.7")
        wire, answer = self.login(source="127.2.0.1", device=self.kiosk)
        self.assertTrue(answer.startswith("OK"), answer)
        wire.idle()
        self.server.run("device", "forget", "anna", str(self.kiosk["device"]))
        self.assertIn(b"BYE [UNAVAILABLE] Access rules have changed", wire.line())
        self.assertFalse(self.came_in(source="127.2.0.1", device=self.kiosk))
        self.server.audited("device.forgotten")

    def test_step_up_is_confirmed_on_the_page(self):
        self.rules("step-up not network 127.0.0.0/24\nallow\n")
        self.assertFalse(self.came_in(source="127.3.0.1"))
        browser = Browser(self.server)
        page = browser.enter(self.anna).page
        fields = page.form("/confirm", address="127.3.0.1")
        self.assertEqual(fields["device"], str(self.phone["device"]))
        self.assertEqual(browser.post("/confirm", {**fields, "form": "x"}).status, 403)
        self.assertFalse(self.came_in(source="127.3.0.1"))
        self.assertEqual(browser.post("/confirm", fields).status, 303)
        self.assertTrue(self.came_in(source="127.3.0.9"))
        page = browser.get("/").page
        self.assertNotIn("127.3.0.1", [form["fields"].get("address") for form in page.forms])
        self.assertIn("by=user", self.server.logged("network=127.3.0.0/24")[-1])

    # ---- what rules ask about

    def test_each_fact_decides(self):
        now = time.localtime()
        day = "sun mon tue wed thu fri sat".split()[(now.tm_wday + 1) % 7]
        other = "sun mon tue wed thu fri sat".split()[(now.tm_wday + 4) % 7]
        self.server.run("group", "add", "sales", "anna")
        rows = [
            ("user anna", "user berta"), ("group sales", "group staff"), ("device phone", "device kiosk-*"),
            ("device #%s" % self.phone["device"], "device #%s" % self.kiosk["device"]), ("method LOGIN", "method PLAIN"),
            ("credential device", "credential account_password"), ("certificate none", "certificate any"),
            ("network 127.0.0.0/24", "network 10.0.0.0/8"), ("scope imap", "scope send"),
            ("time " + ",".join({day, "mon-sun"}), "time %s/00:00-00:01" % other),
        ]
        for holds, fails in rows:
            self.rules("deny %s\nallow\n" % fails)
            self.assertTrue(self.came_in(), fails)
            self.rules("deny %s\nallow\n" % holds)
            self.assertFalse(self.came_in(), holds)
        self.server.run("group", "remove", "sales", "anna")

    def test_a_certificate_counts_beside_a_password(self):
        self.rules("allow certificate any\ndeny\n")
        self.assertFalse(self.came_in())
        self.assertTrue(self.came_in(certificate=self.certificate))

    def test_a_certificate_that_is_revoked_ends_what_rules_gave_for_it(self):
        """By a password and by a token beside it; who showed none stays."""
        self.rules("read-only certificate none\nallow\n")
        stays, _ = self.login()
        goes = [self.login(certificate=self.certificate), self.by_token(oauthbearer, certificate=self.certificate)]
        for wire, answer in goes:
            self.assertTrue(answer.startswith("OK"), answer)
            self.assertIn(b"[READ-WRITE]", wire.command("SELECT INBOX")[1])
            wire.idle()
        self.revoke("good")
        for wire, _ in goes:
            self.assertTrue(wire.line().startswith(b"* BYE"))
        stays.ok("NOOP")
        (void,) = self.server.audited("credential.void")  # one watch is of both
        self.assertEqual((void["user.name"], void["roost.credential"]), ("anna", "certificate"))
        wire, answer = self.login(certificate=self.certificate)
        self.assertTrue(answer.startswith("OK"), answer)
        self.assertIn(b"[READ-ONLY]", wire.command("SELECT INBOX")[1])

    def test_no_way_in_leads_round_the_rules(self):
        ways = {
            "LOGIN": lambda: self.login()[1].split()[0],
            "account password": lambda: self.login(password=PASSWORD)[1].split()[0],
            "PLAIN": lambda: self.wire().command(
                "AUTHENTICATE PLAIN " + b64("\0anna\0" + self.phone["password"]))[1].decode().split()[0],
            "SCRAM": lambda: self.scram().split()[1],
            "EXTERNAL": lambda: self.wire(certificate=self.certificate).command(
                "AUTHENTICATE EXTERNAL =")[1].decode().split()[0],
            "OAUTHBEARER": lambda: self.by_token(oauthbearer)[1].split()[0],
            "XOAUTH2": lambda: self.by_token(lambda token: xoauth2(token, "anna@example.org"), "XOAUTH2")[1].split()[0],
            "mail server": lambda: "OK" if self.submit().startswith("OK") else "NO",
        }
        self.assertEqual({name: way() for name, way in ways.items()}, dict.fromkeys(ways, "OK"))
        self.rules("deny user anna\nallow\n")
        self.assertEqual({name: way() for name, way in ways.items()}, dict.fromkeys(ways, "NO"))
        self.rules("deny credential token\nallow\n")
        self.assertEqual({name for name, way in ways.items() if way() == "NO"}, {"OAUTHBEARER", "XOAUTH2"})
        self.rules("deny scope send\nallow\n")
        self.assertEqual({name for name, way in ways.items() if way() == "NO"}, {"mail server"})
        self.rules("read-only\n")
        self.assertEqual({name for name, way in ways.items() if way() == "NO"}, {"mail server"})
        self.server.deliver("anna@example.org", sample(2))  # not a login

    # ---- sessions that were there before

    def test_sessions_end_that_would_get_something_else(self):
        stays, _ = self.login()
        for rules in ("deny device phone\nallow\n", "read-only device phone\nallow\n", "deny mailbox Private device phone\nallow\n"):
            self.rules("allow\n")
            goes, _ = self.login()
            idles, _ = self.login(device=self.kiosk)
            goes.idle()
            idles.idle()
            self.rules(rules)
            self.assertIn(b"BYE [UNAVAILABLE] Access rules have changed", goes.line())
            idles.done(b"t2")
            idles.ok("NOOP")
        # A session with less than the rules give now ends as well: a client learns its rights when it logs in.
        self.rules("read-only\n")
        less, _ = self.login()
        less.idle()
        self.rules("allow\n")
        self.assertIn(b"BYE", less.line())
        self.server.logged("policy.session address=127.0.0.1 reason=allow")
        stays.close()

    def test_a_change_of_groups_is_felt(self):
        self.rules("deny group sales\nallow\n")
        wire, _ = self.login()
        wire.idle()
        self.server.run("group", "add", "sales", "anna")
        self.assertIn(b"BYE", wire.line())
        self.assertFalse(self.came_in())
        self.server.run("group", "remove", "sales", "anna")
        self.rules("deny not group sales\nallow\n")
        self.server.run("group", "add", "sales", "anna")
        wire, answer = self.login()
        self.assertTrue(answer.startswith("OK"), answer)
        wire.idle()
        self.server.run("group", "delete", "sales")
        self.assertIn(b"BYE", wire.line())
        self.server.run("group", "create", "sales")

    def test_auth_that_comes_back_looks_at_all_sessions(self):
        wire, _ = self.login()
        wire.idle()
        self.write("deny user anna\nallow\n")
        (pid,) = self.server.roles()["auth"]
        os.kill(pid, 9)
        self.assertIn(b"BYE", wire.line())
        self.server.audited("policy.session")
        wait_for(lambda: not self.came_in(), "auth answers")

    @unittest.skipUnless(os.environ.get("ROOST_LARGE"), "takes a minute")
    def test_a_window_that_closes_is_felt_within_a_minute(self):
        end = time.localtime(time.time() + 60)
        self.rules("deny not time 00:00-%02d:%02d\nallow\n" % (end.tm_hour, end.tm_min))
        wire, answer = self.login()
        self.assertTrue(answer.startswith("OK"), answer)
        wire.idle()
        self.assertIn(b"BYE", wire.line())
        self.assertLess(time.time() - time.mktime(end[:5] + (0, 0, 0, -1)), 60)

    # ---- trying rules

    def test_wrong_rules_leave_the_old_ones(self):
        self.rules("deny user anna\nallow\n")
        self.write("deny netwrok 10.0.0.0/8\nallow\n")
        told = self.server.run("reload", check=False)
        self.assertEqual((told.returncode, told.stdout), (1, ""))
        self.assertIn("policy_file: line 1: no condition is called", told.stderr)
        self.assertIn("line 1: no condition is called", self.server.logged("policy.unreadable")[-1])
        self.server.audited("policy.unreadable")
        self.assertFalse(self.came_in())
        done = self.server.run("policy", "check", self.file, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 1: no condition", done.stderr)
        self.write("deny user a*\nallow user anna\nallow\n")
        done = self.server.run("policy", "check", self.file, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("line 1", done.stdout)

    def test_explain_says_what_a_login_gets(self):
        rules = [("deny network 10.0.0.0/8", "deny"), ("read-only device kiosk-*", "read-only"),
                 ("step-up not network 127.0.0.0/24", "step-up"), ("deny mailbox Private", "allow")]
        for rule, verdict in rules:
            self.rules("deny device none\n%s\nallow\n" % rule)
            device = self.kiosk if "kiosk" in rule else self.phone
            address = {"deny": "10.1.1.1", "step-up": "127.9.0.1"}.get(verdict, "127.0.0.1")
            rows = json.loads(self.explain(address, "--device", str(device["device"]), "--json"))
            self.assertEqual(len(rows), 4)
            self.assertEqual((rows[0]["holds"], rows[1]["holds"]), ("no", "yes"))
            self.assertIn("device none: it is #", rows[0]["why"])
            self.assertEqual(rows[3]["verdict"], verdict)
            if "10.0.0.0" not in rule:
                _, answer = self.login(source=address, device=device)
                self.assertEqual(answer.startswith("NO"), verdict == "step-up")
        self.rules("deny time mon-fri/08:00-18:00\nallow\n")
        said = [self.explain(HOME, "--time", when).splitlines()[-1]
                for when in ("2026-11-25 12:00", "2026-11-25 18:00", "2026-11-28 12:00")]
        self.assertEqual([line.split(",")[0] for line in said], ["deny", "allow", "allow"])

    def test_explain_says_what_no_rule_can_mend(self):
        self.rules("allow\n")
        office = self.device("office", "--network", "192.0.2.0/24")
        number = ("--device", str(office["device"]))
        rows = json.loads(self.explain(HOME, *number, "--json"))
        self.assertEqual((len(rows), rows[-1]["verdict"], rows[-1]["reason"]), (2, "deny", "device_network"))
        self.assertIn("deny, whatever the rules say: device_network", self.explain(HOME, *number))
        self.assertEqual(json.loads(self.explain("192.0.2.7", *number, "--json"))[-1]["verdict"], "allow")
        self.server.run("user", "disable", "anna")
        self.addCleanup(self.server.run, "user", "enable", "anna")
        self.assertEqual(json.loads(self.explain("192.0.2.7", "--json"))[-1]["reason"], "disabled")

    def test_what_is_only_tried_is_only_logged(self):
        with PageServer(passwd_file="", domains=["example.org"]) as server:
            os.chmod(server.data, 0o755)
            file = os.path.join(server.folder, "policy")
            with open(file, "w", encoding="utf-8") as out:
                out.write("deny user anna\nallow\n")
            server.run("user", "add", "anna")
            (row,) = json.loads(server.run("device", "add", "anna", "x", "--json").stdout)
            server.stop()
            server.set(policy_file=file, policy_mode="log")
            os.chmod(server.folder, 0o755)
            server.start()
            wire = server.wire()
            wire.ok("LOGIN anna " + row["password"])
            server.audited("policy.loaded")
            (line,) = server.logged("policy.login")
            self.assertIn("reason=deny", line)
            self.assertIn("mode=log", line)
            with open(file, "w", encoding="utf-8") as out:
                out.write("read-only user anna\nallow\n")
            server.run("reload")
            self.assertIn("reason=read-only", server.logged("policy.session")[-1])
            wire.ok("CREATE still")
            wire.close()
            # Rules that are no rules: auth does not guess, and the server does not start.
            server.stop()
            with open(file, "w", encoding="utf-8") as out:
                out.write("deny user anna\n")
            with self.assertRaises(AssertionError):
                server.start()
            self.assertIn("the last rule has to be for everybody", server.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
