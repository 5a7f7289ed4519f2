"""Names as attackers choose them, in every field that a stranger or a user can fill in, of a server that runs.

FIELDS has a row for each field, VALUES a row for each kind of octets: every value goes through every field. Whatever
the answer was: no line of the log, of the audit log or of its syslog frames is forged or broken, nothing that moves a
cursor or turns letters round comes out at a terminal, pages hold no markup of a stranger, and everybody is served.
"""

import base64
import glob
import http.client
import itertools
import json
import os
import re
import socket
import ssl
import struct
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from certificates import CA, Authority
from enrolment import Browser, Page, PageServer, Person
from roost_server import DEADLINE_SEC, Port, Wire, sample, wait_for
from test_oauth import ISSUER, Issuer, oauthbearer, write_provider
from test_ship import HEADER, Pki, Receiver

FORGED = "forged"  # whom no line of a log may be about
PROXY = "127.0.0.2"
# What none of them may be: its own line in any of the logs.
LINE = '2026-11-22T16:00:00.000000Z info auth login.ok user=%s address=192.0.2.9' % FORGED
RECORD = '{"@timestamp":"2026-11-22T16:00:00.000000Z","event":"login.ok","event.action":"login.ok","user.name":"%s"}' % FORGED
VALUES = {
    "line ends": ("a\r\n%s\r\n%s\nt1 OK done\r\n" % (LINE, RECORD)).encode(),
    "other line ends": ("a\u2028%s\u2029%s\x85%s\x0b\x0c" % (LINE, RECORD, LINE)).encode(),
    "NUL": b"a\0b",
    "controls": bytes(range(1, 32)) + b"\x7f",
    "terminal": b"\x1b]0;owned\x07\x1b[2J\x1b[31;1m\x1bP+q\x1b\\",
    "terminal of C1": "\x9b31m\x9d0;owned\x9c".encode(),
    "bidi": "anna\u202egpj.exe\u2066\u2069\u200f\u061c".encode(),
    "html": b"<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;<!--",
    "json": b'a","event":"login.ok","role":"auth","user":"' + FORGED.encode() + b'","x":"\\',
    "ecs": b'a","event.action":"login.ok","roost.chain":"00","user.name":"' + FORGED.encode() + b'"}',
    "text fields": b"a event=login.ok user=" + FORGED.encode() + b' reason="x',
    "syslog": b"<104>1 2026-11-22T16:00:00Z h roost auth login.ok [meta sequenceId=\"1\"] \xef\xbb\xbf" + RECORD.encode(),
    "ldap": b"*)(uid=*))(|(uid=*\\2a,dc=x+cn=y;#",
    "sql": b"' OR 1=1; DROP TABLE accounts; --",
    "format": b"%s%n%p%99999d%u%D$(id)`id`",
    "path": b"../../../../etc/passwd",
    "not UTF-8": b"\xff\xfe\xc3(\xed\xa0\x80",
    "10 kB": b"A" * 10240,
}
FIELD = re.compile(r' ([a-z0-9_.]+)=([!#-\[\]-~]+|"(?:\\.|[^"\\])*")')
TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (debug|info|warning|error) [a-z]+ [a-z0-9_.]+"
                       "(" + FIELD.pattern + ")*")
COMMANDS = (["user", "list"], ["device", "list", "anna"], ["group", "list"], ["shared", "list"], ["domain", "list"],
            ["alias", "list"], ["session", "list"], ["status"], ["audit", "verify"], ["mailbox", "list", "anna"])


def is_control(char):
    code = ord(char)
    return code < 0x20 or 0x7f <= code < 0xa0 or code in (0x61c, 0x200e, 0x200f) or 0x2028 <= code <= 0x202e or \
        0x2066 <= code <= 0x2069


def once(pairs):
    """Of json: a member that stands twice means two things to two readers."""
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise AssertionError("a member twice: %r" % (pairs,))
    return dict(pairs)


def literal(value):
    return b"{%d+}\r\n%s" % (len(value), value)


