"""People and browsers for the enrolment page."""

import html.parser
import http.client
import json
import os
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from roost_server import DEADLINE_SEC, ROOST, Port, Server
import totp

PASSWORD = "an account password & more"


class PageServer(Server):
    """A server with the page."""

    def __init__(self, **settings):
        self.page = Port()
        self.page_port = self.page.number
        super().__init__(users=0, web_listen=["127.0.0.1:%d" % self.page_port], **settings)

    def close(self):
        super().close()
        self.page.close()


class Person:
    """A user with an account password, an authenticator app and recovery codes."""

    def __init__(self, server, name):
        self.name = name
        server.run("user", "add", name, "--password-stdin", input=PASSWORD + "\n")
        with subprocess.Popen([ROOST, "totp", "enable", name, "--json", "-c", server.config], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            first = ""
            for line in process.stdout:
                first += line
                if line == "]\n":
                    break
            self.app = totp.App(json.loads(first)[0]["secret"])
            rest, _ = process.communicate(self.app.next() + "\n")
            assert process.returncode == 0
        self.recovery = [row["recovery_code"] for row in json.loads(rest)]


class Page(html.parser.HTMLParser):
    """What a person sees: forms with their fields, the text of elements with an id, each row of a table."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.forms, self.by_id, self.rows = [], [], {}, []
        self.inside = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "form":
            self.forms.append({"action": attributes["action"], "fields": {}})
        elif tag == "input" and self.forms and "name" in attributes:
            self.forms[-1]["fields"][attributes["name"]] = attributes.get("value", "")
        elif tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
        elif tag == "br" and self.inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += "\n"
        if tag not in ("input", "meta", "link", "br", "path"):
            self.inside.append((tag, attributes.get("id")))

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for tag, name in self.inside:
            if name is not None:
                self.by_id[name] = self.by_id.get(name, "") + data
        if any(tag == "td" for tag, _ in self.inside):
            self.rows[-1][-1] += data

    def form(self, action, **values):
        """The fields of the form of that action that has these."""
        for form in self.forms:
            if form["action"] == action and all(form["fields"].get(k) == v for k, v in values.items()):
                return dict(form["fields"])
        raise AssertionError("no form %s %r: %r" % (action, values, self.forms))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.text = self.body.decode("utf-8", "strict")

    @property
    def page(self):
        return Page(self.text)


class Browser:
    """Keeps cookies as a browser does, and says what a browser says of itself."""

    def __init__(self, server):
        self.server = server
        self.origin = "https://localhost:%d" % server.page_port
        self.cookies = {}

    def request(self, method, path, body=None, headers=None, cookies=True):
        connection = http.client.HTTPSConnection("localhost", self.server.page_port, timeout=DEADLINE_SEC,
                                                 context=self.server.tls_context())
        headers = dict(headers or {})
        if cookies and self.cookies:
            headers.setdefault("Cookie", "; ".join("%s=%s" % item for item in self.cookies.items()))
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";")[0].partition("=")
            assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} <= {part.strip() for part in line.split(";")}, line
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, fields, headers=None, **options):
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin,
                "Sec-Fetch-Site": "same-origin"}
        sent.update(headers or {})
        return self.request("POST", path, body=urllib.parse.urlencode(fields), headers=sent, **options)

    def log_in(self, name, password, code):
        fields = self.get("/login").page.form("/login")
        fields.update(user=name, password=password, code=code)
        return self.post("/login", fields)

    def enter(self, person):
        """Logged in, by a code of paper: these do not wait for the time."""
        answer = self.log_in(person.name, PASSWORD, person.recovery.pop())
        assert answer.status == 303 and answer.headers["Location"] == "/", answer.text
        return self.get("/")

    def enrol(self, name, **values):
        fields = self.get("/").page.form("/device")
        fields.update(name=name, scope="both", **values)
        if values.get("read_only") is None:
            fields.pop("read_only", None)
        return self.post("/device", fields)

    def revoke(self, name):
        page = self.get("/").page
        (at,) = [i for i, row in enumerate(row for row in page.rows if row) if row[0].startswith(name)]
        forms = [form["fields"] for form in page.forms if form["action"] == "/revoke"]
        return self.post("/revoke", forms[at])
