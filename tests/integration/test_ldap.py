"""A directory as account back-end: a real slapd, asked through role idp's own code and by logins over IMAP."""

import contextlib
import imaplib
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from idp_provider import Provider, give_to_idp, idp_folder, write_conf
from roost_server import DEADLINE_SEC, Port, Server, need, wait_for
from slapd import READER, READER_PASSWORD, SUFFIX, Slapd, entry, person

PEOPLE = "ou=people," + SUFFIX
GROUPS = "ou=groups," + SUFFIX
SLOT_SEC = 2  # BACKEND_SLOT_US: a refusal comes at the end of one

ENTRIES = (
    person("anna", "anna's", mail="anna@example.org")
    + person("bob", "bob's", mail="bob@example.org", employeeType="leaver")
    + person("two", "two's", mail="twice@example.org")
    + person("too", "too's", mail="twice@example.org")
    + entry("uid=many,%s" % PEOPLE, objectClass="inetOrgPerson", uid=["many", "names"], cn="m", sn="m",
            userPassword="many's")
    + entry("cn=a\\,b\\2b c,%s" % PEOPLE, objectClass="inetOrgPerson", uid="comma", cn="a,b+c", sn="c",
            userPassword="comma's")
    + person("nopass", "x").replace("userPassword: x\n", "")
    + person("hidden", "hidden's", folder="hidden")
    + person("star*", "star's")
)
IN_GROUPS = (
    entry("cn=staff,%s" % GROUPS, objectClass="groupOfNames", cn="staff",
            member=["uid=anna,%s" % PEOPLE, "cn=a\\,b\\2b c,%s" % PEOPLE])
    + entry("cn=board\\, old,%s" % GROUPS, objectClass="groupOfNames", cn="board, old",
            member="uid=anna,%s" % PEOPLE)
)

SEARCH = {"base": SUFFIX, "filter": "(&(objectClass=inetOrgPerson)(uid=%u))", "search_dn": READER}

# Each differs from "anna" with her password in one thing, and lets nobody in.
HOSTILE_NAMES = [
    b"*", b"a*", b"*anna", b"anna*", b"ann?", b"*)(uid=*", b"anna)(|(uid=*", b"anna)(uid=*))(|(uid=*", b"*))%00",
    b"anna\0", b"anna\0x", b"\0anna", b"anna)", b"(anna", b"anna\\2a", b"\\61nna", b"anna\\", b"an\\na", b"anna,ou=people",
    b"anna+cn=anna", b"anna,%s" % PEOPLE.encode(), b"uid=anna", b"anna#", b"#anna", b"anna\n", b"anna\r", b"\x7fanna",
    b"anna;x", b"\"anna\"", b"anna<", b"anna\xff", b"\xc0\xa1nna", b"anna\xed\xa0\x80", b"x" * 256, b"\xd0\xb0nna",
    b"ann\xd0\xb0", b"anna\xe2\x80\x8b", b"anna\xcc\x81", b"%u", b"%%", b"%D", b"", b"objectClass=*", b"nobody",
]
# What a directory takes for the same name is the same user, by the name that it has.
SPELLINGS = [b"ANNA", b"aNNa", b" anna", b"anna ", "\uff41nna".encode()]
HOSTILE_SECRETS = [
    b"", b"anna", b"Anna's", b"anna's ", b" anna's", b"anna's\0", b"\0", b"*", b"anna's\n", b"x" * 1000, b"{PLAIN}anna's",
    b"bob's", b"secret",
]


def provider_of(slapd, lines, secret=READER_PASSWORD):
    provider = Provider("ldap", {"servers": [slapd.uri(tls=True)], "ca_file": slapd.path("ca.pem"), "timeout": 3, **lines})
    if "search_dn" in lines:
        with open(provider.path("secret"), "w", encoding="utf-8") as out:
            out.write(secret + "\n")
        os.chmod(provider.path("secret"), 0o600)
        provider.write(search_password_file=provider.path("secret"))
    return provider


class Silent:
    """Takes connections and says nothing."""

    def __init__(self):
        self.port = Port()
        self.listener = socket.create_server(("127.0.0.1", self.port.number))
        self.taken = []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            try:
                self.taken.append(self.listener.accept()[0])
            except OSError:
                return

    def close(self):
        self.listener.close()
        for sock in self.taken:
            sock.close()
        self.port.close()


