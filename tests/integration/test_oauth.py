"""Access tokens: a server of ours, and an issuer on this host that the test plays."""

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, ROOST, Server

ISSUER = "https://id.example/"


def write_provider(folder, name, lines):
    """NAME.conf, for the idp process alone."""
    path = os.path.join(folder, name + ".conf")
    with open(path, "w", encoding="ascii") as out:
        for key, value in lines.items():
            if isinstance(value, int):
                out.write("%s = %d\n" % (key, value))
            elif isinstance(value, str):
                out.write('%s = "%s"\n' % (key, value))
            else:
                out.write("%s = {%s}\n" % (key, ", ".join('"%s"' % item for item in value)))
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        subprocess.run(["chgrp", "roost-idp", path], check=True)


class Issuer(http.server.ThreadingHTTPServer):
    """The other server: what it knows of tokens, and what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = "http://127.0.0.1:%d" % self.server_port
        self.tokens = {}
        self.asked = []
        self.silent = threading.Event()  # while set, questions wait for the end of silence
        self.talks = threading.Event()
        self.answer = None  # (status, headers, body) instead of the right one
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.talks.set()
        self.shutdown()
        self.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = urllib.parse.parse_qs(body)
        issuer = self.server
        issuer.asked.append((self.path, self.headers["Authorization"], form))
        if issuer.silent.is_set():
            issuer.talks.wait(DEADLINE_SEC)
        try:
            if issuer.answer is not None:
                self.reply(*issuer.answer)
                return
            claims = issuer.tokens.get(form["token"][0], {"active": False})
            self.reply(200, {"Content-Type": "application/json"}, json.dumps(claims).encode())
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not wait


def oauthbearer(token, user=None, host="localhost"):
    start = "n,%s," % ("" if user is None else "a=" + user)
    return base64.b64encode(("%s\1host=%s\1port=993\1auth=Bearer %s\1\1" % (start, host, token)).encode()).decode()


def xoauth2(token, user):
    return base64.b64encode(("user=%s\1auth=Bearer %s\1\1" % (user, token)).encode()).decode()


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
        cls.server = Server(users=2, idp_folder="idp", oauth=["here"])
        cls.addClassCleanup(cls.server.close)
        folder = os.path.join(cls.server.data, "idp")
        os.mkdir(folder, 0o755)
        write_provider(folder, "here", {
            "issuer": ISSUER, "audience": ["mail"], "introspection": cls.issuer.url + "/introspect",
            "client_id": "roost+", "client_secret": "Hush7 &", "leeway": 0, "scope": ["imap"]})
        cls.server.start()

    def setUp(self):
        self.issuer.answer = None

    def token(self, name, **claims):
        self.issuer.tokens[name] = {"active": True, "iss": ISSUER, "aud": "mail", "scope": "openid imap",
                                    "email": "u1", "exp": int(time.time()) + 600, **claims}
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


if __name__ == "__main__":
    unittest.main()
