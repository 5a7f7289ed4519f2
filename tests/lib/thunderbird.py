"""Thunderbird without a screen of its own: Marionette runs scripts with its internals at hand.

    with Thunderbird(folder, {"mail.rights.version": 1}) as program:
        program.run("return MailServices.accounts.accounts.length")
"""

import json
import os
import socket
import subprocess

from roost_server import DEADLINE_SEC, Port, need, wait_for

THUNDERBIRD = need("thunderbird", "thunderbird")
XVFB = need("Xvfb", "xvfb")

PREFS = {  # nothing is asked at the start, nothing goes to the network by itself
    "app.update.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False, "mail.rights.version": 1, "mailnews.start_page.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True, "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
}
# An async function's body with what the scripts need; its value or error goes back as text.
SCRIPT = """
const done = arguments[arguments.length - 1];
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
(async () => { %s })().then(value => done({ value }), error => done({ error: String(error) + error?.stack }));
"""


class Thunderbird:
    def __init__(self, folder, prefs):
        self.folder = folder
        self.port = Port()
        os.makedirs(os.path.join(folder, "profile"))
        with open(os.path.join(folder, "profile", "user.js"), "w", encoding="ascii") as out:
            for name, value in {**PREFS, **prefs, "marionette.port": self.port.number}.items():
                out.write("user_pref(%s, %s);\n" % (json.dumps(name), json.dumps(value)))
        self.screen = self.process = self.sock = None
        self.n = 0

    def __enter__(self):
        env = {"HOME": self.folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": self.folder,
               "LIBGL_ALWAYS_SOFTWARE": "1"}
        reading, writing = os.pipe()
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.screen = subprocess.Popen(
                [XVFB, "-displayfd", str(writing), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
                pass_fds=[writing], stdout=log, stderr=log, env=env)
            os.close(writing)
            with os.fdopen(reading) as display:
                env["DISPLAY"] = ":" + display.readline().strip()
            self.process = subprocess.Popen(
                [THUNDERBIRD, "--no-remote", "--profile", os.path.join(self.folder, "profile"),
                 "--marionette", "--remote-allow-system-access"], stdout=log, stderr=log, env=env)
        self.sock = wait_for(self.connect, "Thunderbird's Marionette answers")
        self.file = self.sock.makefile("rb")
        self.read()
        self.call("WebDriver:NewSession", {"capabilities": {}})
        self.call("Marionette:SetContext", {"value": "chrome"})
        self.call("WebDriver:SetTimeouts", {"script": DEADLINE_SEC * 1000})
        return self

    def connect(self):
        if self.process.poll() is not None:
            raise AssertionError("Thunderbird ended: %d" % self.process.returncode)
        try:
            return socket.create_connection(("127.0.0.1", self.port.number), timeout=2 * DEADLINE_SEC)
        except OSError:
            return None

    def read(self):
        digits = b""
        while not digits.endswith(b":"):
            byte = self.file.read(1)
            if not byte:
                raise AssertionError("Thunderbird has closed the connection")
            digits += byte
        return json.loads(self.file.read(int(digits[:-1])))

    def call(self, command, params):
        """[type, id, error, result] is what comes back."""
        self.n += 1
        text = json.dumps([0, self.n, command, params]).encode()
        self.sock.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self.read()
        if error is not None:
            raise AssertionError("%s: %s" % (command, error["message"]))
        return result

    def run(self, script, *args):
        """The value of an async function's body; `arguments[0]` and on are args."""
        got = self.call("WebDriver:ExecuteAsyncScript",
                        {"script": SCRIPT % script, "args": list(args), "sandbox": None})["value"]
        if "error" in got:
            raise AssertionError("%s in\n%s" % (got["error"], script))
        return got.get("value")

    def until(self, script, *args):
        """Run it until it gives something true, and return that."""
        return wait_for(lambda: self.run(script, *args), lambda: "true: " + script)

    def __exit__(self, *_):
        for process in (self.process, self.screen):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(DEADLINE_SEC)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if self.sock is not None:
            self.file.close()
            self.sock.close()
        self.port.close()