def ber(tag, *parts):
    body = b"".join(parts)
    return bytes([tag, 0x84]) + len(body).to_bytes(4, "big") + body


class Large(Silent):
    """A directory that knows everybody, by an entry whose message has so many octets. Searches end by these codes in
    turn, on each connection, and those after them by the last."""

    def __init__(self, octets, codes=(0,)):
        self.octets, self.codes = octets, codes
        super().__init__()

    def take(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            self.taken.append(sock)
            with contextlib.suppress(OSError):  # whoever asked had enough
                self.serve(sock)

    def serve(self, sock):
        octet = ber(0x04, b"")
        codes = list(self.codes)
        while request := sock.recv(4096):  # one at a time, in one piece
            number, operation = request[2:5], request[5]
            if operation == 0x60:
                sock.sendall(ber(0x30, number, ber(0x61, b"\x0a\x01\x00", octet, octet)))
            elif operation == 0x63:
                sock.sendall(self.entry(number, b""))
                code = codes.pop(0) if len(codes) > 1 else codes[0]
                sock.sendall(ber(0x30, number, ber(0x65, b"\x0a\x01" + bytes([code]), octet, octet)))

    def entry(self, number, fill):
        def attribute(name, value):
            return ber(0x30, ber(0x04, name), ber(0x31, ber(0x04, value)))

        attributes = attribute(b"uid", b"anna") + attribute(b"description", fill)
        content = number + ber(0x64, ber(0x04, b"uid=anna," + SUFFIX.encode()), ber(0x30, attributes))
        return ber(0x30, content) if fill else self.entry(number, b"x" * (self.octets - len(content)))


class Bounded(unittest.TestCase):
    def ask(self, directory, **lines):
        self.addCleanup(directory.close)
        provider = Provider("ldap", {"servers": ["ldap://127.0.0.1:%d" % directory.port.number], "base": SUFFIX,
                                     "filter": "(uid=%u)", "plaintext_loopback": True, **lines})
        self.addCleanup(provider.folder.cleanup)
        return provider.ask(("user", b"anna", None))[0]

    def test_an_answer_has_a_longest(self):
        for octets, code in ((4 << 20, "ok"), ((4 << 20) + 1, "unavailable")):
            self.assertEqual(self.ask(Large(octets))[0], code)

    def test_what_a_directory_cuts_short_is_not_all(self):
        size_limit_exceeded = 4
        self.assertEqual(self.ask(Large(1 << 10, codes=[size_limit_exceeded]))[:2], ("refused", "not_unique"))
        for code, answer in ((0, ("ok", "ok")), (size_limit_exceeded, ("unavailable", "groups"))):
            self.assertEqual(self.ask(Large(1 << 10, codes=[0, code]), group_base=GROUPS, group_name="uid")[:2], answer)


class Asked(unittest.TestCase):
    """Each answer of the provider itself."""

    @classmethod
    def setUpClass(cls):
        cls.slapd = Slapd(ENTRIES)
        cls.addClassCleanup(cls.slapd.close)
        cls.slapd.start().add(IN_GROUPS)

    def provider(self, **lines):
        provider = provider_of(self.slapd, lines or SEARCH)
        self.addCleanup(provider.folder.cleanup)
        return provider

    def test_a_search_and_a_bind(self):
        got = self.provider().ask((b"anna", b"anna's"), (b"anna", b"wrong"), (b"nobody", b"x"), (b"comma", b"comma's"),
                                  (b"hidden", b"hidden's"), (b"nopass", b"x"), (b"star*", b"star's"), (b"many", b"many's"))
        self.assertEqual([one[:2] for one in got], [
            ("ok", "ok"), ("refused", "wrong_password"), ("unknown", "no_entry"), ("ok", "ok"), ("ok", "ok"),
            ("refused", "wrong_password"), ("ok", "ok"), ("refused", "user_attribute")])
        self.assertEqual([one[2] for one in got if one[0] == "ok"], [b"anna", b"comma", b"hidden", b"star*"])

    def test_a_name_is_never_a_filter(self):
        got = self.provider().ask(*[(name, b"anna's") for name in HOSTILE_NAMES])
        for name, answer in zip(HOSTILE_NAMES, got):
            with self.subTest(name=name):
                self.assertIn(answer[0], ("unknown", "refused"))

    def test_a_name_is_never_part_of_a_dn(self):
        lines = {"bind_dn": "uid=%u," + PEOPLE}
        got = self.provider(**lines).ask(*[(name, b"anna's") for name in HOSTILE_NAMES])
        for name, answer in zip(HOSTILE_NAMES, got):
            with self.subTest(name=name):
                self.assertIn(answer[0], ("unknown", "refused"))
        got = self.provider(**lines).ask((b"anna", b"anna's"), (b"anna", b"x"), (b"star*", b"star's"))
        self.assertEqual([one[:3] for one in got], [("ok", "ok", b"anna"), ("refused", "wrong_password", b""),
                                                    ("ok", "ok", b"star*")])

    def test_who_it_is_says_the_entry(self):
        for lines in (SEARCH, {"bind_dn": "uid=%u," + PEOPLE}):
            got = self.provider(**lines).ask(*[(name, b"anna's") for name in SPELLINGS])
            for name, answer in zip(SPELLINGS, got):
                with self.subTest(name=name, lines=lines):
                    self.assertEqual(answer[2], b"anna" if answer[0] == "ok" else b"")
            self.assertEqual(got[0][0], "ok")

    def test_only_the_password_lets_in(self):
        for lines in (SEARCH, {"bind_dn": "uid=%u," + PEOPLE}):
            got = self.provider(**lines).ask(*[(b"anna", secret) for secret in HOSTILE_SECRETS])
            for secret, answer in zip(HOSTILE_SECRETS, got):
                with self.subTest(secret=secret, lines=lines):
                    self.assertEqual(answer[0], "refused")

    def test_one_entry_or_none(self):
        lines = {**SEARCH, "filter": "(mail=%u)"}
        got = self.provider(**lines).ask((b"anna@example.org", b"anna's"), (b"twice@example.org", b"two's"))
        self.assertEqual([one[:3] for one in got], [("ok", "ok", b"anna"), ("refused", "not_unique", b"")])

    def test_parts_of_a_name(self):
        lines = {**SEARCH, "filter": "(&(uid=%n)(mail=*@%d))"}
        got = self.provider(**lines).ask((b"anna@example.org", b"anna's"), (b"anna@elsewhere", b"anna's"), (b"anna", b"anna's"))
        self.assertEqual([one[1] for one in got], ["ok", "no_entry", "no_domain"])

    def test_who_may_come_in(self):
        lines = {**SEARCH, "allow_filter": "(!(employeeType=leaver))"}
        for more in (lines, {"bind_dn": "uid=%u," + PEOPLE, "allow_filter": lines["allow_filter"]}):
            got = self.provider(**more).ask((b"anna", b"anna's"), (b"bob", b"bob's"), (b"bob", b"wrong"))
            self.assertEqual([one[0] for one in got], ["ok", "disabled", "refused"])

    def test_groups_of_an_attribute_or_a_search(self):
        for more in ({"group_attribute": "memberOf"}, {"group_base": GROUPS}):
            got = self.provider(**SEARCH, **more).ask((b"anna", b"anna's"), (b"comma", b"comma's"), (b"bob", b"bob's"))
            self.assertEqual([sorted(one[3]) for one in got], [[b"board, old", b"staff"], [b"staff"], []], more)

    def test_all_groups_are_told_or_nobody_comes_in(self):
        most, more = ("uid=%s,%s" % (name, PEOPLE) for name in ("most", "more"))
        self.slapd.add(person("most", "x") + person("more", "x"))
        self.slapd.add("".join(entry("cn=g%d,%s" % (i, GROUPS), objectClass="groupOfNames", cn="g%d" % i,
                                     member=[most, more] if i < 256 else more) for i in range(257)))
        for lines in ({"group_attribute": "memberOf"}, {"group_base": GROUPS}):
            got = self.provider(**SEARCH, **lines).ask((b"most", b"x"), (b"more", b"x"))
            self.assertEqual([one[:2] for one in got], [("ok", "ok"), ("unavailable", "groups")], lines)
            self.assertEqual(len(got[0][3]), 256)

    def test_a_user_without_a_password(self):
        got = self.provider().ask(("user", b"anna", None), ("user", b"nobody", None), ("user", b"*", None))
        self.assertEqual([one[:3] for one in got], [("ok", "ok", b"anna"), ("unknown", "no_entry", b""),
                                                    ("unknown", "no_entry", b"")])

    def test_starttls(self):
        lines = {**SEARCH, "servers": [self.slapd.uri()]}
        self.assertIn("starttls", self.provider(**lines).ask((b"anna", b"anna's")))
        got = self.provider(**lines, starttls=True).ask((b"anna", b"anna's"))
        self.assertEqual(got[0][0], "ok")

    def test_without_tls_on_loopback_only(self):
        lines = {**SEARCH, "servers": [self.slapd.uri()], "plaintext_loopback": True}
        self.assertEqual(self.provider(**lines).ask((b"anna", b"anna's"))[0][0], "ok")
        for host in ("192.0.2.1", "directory.example", "localhost"):
            lines["servers"] = ["ldap://" + host]
            self.assertIn("starttls", self.provider(**lines).ask((b"anna", b"anna's")))

    def test_a_certificate_must_be_good_and_name_the_server(self):
        slapd = Slapd("", certificate="wrong")
        self.addCleanup(slapd.close)
        slapd.start()
        for lines in ({"servers": [slapd.uri(tls=True)]}, {"servers": [slapd.uri()], "starttls": True}):
            provider = provider_of(slapd, {**SEARCH, **lines})
            self.addCleanup(provider.folder.cleanup)
            self.assertEqual(provider.ask((b"anna", b"anna's"))[0][0], "unavailable")
        got = self.provider(**SEARCH, ca_file=self.slapd.path("other_ca.pem")).ask((b"anna", b"anna's"))
        self.assertEqual(got[0][0], "unavailable")

    def test_the_next_server_when_one_is_silent_or_gone(self):
        silent, gone = Silent(), Port()
        self.addCleanup(silent.close)
        self.addCleanup(gone.close)
        silent_uri, gone_uri = ("ldaps://127.0.0.1:%d" % port.number for port in (silent.port, gone))
        lines = {**SEARCH, "timeout": 1}
        for servers in ([silent_uri, self.slapd.uri(tls=True)], [gone_uri, self.slapd.uri(tls=True)]):
            got = self.provider(**{**lines, "servers": servers}).ask(*[(b"anna", b"anna's")] * 3)
            self.assertEqual([one[0] for one in got], ["ok"] * 3)
        began = time.monotonic()
        got = self.provider(**{**lines, "servers": [silent_uri, gone_uri]}).ask((b"anna", b"anna's"))
        self.assertEqual(got[0][0], "unavailable")
        self.assertLess(time.monotonic() - began, DEADLINE_SEC / 2)

    def test_the_reader_s_password(self):
        provider = provider_of(self.slapd, SEARCH, secret="not it")
        self.addCleanup(provider.folder.cleanup)
        self.assertEqual(provider.ask((b"anna", b"anna's"))[0][:2], ("unavailable", "search_dn"))
        provider = provider_of(self.slapd, SEARCH, secret="")
        self.addCleanup(provider.folder.cleanup)
        self.assertIn("empty", provider.ask((b"anna", b"anna's")))

    def test_a_kept_connection_may_have_ended(self):
        provider = self.provider()
        process = subprocess.Popen(provider.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        for _ in range(3):
            process.stdin.write("password %s %s\n" % (b"anna".hex(), b"anna's".hex()))
            process.stdin.flush()
            self.assertEqual(process.stdout.readline().split()[:2], ["ok", "ok"])
            self.slapd.stop()
            self.slapd.start()

    def test_a_file_that_is_wrong_says_so(self):
        rows = [
            ({"servers": []}, "servers"), ({"servers": ["http://x"]}, "servers"), ({"servers": ["ldaps://"]}, "servers"),
            ({"servers": ["ldaps://x:0"]}, "servers"), ({"servers": ["ldaps://x y"]}, "servers"),
            ({"starttls": True}, "starttls"), ({"ca_file": "/nowhere"}, "ca_file"), ({"scope": "base"}, "scope"),
            ({"filter": "(uid=anna)"}, "filter"), ({"filter": "(uid=%x)"}, "filter"), ({"filter": "(uid=%u"}, "filter"),
            ({"filter": "uid=%u"}, "filter"), ({"filter": "(uid=%u))"}, "filter"), ({"bind_dn": "uid=%u"}, "bind_dn"),
            ({"base": ""}, "bind_dn"), ({"user_attribute": ""}, "user_attribute"), ({"timeout": 0}, "timeout"),
            ({"timeout": 8}, "timeout"), ({"group_base": GROUPS, "group_attribute": "memberOf"}, "group"),
            ({"group_base": GROUPS, "group_filter": "(cn=staff)"}, "group_filter"), ({"serverz": "x"}, "no such setting"),
        ]
        for lines, words in rows:
            with self.subTest(lines=lines):
                answer = self.provider(**{**SEARCH, **lines}).ask((b"anna", b"anna's"))
                self.assertIsInstance(answer, str)
                self.assertIn(words, answer)


class Running(unittest.TestCase):
    """A server with role idp in its sandbox."""

    @classmethod
    def setUpClass(cls):
        cls.slapd = Slapd(ENTRIES)
        cls.addClassCleanup(cls.slapd.close)
        cls.slapd.start().add(IN_GROUPS)

    def server(self, **settings):
        server = Server(users=1, idp_folder="idp", **{"backends": ["passwd-file", "sqlite", "ldap:corp"],
                                                      "legacy_passwords": "until 2100-01-01", **settings})
        self.addCleanup(server.close)
        folder = idp_folder(server)
        with open(os.path.join(folder, "secret"), "w", encoding="utf-8") as out:
            out.write(READER_PASSWORD)
        for name in ("ca.pem",):
            subprocess.run(["cp", self.slapd.path(name), folder], check=True)
        write_conf(os.path.join(folder, "corp.conf"), {
            **SEARCH, "servers": [self.slapd.uri(tls=True)], "ca_file": os.path.join(folder, "ca.pem"), "timeout": 2,
            "search_password_file": os.path.join(folder, "secret"), "group_attribute": "memberOf"})
        give_to_idp(os.path.join(folder, "secret"), os.path.join(folder, "corp.conf"))
        return server


class LoggedIn(Running):
    """By IMAP."""

    def refused(self, server, user, password):
        client = server.imap()
        began = time.monotonic()
        with self.assertRaises(imaplib.IMAP4.error) as refusal:
            client.login(user, '"%s"' % password if " " in password else password)
        client.shutdown()
        return str(refusal.exception), time.monotonic() - began

    def test_logins(self):
        server = self.server().start()
        server.run("group", "create", "staff")
        client = server.imap()
        client.login("anna", "anna's")
        client.logout()
        server.logged("account.created user=anna source=ldap:corp")
        self.assertIn("credential=backend", server.logged("login.ok")[0])
        self.assertIn("anna", server.run("group", "list", "staff").stdout)
        client = server.imap()
        client.login("ANNA", "anna's")
        self.assertEqual(client.select()[0], "OK")
        client.logout()
        self.assertEqual(server.log().count("account.created"), 1)
        # wrong and unknown are told alike, and no sooner than at the end of a slot
        wrong, unknown = (self.refused(server, *who) for who in (("anna", "wrong"), ("nobody", "wrong")))
        self.assertEqual(wrong[0], unknown[0])
        self.assertGreaterEqual(min(wrong[1], unknown[1]), SLOT_SEC)
        self.slapd.stop()
        try:
            self.assertIn("UNAVAILABLE", self.refused(server, "anna", "anna's")[0])
            self.assertIn("UNAVAILABLE", self.refused(server, "nobody", "x")[0])
            server.imap("u1").logout()  # the passwd-file has its own users
            server.logged("backend.unavailable backend=ldap:corp")
        finally:
            self.slapd.start()
        # wherever the password is right, what the log says of it is not the password
        self.assertNotIn("anna's", server.log())
        self.assertNotIn(READER_PASSWORD, server.log())

    def test_as_installed_a_directory_s_password_opens_nothing(self):
        server = self.server(legacy_passwords="never").start()
        self.assertIn("AUTHENTICATIONFAILED", self.refused(server, "anna", "anna's")[0])
        self.assertNotIn("account.created", server.log())


def asked_by_postfix(server, *addresses):
    """What socketmap_socket says of each."""
    answers = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE_SEC)
        sock.connect(os.path.join(server.folder, "map"))
        file = sock.makefile("rb")
        for address in addresses:
            question = b"recipients " + address.encode()
            sock.sendall(b"%d:%s," % (len(question), question))
            length = b""
            while (c := file.read(1)) != b":":
                length += c
            answers.append(file.read(int(length) + 1)[:-1].decode())
    return answers


class Delivered(Running):
    """Mail for users of the directory who have not been here yet."""

    def server(self, **settings):
        server = super().server(domains=["example.org"], detail_separator="+", **settings)
        server.set(socketmap_socket=os.path.join(server.folder, "map"))
        return server.start()

    def offered(self, server, *recipients):
        """The codes of RCPT."""
        codes = []
        with server.lmtp() as lmtp:
            lmtp.ask("MAIL FROM:<>", 250)
            for recipient in recipients:
                lmtp.sock.sendall(b"RCPT TO:<%s>\r\n" % recipient.encode())
                codes.append(lmtp.reply()[0])
        return codes

    def test_whose_password_opens_nothing(self):
        """Who may not log in by it gets mail all the same, before the catch-all; PAM is asked for nobody."""
        server = self.server(legacy_passwords="never", backends=["pam:other", "passwd-file", "sqlite", "ldap:corp"],
                             catch_all="u1")
        self.assertEqual(asked_by_postfix(server, "anna@example.org", "nobody@example.org"), ["OK anna", "OK u1"])
        self.assertEqual(self.offered(server, "comma@example.org", "nobody@example.org", "nobody@elsewhere.example"),
                         [250, 250, 550])

    def test_before_the_first_login(self):
        server = self.server()
        server.run("group", "create", "staff")
        server.deliver("anna@example.org", b"Subject: early\r\n\r\nbird\r\n")
        server.logged("account.created user=anna source=ldap:corp")
        self.assertIn("anna", server.run("group", "list", "staff").stdout)
        client = server.imap()
        client.login("anna", "anna's")
        self.assertEqual(client.select()[1], [b"1"])
        client.logout()
        self.assertEqual(self.offered(
            server, "ANNA@EXAMPLE.ORG", "anna+lists@example.org", "comma", "nobody@example.org",
            "nobody+anna@example.org", "*@example.org", "star*@example.org", "anna@elsewhere.example", "u1@example.org",
            "many@example.org"),
            [250, 250, 250, 550, 550, 550, 451, 550, 250, 451])  # no name here has "*"; many has two names
        server.logged("auth.recipient_refused backend=ldap:corp", 2)
        self.assertEqual(server.log().count("account.created"), 3)
        self.assertEqual(asked_by_postfix(server, "hidden@example.org", "nobody@example.org", "hidden@elsewhere.example"),
                         ["OK hidden", "NOTFOUND ", "NOTFOUND "])
        server.logged("account.created user=hidden source=ldap:corp")
        with open("/proc/%d/maps" % server.roles()["idp"][0], encoding="utf-8") as maps:
            self.assertNotIn("libcurl", maps.read())  # only tokens want it
        self.slapd.stop()
        try:
            self.assertEqual(self.offered(server, "nobody@example.org", "bob@example.org", "anna@example.org", "u1"),
                             [451, 451, 250, 250])
            self.assertTrue(asked_by_postfix(server, "bob@example.org")[0].startswith("TEMP "))
        finally:
            self.slapd.start()
        wait_for(lambda: self.offered(server, "bob@example.org", "nobody@example.org") == [250, 550], "it is back")

    def test_who_may_not_come_in(self):
        provider = provider_of(self.slapd, {**SEARCH, "allow_filter": "(!(employeeType=leaver))"})
        self.addCleanup(provider.folder.cleanup)
        self.assertEqual([one[0] for one in provider.ask(("user", b"anna", None), ("user", b"bob", None))],
                         ["ok", "disabled"])
        # without a search nobody is known who says no password
        provider = provider_of(self.slapd, {"bind_dn": "uid=%u," + PEOPLE})
        self.addCleanup(provider.folder.cleanup)
        self.assertEqual(provider.ask(("user", b"anna", None))[0][:2], ("unknown", "no_search"))


if __name__ == "__main__":
    need("slapd", "slapd")
    unittest.main()