class HostileServer(PageServer):
    """With everything that takes names from outside: page, certificates, tokens, a proxy, a mail server's sockets."""

    def __init__(self):
        self.issuer = Issuer()
        self.ship_port = Port()
        super().__init__(idp_folder="idp", oauth=["here"], proxy_networks=[PROXY], log_format="text", log_level="debug",
                         log_mail_events="yes", audit_ship="127.0.0.1:%d" % self.ship_port.number)
        folder = os.path.join(self.data, "idp")
        os.mkdir(folder, 0o755)
        write_provider(folder, "here", {
            "issuer": ISSUER, "audience": ["mail"], "introspection": self.issuer.url + "/introspect",
            "client_id": "roost", "client_secret": "Hush7"})
        self.ca = Authority(os.path.join(self.folder, "ca"))
        os.chmod(self.ca.folder, 0o755)
        self.ca.make("root", "root", CA)
        pki = Pki(self.folder)
        self.receiver = Receiver(self.ship_port.number, *pki.issue("receiver", "DNS:localhost,IP:127.0.0.1"))
        self.set(client_ca=self.ca.path("root.pem"), audit_ship_ca=pki.ca,
                 auth_socket=os.path.join(self.folder, "mta-auth"), socketmap_socket=os.path.join(self.folder, "mta-map"))

    def close(self):
        super().close()
        self.issuer.close()
        if hasattr(self, "receiver"):
            self.receiver.close()
        self.ship_port.close()


