"""Access tokens: a server of ours, and an issuer on this host that the test plays."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from idp_provider import idp_folder
from roost_server import DEADLINE_SEC, ROOST, Server, wait_for
from token_issuer import ISSUER, Issuer, Key, oauthbearer, write_provider, xoauth2

ASKS_MAX = 256  # ASKS_PROVIDER_MAX


def resident(pid):
    """Bytes in memory of a process."""
    with open("/proc/%d/statm" % pid, encoding="ascii") as text:
        return int(text.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Process(unittest.TestCase):
    def server(self, **lines):
        server = Server(users=1, idp_folder="idp", oauth=["here"])
        self.addCleanup(server.close)
        self.folder = os.path.join(server.data, "idp")
        os.mkdir(self.folder, 0o755)
        write_provider(self.folder, "here", {
            "issuer": ISSUER, "audience": ["mail"], "introspection": "http://127.0.0.1:1/", "client_id": "roost",
            "client_secret": "Hush7", **lines})
        return server

    def test_it_runs_confined_where_a_setting_needs_it(self):
        server = self.server().start()
        rows = json.loads(server.run("status", "--json").stdout)
        role = [row for row in rows["processes"] if row["role"] == "idp"]
        self.assertEqual(len(role), 1, rows)
        self.assertEqual(len(server.roles()["idp"]), 1)
        if os.geteuid() == 0:
            uid = os.stat("/proc/%d" % server.roles()["idp"][0]).st_uid
            self.assertEqual(subprocess.run(["id", "-u", "roost-idp"], check=True, capture_output=True,
                                            text=True).stdout.strip(), str(uid))

    def test_a_file_that_is_wrong_stops_the_start(self):
        server = self.server(audience=[])
        done = subprocess.run([ROOST, "serve", "-c", server.config], check=False, capture_output=True, text=True,
                              timeout=DEADLINE_SEC)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("audience is missing", done.stderr)
        self.assertNotIn("Hush7", done.stderr)

    def test_it_comes_back(self):
        server = self.server().start()
        server.logged("role.ready role=idp")
        pid = server.roles()["idp"][0]
        os.kill(pid, 9)
        server.logged("role.ready role=idp", 2)
        self.assertNotEqual(server.roles()["idp"][0], pid)
        server.imap("u1").logout()


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.issuer = Issuer()
        cls.addClassCleanup(cls.issuer.close)
        cls.server = Server(users=2, idp_folder="idp", oauth=["here"], log_level="debug")
        cls.addClassCleanup(cls.server.close)
        folder = idp_folder(cls.server)
        write_provider(folder, "here", {
            "issuer": ISSUER, "audience": ["mail"], "introspection": cls.issuer.url + "/introspect",
            "client_id": "roost+", "client_secret": "Hush7 &", "leeway": 0, "scope": ["imap"]})
        cls.server.start()

    def setUp(self):
        self.issuer.answer = None

    def token(self, name, **claims):
        self.issuer.tokens[name] = {"active": True, "iss": ISSUER, "aud": "mail", "scope": "openid imap",
                                    "email": "u1", "email_verified": True, "exp": int(time.time()) + 600, **claims}
        return name

    def wire(self, tls=True):
        wire = self.server.wire(tls=tls)
        self.addCleanup(wire.close)
        return wire

    def attempt(self, mechanism, message, tls=True):
        """What becomes of it: the challenge, undone, or None; and the tagged line."""
        wire = self.wire(tls)
        tag = wire.send("AUTHENTICATE %s %s" % (mechanism, message))
        line, challenge = wire.line(), None
        if line.startswith(b"+ "):
            challenge = base64.b64decode(line[2:])
            wire.raw(b"AQ==\r\n" if mechanism == "OAUTHBEARER" else b"\r\n")
            line = wire.line()
        self.assertTrue(line.startswith(tag + b" "), line)
        return challenge, line[len(tag) + 1:]

    def test_offered_over_tls_alone(self):
        self.assertIn(b" AUTH=OAUTHBEARER AUTH=XOAUTH2 ", self.wire().greeting.replace(b"]", b" "))
        plain = self.wire(tls=False)
        self.assertNotIn(b"OAUTH", plain.greeting)
        _, line = self.attempt("OAUTHBEARER", oauthbearer(self.token("plain")), tls=False)
        self.assertTrue(line.startswith(b"NO [PRIVACYREQUIRED]"), line)

    def test_both_mechanisms_open_the_mailbox(self):
        for mechanism, message in (("OAUTHBEARER", oauthbearer(self.token("good"))),
                                   ("OAUTHBEARER", oauthbearer(self.token("named"), "u1")),
                                   ("OAUTHBEARER", oauthbearer(self.token("long" + "x" * 12000))),  # a line of 16 KiB
                                   ("XOAUTH2", xoauth2(self.token("x"), "u1"))):
            challenge, line = self.attempt(mechanism, message)
            self.assertIsNone(challenge)
            self.assertTrue(line.startswith(b"OK "), line)
        path, authorization, form = self.issuer.asked[-1]
        self.assertEqual(path, "/introspect")
        self.assertEqual(base64.b64decode(authorization.split()[1]), b"roost%2B:Hush7%20%26")
        self.assertEqual(form["token_type_hint"], ["access_token"])
        self.server.logged("method=XOAUTH2 credential=token")

    def test_without_an_initial_response(self):
        wire = self.wire()
        tag = wire.send("AUTHENTICATE OAUTHBEARER")
        self.assertEqual(wire.line().strip(), b"+")
        wire.raw(oauthbearer(self.token("later")).encode() + b"\r\n")
        self.assertTrue(wire.until(tag)[1].startswith(b"OK "))

    def test_what_is_wrong_with_a_token_is_told_alike(self):
        self.token("old", exp=int(time.time()) - 1)
        self.token("other", aud="web")
        self.token("narrow", scope="openid")
        self.token("stranger", email="nobody")
        for name in ("unknown", "old", "other", "narrow", "stranger"):
            self.assertEqual(self.attempt("OAUTHBEARER", oauthbearer(name)),
                             (b'{"status":"invalid_token"}', b"NO [AUTHENTICATIONFAILED] Authentication failed"))
        for reason in ("not_active", "expired", "audience", "scope"):
            self.server.logged("login.token_refused address=127.0.0.1 issuer=here reason=" + reason)
        challenge, line = self.attempt("XOAUTH2", xoauth2("unknown", "u1"))
        self.assertEqual(json.loads(challenge)["status"], "401")
        self.assertTrue(line.startswith(b"NO "), line)

    def test_a_token_is_its_owners(self):
        challenge, line = self.attempt("OAUTHBEARER", oauthbearer(self.token("mine"), "u2"))
        self.assertIsNotNone(challenge)
        self.assertTrue(line.startswith(b"NO [AUTHORIZATIONFAILED]"), line)
        _, line = self.attempt("XOAUTH2", xoauth2(self.token("mine"), "u2"))
        self.assertTrue(line.startswith(b"NO "), line)

    def test_a_message_that_is_none(self):
        for message in ("", "bm8=", oauthbearer("t", host="other.example"), oauthbearer("a b")):
            _, line = self.attempt("OAUTHBEARER", message or "=")
            self.assertTrue(line.startswith(b"BAD "), line)

    def test_an_issuer_that_errs_lets_nobody_in(self):
        self.token("good")
        whole = json.dumps(self.issuer.tokens["good"]).encode()
        for status, headers, body in (
                (500, {}, whole), (401, {}, b""), (204, {}, b""), (302, {"Location": self.issuer.url + "/other"}, whole),
                (200, {}, b""), (200, {}, b"[]"), (200, {}, whole[:-1]), (200, {}, whole + b"x"),
                (200, {}, b" " * 65537 + whole), (200, {}, whole[:-1] + b', "active": true}')):
            self.issuer.answer = status, headers, body
            challenge, line = self.attempt("OAUTHBEARER", oauthbearer("good"))
            self.assertIsNone(challenge, (status, body[:100]))
            self.assertTrue(line.startswith(b"NO [UNAVAILABLE]"), line)
        self.assertNotIn("/other", [asked[0] for asked in self.issuer.asked])

    def test_what_nobody_wants_to_know_any_more_is_not_asked(self):
        """The auth that asked is gone while its questions wait behind those of four threads."""
        before, given_up = len(self.issuer.asked), self.server.log().count("idp.given_up")
        self.issuer.talks.clear()
        self.issuer.silent.set()
        try:
            for i in range(32):
                self.wire().send("AUTHENTICATE OAUTHBEARER " + oauthbearer(self.token("gone%d" % i)))
            wait_for(lambda: len(self.issuer.asked) >= before + 4, "as many as there are threads")
            os.kill(self.server.roles()["auth"][0], signal.SIGKILL)
            self.server.logged("idp.given_up", given_up + 4)
        finally:
            self.issuer.silent.clear()
            self.issuer.talks.set()
        wait_for(lambda: self.attempt("OAUTHBEARER", oauthbearer(self.token("later")))[1].startswith(b"OK "), "another auth")
        asked = [form["token"][0] for _, _, form in self.issuer.asked[before:]]
        self.assertIn("later", asked)
        self.assertLess(len([token for token in asked if token.startswith("gone")]), 16)

    def test_the_session_ends_with_the_token(self):
        exp = int(time.time()) + 3
        wire = self.wire()
        tag = wire.send("AUTHENTICATE OAUTHBEARER " + oauthbearer(self.token("short", exp=exp)))
        self.assertTrue(wire.until(tag)[1].startswith(b"OK "))
        wire.ok("SELECT INBOX")
        wire.send("IDLE")
        while not (line := wire.line()).startswith(b"* BYE"):
            self.assertLess(time.time(), exp + DEADLINE_SEC, line)
        self.assertGreaterEqual(time.time(), exp)
        self.assertLess(time.time(), exp + 4)  # a moment; the sweep of sessions comes every five seconds


class Voided(unittest.TestCase):
    """What a token says of groups, and what becomes of sessions when its issuer takes it back."""

    @classmethod
    def setUpClass(cls):
        cls.issuer = Issuer()
        cls.addClassCleanup(cls.issuer.close)
        cls.server = Server(users=2, idp_folder="idp", oauth=["here"])
        cls.addClassCleanup(cls.server.close)
        folder = os.path.join(cls.server.data, "idp")
        os.mkdir(folder, 0o755)
        write_provider(folder, "here", {
            "issuer": ISSUER, "audience": ["mail"], "introspection": cls.issuer.url + "/introspect", "client_id": "roost",
            "client_secret": "Hush7", "groups_claim": "roles", "groups": ["staff", "/corp/board=board"], "recheck": 1})
        cls.server.start()

    def token(self, name, **claims):
        self.issuer.tokens[name] = {"active": True, "aud": "mail", "email": "u1", "email_verified": True, "exp": int(time.time()) + 600, **claims}
        return name

    def session(self, name, **claims):
        wire = self.server.wire()
        self.addCleanup(wire.close)
        wire.ok("AUTHENTICATE OAUTHBEARER " + oauthbearer(self.token(name, **claims)))
        return wire

    def asked_about(self, name, since=0):
        return len([1 for _, _, form in self.issuer.asked[since:] if form is not None and form["token"] == [name]])

    def test_a_revoked_token_ends_its_sessions_and_no_others(self):
        self.session("left").command("LOGOUT")
        gone, same, other = self.session("gone"), self.session("gone"), self.session("other")
        by_password = self.server.wire("u1")
        self.addCleanup(by_password.close)
        for wire in (gone, other):
            wire.ok("SELECT INBOX")
        self.issuer.answer = 500, {}, b""  # an issuer that is away ends none
        try:
            self.server.logged("credential.unchecked user=u1")
        finally:
            self.issuer.answer = None
        gone.ok("NOOP")
        gone.idle()
        since = len(self.issuer.asked)
        self.issuer.tokens["gone"] = {"active": False}
        began = time.monotonic()
        for wire in (gone, same):
            while not (line := wire.line()).startswith(b"* BYE"):
                pass
            self.assertIn(b"revoked", line)
        self.assertLess(time.monotonic() - began, 60)
        other.ok("NOOP")
        by_password.ok("NOOP")
        void = self.server.audited("credential.void")[0]
        self.assertEqual((void["user.name"], void["roost.credential"], void["event.reason"]), ("u1", "token", "not_active"))
        self.assertEqual(self.asked_about("left", since), 0)  # it has no session
        self.assertEqual(self.asked_about("gone", since), 1)  # once for both

    def test_sessions_of_an_auth_that_is_gone_are_not_looked_after(self):
        wire = self.session("orphan")
        by_password = self.server.wire("u2")
        self.addCleanup(by_password.close)
        n = len(self.server.logged("role.ready role=auth"))
        os.kill(self.server.roles()["auth"][0], signal.SIGKILL)
        self.server.logged("role.ready role=auth", n + 1)
        self.assertTrue(wire.line().startswith(b"* BYE"))
        by_password.ok("NOOP")
        self.session("orphan").ok("NOOP")
        self.assertNotIn("orphan", self.server.log())

    def members(self, group):
        return self.server.run("group", "list", group).stdout

    def test_groups_come_and_go_with_the_token(self):
        for group in ("staff", "board", "sales"):
            self.server.run("group", "create", group)
        self.server.run("group", "add", "sales", "u2")
        self.session("g1", email="u2", roles=["staff", "/corp/board", "sales", "nobody"])
        self.assertIn("u2", self.members("staff"))
        self.assertIn("u2", self.members("board"))
        self.session("g2", email="u2", roles=["board", "staff"])  # "board" is what it is called here, not there
        self.assertIn("u2", self.members("staff"))
        self.assertNotIn("u2", self.members("board"))
        self.session("g3", email="u2", **{"_claim_names": {"roles": "elsewhere"}})
        self.assertIn("u2", self.members("staff"))
        self.session("g4", email="u2")
        self.assertNotIn("u2", self.members("staff"))
        self.assertIn("u2", self.members("sales"))  # an administrator's word


class SignedTokens(unittest.TestCase):
    """Tokens that are looked into, by keys of the issuer's URL."""

    def setUp(self):
        self.issuer = Issuer()
        self.addCleanup(self.issuer.close)
        self.server = Server(users=2, idp_folder="idp", oauth=["here"])
        self.addCleanup(self.server.close)
        self.folder = os.path.join(self.server.data, "idp")
        os.mkdir(self.folder, 0o755)
        write_provider(self.folder, "here", {"issuer": ISSUER, "audience": ["mail"], "leeway": 0,
                                             "keys": self.issuer.url + "/certs"})

    def login(self, token, mechanism="OAUTHBEARER", user=None):
        """The tagged answer."""
        with self.server.wire() as wire:
            tag = wire.send("AUTHENTICATE %s %s" % (mechanism, oauthbearer(token, user)))
            line = wire.line()
            if line.startswith(b"+ "):
                wire.raw(b"AQ==\r\n")
                line = wire.line()
            return line[len(tag) + 1:]

    def test_keys_are_fetched_once_and_rotated_under_logins(self):
        old, new = Key("2026-1", "RS256"), Key("2026-2", "ES256")
        self.issuer.keys = [old]
        self.server.start()
        for _ in range(5):
            self.assertTrue(self.login(old.token()).startswith(b"OK "))
        self.assertEqual(len(self.issuer.asked), 1)
        stop, answers = threading.Event(), []

        def keep_logging_in():
            while not stop.is_set():
                answers.append(self.login(old.token()))

        thread = threading.Thread(target=keep_logging_in)
        thread.start()
        try:
            self.issuer.keys = [old, new]
            self.assertTrue(self.login(new.token()).startswith(b"OK "))
        finally:
            stop.set()
            thread.join()
        self.assertTrue(answers and all(line.startswith(b"OK ") for line in answers), answers)
        self.assertEqual(len(self.issuer.asked), 2)
        self.issuer.keys = [new]  # the old one is withdrawn, which a reload hears of at once
        self.server.process.send_signal(1)
        self.server.logged("server.reload")
        self.assertTrue(self.login(new.token()).startswith(b"OK "))
        self.server.logged(" idp.keys ", 3)
        self.assertTrue(self.login(old.token()).startswith(b"NO "))

    def test_names_of_keys_that_strangers_make_up(self):
        good = Key("good", "ES256")
        self.issuer.keys = [good]
        self.server.start()
        self.assertTrue(self.login(good.token()).startswith(b"OK "))
        for i in range(6):
            self.assertTrue(self.login(Key("made-up-%d" % i, "ES256").token()).startswith(b"NO [AUTHENTICATIONFAILED]"))
        self.assertLessEqual(len(self.issuer.asked), 4)
        self.assertTrue(self.login(good.token()).startswith(b"OK "))

    def test_an_issuer_that_is_away(self):
        key = Key("k", "ES256")
        self.issuer.answer = 503, {}, b""
        self.server.start()
        self.assertTrue(self.login(key.token()).startswith(b"NO [UNAVAILABLE]"))
        self.issuer.answer = None
        self.issuer.keys = [key]
        self.assertTrue(self.login(key.token()).startswith(b"OK "))
        self.issuer.answer = 503, {}, b""  # what is known goes on
        self.assertTrue(self.login(key.token()).startswith(b"OK "))

    def test_keys_of_a_file(self):
        key = Key("k", "RS256")
        path = os.path.join(self.folder, "keys.json")
        with open(path, "w", encoding="ascii") as out:
            json.dump({"keys": [key.public()]}, out)
        write_provider(self.folder, "here", {"issuer": ISSUER, "audience": ["mail"], "keys": path})
        self.server.start()
        self.assertTrue(self.login(key.token()).startswith(b"OK "))
        other = Key("l", "ES256")
        with open(path + ".new", "w", encoding="ascii") as out:
            json.dump({"keys": [other.public()]}, out)
        os.rename(path + ".new", path)
        self.assertTrue(self.login(other.token()).startswith(b"OK "))
        self.assertTrue(self.login(key.token()).startswith(b"NO "))

    def test_a_silent_issuer_holds_up_nobody_else(self):
        there = Issuer()
        self.addCleanup(there.close)
        key = Key("k", "ES256")
        there.keys = [key]
        write_provider(self.folder, "there", {"issuer": ISSUER, "audience": ["mail"], "keys": there.url + "/certs"})
        self.server.set(oauth=["there", "here"])
        self.issuer.silent.set()
        self.server.start()
        inside = self.server.wire("u1")
        self.addCleanup(inside.close)
        waiting = []
        for i in range(8):  # twice as many as there are threads for that issuer
            wire = self.server.wire()
            self.addCleanup(wire.close)
            waiting.append((wire, wire.send("AUTHENTICATE OAUTHBEARER " + oauthbearer(Key("x%d" % i, "ES256").token()))))
        wait_for(lambda: len(self.issuer.asked) > 0, "the silent one is asked")
        self.assertTrue(self.login(key.token()).startswith(b"OK "))
        self.server.imap("u2").logout()
        inside.ok("SELECT INBOX")
        for wire, tag in waiting:
            self.assertTrue(wire.until(tag)[1].startswith(b"NO [UNAVAILABLE]"))
        inside.ok("NOOP")

    def test_an_idp_that_is_silent(self):
        key = Key("k", "ES256")
        self.issuer.keys = [key]
        self.server.start()
        self.assertTrue(self.login(key.token()).startswith(b"OK "))
        inside = self.server.wire("u1")
        self.addCleanup(inside.close)
        pid, auth = self.server.roles()["idp"][0], self.server.roles()["auth"][0]
        before = resident(auth)
        os.kill(pid, signal.SIGSTOP)
        try:
            waiting = []
            for _ in range(ASKS_MAX + 8):
                wire = self.server.wire()
                self.addCleanup(wire.close)
                waiting.append((wire, wire.send("AUTHENTICATE OAUTHBEARER " + oauthbearer("x" * 5000))))
            for wire, tag in waiting[ASKS_MAX:]:  # at once
                self.assertTrue(wire.until(tag)[1].startswith(b"NO [UNAVAILABLE]"))
            self.server.logged("auth.idp_not_asked")
            self.server.imap("u2").logout()
            inside.ok("SELECT INBOX")
            self.assertLess(resident(auth) - before, 32 << 20)
            if os.environ.get("ROOST_LARGE") != "1":  # else their ten seconds end
                os.kill(pid, signal.SIGKILL)
            for wire, tag in waiting[:ASKS_MAX]:
                line = wire.until(tag)[1]
                self.assertTrue(line.startswith(b"NO [UNAVAILABLE]"), line)
        finally:
            if pid in self.server.roles().get("idp", []):
                os.kill(pid, signal.SIGCONT)
        self.server.logged("role.ready role=idp", 1 if os.environ.get("ROOST_LARGE") == "1" else 2)
        self.assertTrue(self.login(key.token()).startswith(b"OK "))


if __name__ == "__main__":
    unittest.main()
