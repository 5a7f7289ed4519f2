"""The enrolment page as browsers meet it: log in, enrol, use the new password, revoke; and what must not work."""

import glob
import imaplib
import json
import os
import plistlib
import re
import signal
import socket
import ssl
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from enrolment import PASSWORD, Browser, PageServer, Person
from roost_server import DEADLINE_SEC, is_sanitized, wait_for

SESSION = "__Host-roost"


class EnrolmentPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PageServer().start()
        cls.addClassCleanup(cls.server.close)
        wait_for(lambda: "web" in cls.server.roles(), "the web role")
        cls.people = [Person(cls.server, "person%d" % i) for i in range(3)]

    def imap(self, name, password):
        client = imaplib.IMAP4_SSL("localhost", self.server.imaps_port, ssl_context=self.server.tls_context(),
                                   timeout=DEADLINE_SEC)
        self.addCleanup(client.shutdown)
        client.login(name, password)
        return client

    def test_certificates_and_neighbours_may_be_others(self):
        """Within the system calls that the process has."""
        (pid,) = self.server.roles()["web"]
        loaded = self.server.log().count("tls.loaded")
        self.server.run("reload")
        self.server.logged("tls.loaded", loaded + 1)
        for role in ("keys", "auth", "log"):
            ready = len(self.server.logged("role.ready role=" + role))
            os.kill(self.server.roles()[role][0], signal.SIGKILL)
            self.server.logged("role.ready role=" + role, ready + 1)
            wait_for(lambda: Browser(self.server).get("/login").status == 200, "the page is there")
        self.assertEqual(self.server.roles()["web"], [pid])

    def test_the_whole_way(self):
        anna = self.people[0]
        browser = Browser(self.server)
        first = browser.get("/")
        self.assertEqual((first.status, first.headers["Location"]), (303, "/login"))
        answer = browser.log_in(anna.name, PASSWORD, anna.app.next())
        self.assertEqual((answer.status, answer.headers["Location"]), (303, "/"), answer.text)
        self.assertRegex(browser.cookies[SESSION], r"\A[0-9a-f]{64}\Z")
        listed = browser.get("/")
        self.assertIn(anna.name, listed.page.by_id["user"])

        refused = browser.enrol("elsewhere", networks="everywhere else")
        self.assertEqual(refused.status, 400, refused.text)
        made = browser.enrol('phone "one" <b>', read_only="yes", folders="INBOX, changed",
                             networks="127.0.0.0/8,2001:db8::/32", days="30")
        self.assertEqual(made.status, 200, made.text)
        password = made.page.by_id["password"]
        self.assertRegex(password, r"\A[a-z2-7]{4}(-[a-z2-7]{4}){4}\Z")
        self.assertEqual([tag for tag, attributes in made.page.tags if attributes.get("class") == "qr"], ["svg"])
        profile = browser.post("/profile", made.page.form("/profile"))
        self.assertEqual(profile.headers["Content-Type"], "application/x-apple-aspen-config")
        self.assertIn("attachment", profile.headers["Content-Disposition"])
        content = plistlib.loads(profile.body)["PayloadContent"][0]
        self.assertEqual(content["IncomingPassword"], password)
        self.assertEqual(content["IncomingMailServerPortNumber"], self.server.imaps_port)

        phone = self.imap(anna.name, password)
        self.assertEqual(phone.select("INBOX", readonly=True)[0], "OK")
        self.assertEqual(phone.create("changed")[0], "NO")
        (row,) = [row for row in browser.get("/").page.rows if row and row[0].startswith('phone "one" <b>')]
        self.assertIn("changes nothing", row[1])
        self.assertIn("changed", row[1])
        self.assertIn("2001:db8::/32", row[2])
        self.assertRegex(row[4], r"\d{4}-\d\d-\d\d")
        self.assertIn("127.0.0.1", row[3])
        self.assertNotIn(password, browser.get("/").text)

        began = time.monotonic()
        self.assertEqual(browser.revoke('phone "one" <b>').status, 303)
        line = phone.readline()
        while line and b"BYE" not in line:
            line = phone.readline()
        took = time.monotonic() - began
        self.assertIn(b"BYE", line)
        if not is_sanitized():
            self.assertLess(took, 1 + 4)  # a second for us; the rest for a machine that does more than this
        with self.assertRaises(imaplib.IMAP4.error):
            self.imap(anna.name, password)
        self.assertNotIn("phone", " ".join(row[0] for row in browser.get("/").page.rows if row))

        page = browser.get("/").page
        token = browser.cookies[SESSION]
        self.assertEqual(browser.post("/logout", page.form("/logout")).headers["Location"], "/login")
        self.assertNotIn(SESSION, browser.cookies)
        browser.cookies[SESSION] = token
        self.assertEqual(browser.get("/").headers["Location"], "/login")

    def test_one_answer_for_whatever_was_wrong(self):
        anna = self.people[1]
        tries = [(anna.name, "another password", "123456"), (anna.name, PASSWORD, "000000"),
                 (anna.name, PASSWORD, ""), ("nobody", PASSWORD, "123456"), ("admin", PASSWORD, "123456"),
                 (anna.name, "x" * 1000, "y" * 64), ("u" * 250, PASSWORD, "1")]
        bodies = set()
        for name, password, code in tries:
            answer = Browser(self.server).log_in(name, password, code)
            self.assertEqual(answer.status, 403)
            bodies.add(re.sub(r'name="form" value="[0-9a-f]{32}"', "", answer.text))
        self.assertEqual(len(bodies), 1)
        code = anna.recovery.pop()
        self.assertEqual(Browser(self.server).log_in(anna.name, PASSWORD, code).status, 303)
        self.assertEqual(Browser(self.server).log_in(anna.name, PASSWORD, code).status, 403)

    def test_a_session_is_one_persons_and_a_form_one_sessions(self):
        one, other = Browser(self.server), Browser(self.server)
        anna, bert = self.people[1], self.people[2]
        one.enter(anna)
        other.enter(bert)
        self.assertEqual(one.enrol("of anna").status, 200)
        fields = one.get("/").page.form("/revoke")
        mine = other.get("/").page.form("/device")

        self.assertEqual(other.post("/revoke", fields).status, 403)  # a form of another session
        fields = dict(fields, form=self.token_of(other, "/revoke", fields))
        self.assertEqual(other.post("/revoke", fields).status, 404)  # a device of another person
        self.assertIn("of anna", " ".join(row[0] for row in one.get("/").page.rows if row))

        self.assertEqual(other.post("/device", dict(mine, name="x", scope="imap", form="")).status, 403)
        self.assertEqual(other.post("/device", dict(mine, name="x", scope="imap", form="0" * 32)).status, 403)
        answer = other.post("/device", dict(mine, name="x", scope="imap"), cookies=False)
        self.assertEqual((answer.status, answer.headers["Location"], answer.headers["Set-Cookie"]), (303, "/login", None))
        self.assertEqual(other.post("/logout", dict(mine)).status, 403)  # of another form
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Origin": "http://localhost:%d" % self.server.page_port}):
            self.assertEqual(other.post("/device", dict(mine, name="x", scope="imap"), headers=headers).status, 403)
        for cookie in (SESSION + "=" + "0" * 64, SESSION + "=", SESSION + "=../../x", "; ".join(
                "%s=%s" % (SESSION, b.cookies[SESSION]) for b in (one, other))):
            answer = other.get("/", headers={"Cookie": cookie})
            self.assertEqual((answer.status, answer.headers["Location"]), (303, "/login"))
        one.revoke("of anna")

    @staticmethod
    def token_of(browser, action, fallback):
        """The browser's own token for that form, which it has only if it has a device; made by making one."""
        page = browser.get("/").page
        if not [form for form in page.forms if form["action"] == action]:
            browser.enrol("own")
            page = browser.get("/").page
        del fallback
        return page.form(action)["form"]

    def test_hostile_names_come_back_as_text(self):
        browser = Browser(self.server)
        browser.enter(self.people[2])
        plain = browser.get("/").page
        for name in ("<script>alert(1)</script>", '"><img src=x onerror=y>', "' onclick='z", "&lt;b&gt;", "{{7*7}}",
                     "</td></tr></table>"):
            made = browser.enrol(name)
            self.assertEqual(made.status, 200, made.text)
            page = browser.get("/").page
            self.assertEqual({tag for tag, _ in page.tags} - {tag for tag, _ in plain.tags},
                             {"table", "thead", "tr", "th", "tbody", "td"} - {tag for tag, _ in plain.tags})
            self.assertIn(name, [row[0].split("\n")[0] for row in page.rows if row])
            profile = browser.post("/profile", made.page.form("/profile"))
            self.assertEqual(plistlib.loads(profile.body)["PayloadDescription"], name)
            self.assertEqual(browser.revoke(name).status, 303)
        for name in ("", " ", "x" * 65, "a\nb", "\x00", "\x7f", "\u202egnp.exe"):
            self.assertEqual(browser.enrol(name).status, 400)

    def test_every_answer_has_its_headers(self):
        browser = Browser(self.server)
        for path, status in (("/login", 200), ("/", 303), ("/style.css", 200), ("/nothing", 404), ("/device", 405)):
            answer = browser.get(path)
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.headers["X-Frame-Options"], "DENY")
            self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
            self.assertNotIn("unsafe", answer.headers["Content-Security-Policy"])
            self.assertIn("max-age", answer.headers["Strict-Transport-Security"])
            self.assertEqual(answer.headers["Connection"], "close")
            if path != "/style.css":
                self.assertEqual(answer.headers["Cache-Control"], "no-store")
            self.assertIsNone(answer.headers["Server"])
        for host in ("evil.example", "127.0.0.1", "localhost.evil.example"):
            self.assertEqual(browser.get("/login", headers={"Host": host}).status, 421)

    def raw(self, data):
        """Bytes over TLS, and all that comes back."""
        sock = socket.create_connection(("127.0.0.1", self.server.page_port), timeout=DEADLINE_SEC)
        with self.server.tls_context().wrap_socket(sock, server_hostname="localhost") as tls:
            got = b""
            try:
                tls.sendall(data)
                while True:
                    piece = tls.recv(65536)
                    if not piece:
                        return got
                    got += piece
            except OSError:
                return got

    def test_what_is_no_request_of_ours(self):
        host = b"Host: localhost\r\n"
        form = b"Content-Type: application/x-www-form-urlencoded\r\n"
        rows = [
            (b"GET /login HTTP/1.1\r\n\r\n", b"400"),
            (b"GET /login HTTP/1.1\r\n" + host + host + b"\r\n", b"400"),
            (b"GET /login\r\n\r\n", b"400"),
            (b"DELETE /login HTTP/1.1\r\n" + host + b"\r\n", b"405"),
            (b"CONNECT localhost:993 HTTP/1.1\r\n" + host + b"\r\n", b"404"),
            (b"GET /login/../../etc/passwd HTTP/1.1\r\n" + host + b"\r\n", b"404"),
            (b"GET /%2e%2e/ HTTP/1.1\r\n" + host + b"\r\n", b"404"),
            (b"GET /login HTTP/1.1\r\n" + host + b"X: " + b"y" * 20000 + b"\r\n\r\n", b"431"),
            (b"GET /" + b"y" * 20000 + b" HTTP/1.1\r\n" + host + b"\r\n", b"414"),
            (b"POST /login HTTP/1.1\r\n" + host + form + b"Content-Length: 1048576\r\n\r\n" + b"a" * 1048576, b"413"),
            (b"POST /login HTTP/1.1\r\n" + host + form + b"Content-Length: -1\r\n\r\n", b"400"),
            (b"POST /login HTTP/1.1\r\n" + host + form + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
            (b"POST /login HTTP/1.1\r\n" + host + form + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"411"),
            (b"POST /login HTTP/1.1\r\n" + host + form + b"Content-Length: 3\r\n\r\na=b", b"403"),
            (b"POST /login HTTP/1.1\r\n" + host + form + b"Content-Length: 7\r\n\r\na=b&a=c", b"400"),
            (b"POST /login HTTP/1.1\r\n" + host + form + b"Content-Length: 5\r\n\r\na=%00", b"400"),
            (b"POST /login HTTP/1.1\r\n" + host + b"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\na=b", b"415"),
            (b"* BYE\r\na1 LOGIN anna x\r\n\r\n", b"400"),
        ]
        for data, status in rows:
            got = self.raw(data)
            self.assertRegex(got.split(b"\r\n")[0], rb"\AHTTP/1\.[01] " + status, data[:100])
            # libmicrohttpd says the head of some of its own refusals twice; a second answer there is never.
            self.assertLessEqual(set(re.findall(rb"(?m)^HTTP/1\.[01] (\d\d\d)", got)), {status}, data[:100])
        self.assertEqual(Browser(self.server).get("/login").status, 200)

    def test_tls_is_as_at_imaps_door(self):
        context = self.server.tls_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with socket.create_connection(("127.0.0.1", self.server.page_port), timeout=DEADLINE_SEC) as sock:
            with context.wrap_socket(sock, server_hostname="localhost") as tls:
                self.assertEqual(tls.selected_alpn_protocol(), "http/1.1")
                self.assertIn(tls.version(), ("TLSv1.2", "TLSv1.3"))
        context = self.server.tls_context()
        context.set_alpn_protocols(["imap"])
        with socket.create_connection(("127.0.0.1", self.server.page_port), timeout=DEADLINE_SEC) as sock:
            with self.assertRaises(ssl.SSLError), context.wrap_socket(sock, server_hostname="localhost"):
                pass
        with socket.create_connection(("127.0.0.1", self.server.page_port), timeout=DEADLINE_SEC) as sock:
            sock.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertNotIn(b"HTTP", sock.recv(100))

    def test_one_source_has_its_share(self):
        held = []
        try:
            for _ in range(40):
                held.append(socket.create_connection(("127.0.0.1", self.server.page_port), timeout=DEADLINE_SEC))
            held[-1].setblocking(True)
            self.assertEqual(held[-1].recv(1), b"")  # beyond the share: closed at once
        finally:
            for sock in held:
                sock.close()
        wait_for(self.is_served, "a browser is served again")

    def is_served(self):
        try:
            return Browser(self.server).get("/login").status == 200
        except OSError:
            return False

    def test_the_role_dies_and_comes_back(self):
        (pid,) = self.server.roles()["web"]
        browser = Browser(self.server)
        browser.enter(self.people[0])
        os.kill(pid, 9)
        wait_for(lambda: self.server.roles().get("web", [pid]) != [pid], "another web role")
        wait_for(self.is_served, "the page again")
        self.assertEqual(browser.get("/").status, 200)  # the session is auth's

    def test_nothing_secret_is_logged(self):
        browser = Browser(self.server)
        anna = self.people[0]
        code = anna.recovery[-1]
        browser.enter(anna)
        made = browser.enrol("logged")
        secrets = [PASSWORD, code, made.page.by_id["password"], browser.cookies[SESSION]]
        browser.revoke("logged")
        self.server.logged("path=/revoke status=303")
        log = self.server.log()
        for path in glob.glob(os.path.join(self.server.folder, "**/audit/*"), recursive=True):
            with open(path, encoding="utf-8", errors="replace") as text:
                log += text.read()
        for secret in secrets:
            self.assertNotIn(secret, log)
        actions = [json.loads(line)["event.action"] for line in log.splitlines() if line.startswith('{"')
                   and "event.action" in line]
        for action in ("enrol.login", "device.added", "device.revoked"):
            self.assertIn(action, actions)


if __name__ == "__main__":
    unittest.main()
