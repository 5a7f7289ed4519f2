"""A headless Chromium driven by chromedriver, over the W3C's WebDriver protocol."""

import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from roost_server import DEADLINE_SEC, Port, end_process, wait_for

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name of a reference to one


class Chromium:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="roost-chromium-", dir="/tmp")
        self.port = Port()
        self.url = "http://127.0.0.1:%d" % self.port.number
        self.process = subprocess.Popen(["chromedriver", "--port=%d" % self.port.number], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.is_ready, "chromedriver")
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            "--user-data-dir=" + self.profile],
                   "prefs": {"download.default_directory": self.profile}}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/session/" + made["sessionId"]

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            end_process(self.process)
            self.port.close()
            shutil.rmtree(self.profile, ignore_errors=True)

    def is_ready(self):
        try:
            return self.call("GET", "/status")["ready"]
        except (urllib.error.URLError, ConnectionError):
            return False

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SEC) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()[:500]) from error

    def go(self, url):
        self.call("POST", self.session + "/url", {"url": url})

    def at(self):
        return self.call("GET", self.session + "/url")

    def all(self, selector):
        found = self.call("POST", self.session + "/elements", {"using": "css selector", "value": selector})
        return [element[ELEMENT] for element in found]

    def one(self, selector):
        return wait_for(lambda: self.all(selector), selector + " on " + self.at())[0]

    def text(self, selector):
        return self.call("GET", "%s/element/%s/text" % (self.session, self.one(selector)))

    def type(self, selector, text):
        self.call("POST", "%s/element/%s/value" % (self.session, self.one(selector)), {"text": text})

    def click(self, selector):
        self.call("POST", "%s/element/%s/click" % (self.session, self.one(selector)), {})

    def run(self, script):
        return self.call("POST", self.session + "/execute/sync", {"script": script, "args": []})

    def complaints(self):
        """What the browser's console says: blocked by the policy, refused cookies, errors of a page."""
        return [line for line in self.call("POST", self.session + "/se/log", {"type": "browser"})
                if "favicon.ico" not in line["message"]]