class HostileNames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = HostileServer()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        (made,) = json.loads(cls.server.run("user", "add", "anna", "--json").stdout)
        cls.password = made["password"].encode()
        cls.person = Person(cls.server, "berta")
        cls.browser = Browser(cls.server)
        cls.browser.enter(cls.person)
        cls.sources = itertools.count(256)  # a new one for each: nobody is throttled for the others
        cls.pids = cls.server.roles()
        cls.wire = cls("inside").inside()

    # ---- ways in

    def inside(self):
        """A session of anna's."""
        wire = self.server.wire(tls=False)
        self.addClassCleanup(wire.close)
        wire.ok(b"LOGIN anna " + self.password)
        wire.ok("ENABLE UTF8=ACCEPT")
        wire.ok("SELECT INBOX")
        return wire

    def connect(self, port, source=None):
        if source is None:
            n = next(self.sources)
            source = "127.1.%d.%d" % (n // 250 % 250 + 1, n % 250 + 1)
        return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SEC, source_address=(source, 0))

    def talk(self, sock, octets, end=rb"\Z"):
        """What it says until it hangs up, or says what ends the talk. No octet of it is one of a stranger's."""
        got = b""
        try:
            sock.sendall(octets)
            while not re.search(end, got):
                part = sock.recv(65536)
                if not part:
                    break
                got += part
        except (ConnectionError, ssl.SSLError):
            pass  # it has hung up already
        finally:
            sock.close()
        self.assertNotRegex(got, rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
        return got

    def stranger(self, octets, tls=False):
        """A connection before login, to the answer of t1."""
        sock = self.connect(self.server.imaps_port if tls else self.server.imap_port)
        if tls:
            sock = self.server.tls_context().wrap_socket(sock, server_hostname="localhost")
        return self.talk(sock, octets, rb"(?m)^t1 (OK|NO|BAD)[^\n]*\n|^\* BYE [^\n]*\n")

    def command(self, octets):
        """As anna; a session that was ended for it is replaced."""
        try:
            return self.wire.command(octets)
        except (AssertionError, ConnectionError):
            type(self).wire = self.inside()
            return [], b"BYE"

    def roost(self, *words):
        """A subcommand; both of its outputs are shown on terminals."""
        done = self.server.run(*words, text=False, check=False)
        for output in (done.stdout, done.stderr):
            text = output.decode("utf-8", "strict").replace("\n", " ")
            self.assertFalse([char for char in text if is_control(char)], (words, output))
        return done

    def page(self, octets):
        """A request as raw octets; the answer, which has no markup of a stranger."""
        sock = self.server.tls_context().wrap_socket(self.connect(self.server.page_port), server_hostname="localhost")
        got = self.talk(sock, octets)
        if b"\r\n\r\n" in got:
            self.look_at_page(got.split(b"\r\n\r\n", 1)[1].decode("utf-8", "strict"))

    def look_at_page(self, text):
        self.assertFalse([char for char in text.replace("\n", " ") if is_control(char)], text)
        for tag, attributes in Page(text).tags:
            self.assertNotIn(tag, ("script", "img", "iframe"), text)
            self.assertFalse([name for name in attributes if name.startswith("on")], text)

    # ---- fields, before login

    def tag(self, value):
        self.stranger(value + b" NOOP\r\nt1 NOOP\r\n")

    def verb(self, value):
        self.stranger(b"t0 " + value + b"\r\nt1 NOOP\r\n")

    def user_of_login(self, value):
        self.stranger(b"t1 LOGIN " + literal(value) + b" wrong\r\n")

    def password_of_login(self, value):
        self.stranger(b"t1 LOGIN anna " + literal(b"Hush7" + value) + b"\r\n")

    def user_of_plain(self, value):
        self.stranger(b"t1 AUTHENTICATE PLAIN " + base64.b64encode(b"\0" + value + b"\0wrong") + b"\r\n")

    def authzid_of_plain(self, value):
        self.stranger(b"t1 AUTHENTICATE PLAIN " + base64.b64encode(value + b"\0anna\0" + self.password) + b"\r\n")

    def user_of_scram(self, value):
        name = value.replace(b"=", b"=3D").replace(b",", b"=2C")
        self.stranger(b"t1 AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(b"n,,n=" + name + b",r=abc") +
                      b"\r\n" + base64.b64encode(b"c=biws,r=abc,p=AAAA") + b"\r\n", tls=True)

    def mechanism(self, value):
        self.stranger(b"t1 AUTHENTICATE " + value + b"\r\nt1 NOOP\r\n")

    def client_id(self, value):
        self.stranger(b"t0 ID (\"name\" " + literal(value) + b" " + literal(value[:30]) + b" \"x\")\r\nt1 LOGIN anna " +
                      self.password + b"\r\n")

    def token(self, value):
        self.stranger(b"t1 AUTHENTICATE OAUTHBEARER " + base64.b64encode(
            b"n,a=" + value + b",\1host=localhost\1auth=Bearer " + value + b"\1\1") + b"\r\nAQ==\r\n", tls=True)

    def claims(self, value):
        text = value.decode("utf-8", "replace")
        for name, claims in (("user", {"email": text}), ("issuer", {"iss": text}), ("audience", {"aud": [text]}),
                             ("groups", {"email": "anna", "groups": [text]})):
            self.server.issuer.tokens[name] = {"active": True, "iss": ISSUER, "aud": "mail", "email_verified": True,
                                                "exp": 4000000000, **claims}
            self.stranger(b"t1 AUTHENTICATE OAUTHBEARER " + oauthbearer(name).encode() + b"\r\nAQ==\r\n", tls=True)

    def handshake(self, name, protocols):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(protocols)
        sock = self.connect(self.server.imaps_port)
        try:
            self.talk(context.wrap_socket(sock, server_hostname=name),
                      b"t1 LOGIN anna " + self.password + b"\r\nt2 LOGOUT\r\n")
        except (ssl.SSLError, ConnectionError):
            sock.close()

    def server_name(self, value):
        self.handshake(value.replace(b"\0", b"").decode("ascii", "ignore").encode()[:255].lstrip(b".") or b"x", None)

    def alpn(self, value):
        self.handshake(None, [value.decode("ascii", "ignore")[:255] or "x"])

    def certificate(self, value):
        name = "c%d" % next(self.sources)
        mail = value[:200]
        der = b"\x81" + (bytes([len(mail)]) if len(mail) < 128 else bytes([0x81, len(mail)])) + mail
        der = b"\x30" + (bytes([len(der)]) if len(der) < 128 else bytes([0x81, len(der)])) + der
        self.server.ca.client(name, "root", change={"subjectAltName": "DER:" + der.hex()})
        context = self.server.tls_context()
        context.load_cert_chain(self.server.ca.path(name + ".pem"), self.server.ca.path("client.key"))
        sock = context.wrap_socket(self.connect(self.server.imaps_port), server_hostname="localhost")
        self.talk(sock, b"t1 AUTHENTICATE EXTERNAL =\r\nt2 LOGOUT\r\n")

    def proxy(self, value):
        body = socket.inet_aton("192.0.2.8") + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 49152, 143)
        for kind in (b"\x01", b"\x02", b"\x21"):  # ALPN, authority, TLS
            body += kind + struct.pack(">H", min(len(value), 600)) + value[:600]
        for head in (b"PROXY TCP4 " + value + b" 198.51.100.1 1 143\r\n", b"PROXY " + value + b"\r\n",
                     b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(body)) + body):
            self.talk(self.connect(self.server.imap_port, PROXY), head + b"t1 LOGOUT\r\n")

    def http(self, value):
        self.talk(self.connect(self.server.imap_port), b"GET /" + value + b" HTTP/1.1\r\nHost: " + value + b"\r\n\r\n")

    def mail_server(self, value):
        """Postfix's and Exim's side of the two sockets: what they pass on is strangers'."""
        bare = re.sub(rb"[\t\n]", b"", value)
        lines = b"VERSION\t1\t2\nCPID\t7\nAUTH\t1\tPLAIN\tservice=smtp\tsecured\trip=127.0.0.1\tresp=" + base64.b64encode(
            b"\0" + value + b"\0wrong") + b"\nAUTH\t2\t%s\tservice=%s\trip=%s\n" % (bare, bare, bare)
        for path, octets in (("mta-auth", lines), ("mta-map", b"%d:recipients %s," % (len(value) + 11, value))):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(DEADLINE_SEC)
            sock.connect(os.path.join(self.server.folder, path))
            self.talk(sock, octets, rb"\n(FAIL|OK)\t[^\n]*\n|^\d+:[^\n]*,")

    # ---- fields of mail that comes in

    def lmtp(self, value):
        lines = (b"LHLO " + value, b"LHLO client.example.org", b"MAIL FROM:<" + value + b">", b"RSET",
                 b"MAIL FROM:<a@example.org> X=" + value, b"RSET", b'MAIL FROM:<"' + value + b'"@example.org>', b"RSET",
                 b"MAIL FROM:<a@example.org>", b"RCPT TO:<" + value + b">", b'RCPT TO:<"' + value + b'"@example.org>',
                 b"RCPT TO:<anna+" + value + b">", b"QUIT")
        self.talk(self.connect(self.server.lmtp_port), b"\r\n".join(lines) + b"\r\n")

    def message(self, value):
        header = re.sub(rb"[\r\n]", b"", value).replace(b"\0", b"")
        self.server.deliver("anna", b"From: " + header + b"\r\nMessage-ID: <" + header + b"@example.org>\r\nSubject: " +
                            header + b"\r\n\r\nx\r\n")
        self.command("NOOP")
        self.command("UID STORE * +FLAGS.SILENT (\\Deleted)")
        self.command("EXPUNGE")

    # ---- fields of a user who is logged in

    def mailbox(self, value):
        self.command(b"CREATE " + literal(value))
        self.command(b"CREATE \"below/" + re.sub(rb"[\r\n\0\"\\]", b"", value) + b"\"")
        self.command(b"RENAME " + literal(value) + b" " + literal(value + b"2"))
        self.command(b"SUBSCRIBE " + literal(value))
        self.command(b"STATUS " + literal(value) + b" (MESSAGES)")
        self.command(b"DELETE " + literal(value + b"2"))
        for line in self.command("LIST \"\" \"*\"")[0] + self.command("LSUB \"\" \"*\"")[0]:
            self.assertRegex(line, rb"\A\* (LIST|LSUB) \(")
            # RFC 9051 5.1: Net-Unicode. Marks of direction may stand in a name; where it is shown they are no matter of ours.
            self.assertNotRegex(line.decode(), "[\0-\x1f\x7f-\x9f\u2028\u2029]")

    def keyword(self, value):
        for text in (value, re.sub(rb"[\r\n\0(){ %*\"\\\]]", b"", value)[:300] or b"x"):
            message = sample(1)
            self.command(b"APPEND INBOX (" + text + b") " + literal(message))
        for line in self.command("FETCH 1:* FLAGS")[0]:
            self.assertFalse([char for char in line.decode() if is_control(char)], line)

    def metadata(self, value):
        answer = self.command(b"SETMETADATA INBOX (/private/comment ~" + literal(value) + b")")[1]
        if answer.startswith(b"OK"):
            (line,) = self.command("GETMETADATA INBOX /private/comment")[0]
            quoted = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            self.assertRegex(line, rb"\(/private/comment (\"%s\"|~?\{%d\}\r\n%s)\)\Z" % (
                re.escape(quoted), len(value), re.escape(value)))  # to the octet
        self.command(b"SETMETADATA INBOX (/private/" + re.sub(rb"[^!-~]|[\"\\(){]", b"", value) + b" \"x\")")

    def identifier(self, value):
        self.command(b"SETACL INBOX " + literal(value) + b" lr")
        self.command(b"SETACL INBOX bertil " + literal(value))
        self.command(b"DELETEACL INBOX " + literal(value))

    def arguments(self, value):
        for command in (b"SEARCH SUBJECT ", b"SEARCH KEYWORD ", b"LANGUAGE ", b"COMPARATOR ", b"GENURLAUTH ", b"URLFETCH ",
                        b"GETQUOTA ", b"SETQUOTA ", b"ENABLE ", b"EXAMINE "):
            self.command(command + literal(value))

    def client_id_inside(self, value):
        self.command(b"ID (\"name\" " + literal(value) + b")")

    # ---- the page

    def form(self, value):
        text = value.decode("utf-8", "surrogateescape")
        for fields in ({"user": value, "password": value, "code": value}, {"user": value, "password": b"", "code": b""}):
            sent = Browser(self.server)
            page = sent.get("/login").page.form("/login")
            self.look_at_page(sent.post("/login", {**page, **fields}).text)
        page = self.browser.get("/").page.form("/device")
        self.look_at_page(self.browser.post("/device", {**page, "name": value[:64], "scope": "imap"}).text)
        page = self.browser.get("/").page.form("/device")
        self.look_at_page(self.browser.post("/device", {**page, "name": "x", "scope": value}).text)
        self.look_at_page(self.browser.get("/" + urllib.parse.quote(text, errors="surrogateescape")[:2000]).text)
        self.look_at_page(self.browser.get("/").text)

    def headers_of_page(self, value):
        for line in (b"GET /" + value + b" HTTP/1.1\r\nHost: localhost", b"GET / HTTP/1.1\r\nHost: " + value,
                     b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-roost=" + value,
                     b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nOrigin: " + value,
                     b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + value + b"\r\nUser-Agent: " + value):
            self.page(line + b"\r\nConnection: close\r\n\r\n")

    # ---- the administrator's own names

    def names_of_the_administrator(self, value):
        if b"\0" in value:
            return  # no argument of a program has one
        self.roost("user", "add", value)
        self.roost("device", "add", "anna", value)
        self.roost("group", "add", value)
        self.roost("shared", "add", value)

    FIELDS = (tag, verb, user_of_login, password_of_login, user_of_plain, authzid_of_plain, user_of_scram, mechanism,
              client_id, token, claims, server_name, alpn, certificate, proxy, http, mail_server, lmtp, message, mailbox,
              keyword, metadata, identifier, arguments, client_id_inside, form, headers_of_page,
              names_of_the_administrator)

    # ---- and then

    def audit(self):
        """The lines of the audit log, whole and in order."""
        out = []
        for name in sorted(glob.glob(os.path.join(self.server.data, "audit/audit-*.jsonl"))):
            with open(name, "rb") as lines:
                out += [line[:-1] for line in lines if line.endswith(b"\n")]
        return out

    def check_log(self):
        """Each line has the form of one, and none is about who was never there."""
        for line in self.server.log().split("\n"):
            self.assertFalse([char for char in line if is_control(char)], repr(line))
            if line:
                self.assertRegex(line, "\\A(" + TEXT_LINE.pattern + ")\\Z")
                self.assertNotIn(FORGED, [value.strip('"') for _, value in FIELD.findall(line)])
                self.assertNotIn("Hush7", line)

    def check_audit(self):
        lines = self.audit()
        for line in lines:
            text = line.decode("utf-8", "strict")
            self.assertFalse([char for char in text if is_control(char)], text)
            record = json.loads(text, object_pairs_hook=once)
            self.assertNotEqual(record.get("user.name"), FORGED, text)
            self.assertNotIn("Hush7", text)
        self.assertEqual(self.roost("audit", "verify").returncode, 0)
        return lines

    def check_frames(self):
        receiver = self.server.receiver
        wait_for(lambda: len(receiver.frames) >= len(self.audit()), "the whole audit log at its receiver")
        self.assertEqual(receiver.errors, [])
        lines = set(self.audit())
        for frame in receiver.frames:
            match = HEADER.fullmatch(frame)
            self.assertIsNotNone(match, frame)
            self.assertIn(match.group(8), lines)

    def test_every_value_in_every_field(self):
        for field in self.FIELDS:
            for name, value in VALUES.items():
                with self.subTest(field=field.__name__, value=name):
                    field(self, value)
        for words in COMMANDS:
            with self.subTest(words):
                self.assertEqual(self.roost(*words).returncode, 0)
        self.command("NOOP")
        self.assertEqual(self.server.roles(), self.pids)  # nobody died of it
        self.server.wire().close()
        with self.subTest("log"):
            self.check_log()
        with self.subTest("audit log"):
            self.assertGreater(len(self.check_audit()), len(VALUES))
        with self.subTest("syslog"):
            self.check_frames()


if __name__ == "__main__":
    unittest.main()
