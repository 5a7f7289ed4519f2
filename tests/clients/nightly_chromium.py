"""The enrolment page in Chromium: a person logs in, makes a device, reads mail with it, revokes it, logs out."""

import glob
import imaplib
import os
import plistlib
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from enrolment import PASSWORD, PageServer, Person
from roost_server import DEADLINE_SEC, need, wait_for
from webdriver import Chromium


class Page(unittest.TestCase):
    def setUp(self):
        self.server = PageServer().start()
        self.addCleanup(self.server.close)
        self.anna = Person(self.server, "anna")
        self.chromium = Chromium()
        self.addCleanup(self.chromium.close)
        self.url = "https://localhost:%d/" % self.server.page_port

    def log_in(self, code):
        page = self.chromium
        page.go(self.url)
        page.type("input[name=user]", "anna")
        page.type("input[name=password]", PASSWORD)
        page.type("input[name=code]", code)
        page.click("form[action='/login'] button")

    def imap(self, password):
        client = imaplib.IMAP4_SSL("localhost", self.server.imaps_port, ssl_context=self.server.tls_context(),
                                   timeout=DEADLINE_SEC)
        self.addCleanup(client.shutdown)
        client.login("anna", password)
        return client

    def test_a_person_makes_and_revokes_a_device(self):
        page = self.chromium
        self.log_in("000000")
        self.assertIn("wrong", page.text("p.error"))
        self.log_in(self.anna.app.next())
        self.assertIn("anna", page.text("#user"))

        page.type("input[name=name]", "my <b>phone</b>")
        page.click("form[action='/device'] button")
        password = page.text("#password")
        size = page.run("const box = document.querySelector('svg.qr').getBoundingClientRect();"
                        "return [box.width, box.height];")
        self.assertTrue(100 < size[0] == size[1], size)
        page.click("form[action='/profile'] button")
        (path,) = wait_for(lambda: glob.glob(os.path.join(page.profile, "*.mobileconfig")), "the profile")
        with open(path, "rb") as profile:
            self.assertEqual(plistlib.load(profile)["PayloadContent"][0]["IncomingPassword"], password)
        phone = self.imap(password)
        self.assertEqual(phone.select()[0], "OK")

        page.go(self.url)
        self.assertIn("my <b>phone</b>", page.text("#devices"))
        self.assertEqual(page.all("#devices b"), [])
        rows = page.all("#devices td.name")
        at = [i for i in range(len(rows)) if "phone" in page.call("GET", "%s/element/%s/text" % (page.session, rows[i]))]
        page.click("#devices tbody tr:nth-child(%d) button" % (at[0] + 1))
        wait_for(lambda: "my <b>phone</b>" not in page.text("main"), "the device is gone")
        line = phone.readline()
        while line and b"BYE" not in line:
            line = phone.readline()
        self.assertIn(b"BYE", line)
        with self.assertRaises(imaplib.IMAP4.error):
            self.imap(password)

        page.click("form[action='/logout'] button")
        page.one("form[action='/login']")
        page.go(self.url)
        self.assertEqual(page.at(), self.url + "login")
        self.assertEqual(page.run("return document.cookie;"), "")  # HttpOnly
        self.assertEqual(page.run("return document.scripts.length;"), 0)
        loud = [line for line in page.complaints() if "403" not in line["message"]]
        self.assertEqual(loud, [])

    def test_the_style_is_taken(self):
        page = self.chromium
        page.go(self.url + "login")
        self.assertEqual(page.run("return getComputedStyle(document.body).maxWidth;"), "960px")


if __name__ == "__main__":
    need("chromedriver", "chromium-driver")
    need("chromium", "chromium")
    unittest.main()
