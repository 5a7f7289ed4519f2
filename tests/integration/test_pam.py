"""PAM as account back-end: a service of pam_matrix, found through pam_wrapper, so that nothing on this machine changes."""

import concurrent.futures
import glob
import imaplib
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import SKIPPED, Server, is_sanitized, wait_for

LIBRARY = next(iter(glob.glob("/usr/lib/*/libpam_wrapper.so")), None)
MATRIX = next(iter(glob.glob("/usr/lib/*/pam_wrapper/pam_matrix.so")), None)
PEOPLE = """anna:anna's:mail
bob:bob's:mail
eve:eve's:elsewhere
"""
SERVICES = {
    "mail": "auth required {matrix} passdb={people}\naccount required {matrix} passdb={people}\n",
    "denied": "auth required {matrix} passdb={people}\naccount required pam_deny.so\n",
    "slow": "auth required pam_exec.so quiet {sleep}\naccount required pam_permit.so\n",
    "twice": "auth required {matrix} passdb={people}\nauth required {matrix} passdb={people}\naccount required pam_permit.so\n",
}


@unittest.skipIf(is_sanitized(), "pam_wrapper opens libpam with RTLD_DEEPBIND, which no sanitizer allows")
class Pam(unittest.TestCase):
    def server(self, *services, **settings):
        server = Server(users=1, backends=["passwd-file", "sqlite"] + ["pam:" + name for name in services],
                        **{"legacy_passwords": "until 2100-01-01", **settings})
        self.addCleanup(server.close)
        folder = os.path.join(server.folder, "pam.d")
        people, sleep = (os.path.join(server.folder, name) for name in ("people", "sleep"))
        os.mkdir(folder, 0o755)
        with open(people, "w", encoding="ascii") as out:
            out.write(PEOPLE)
        with open(sleep, "w", encoding="ascii") as out:
            out.write("#!/bin/sh\nexec sleep 600\n")
        os.chmod(sleep, 0o755)
        for name, lines in SERVICES.items():
            with open(os.path.join(folder, name), "w", encoding="ascii") as out:
                out.write(lines.format(matrix=MATRIX, people=people, sleep=sleep))
        self.environment(LD_PRELOAD=LIBRARY, PAM_WRAPPER="1", PAM_WRAPPER_SERVICE_DIR=folder)
        server.start()
        return server

    def environment(self, **values):
        for name, value in values.items():
            old = os.environ.get(name)
            os.environ[name] = value
            self.addCleanup(lambda name=name, old=old: os.environ.pop(name) if old is None
                            else os.environ.update({name: old}))

    def refused(self, server, user, password):
        client = server.imap()
        with self.assertRaises(imaplib.IMAP4.error) as refusal:
            client.login(user, password)
        client.shutdown()
        return str(refusal.exception)

    def helpers(self, server):
        found = []
        with open("/proc/%d/task/%d/children" % ((server.process.pid,) * 2), encoding="ascii") as text:
            for pid in text.read().split():
                try:
                    with open("/proc/%s/cmdline" % pid, "rb") as line:
                        if b"--pam-check" in line.read():
                            found.append(int(pid))
                except FileNotFoundError:
                    pass
        return found

    def test_logins(self):
        server = self.server("mail")
        client = server.imap()
        client.login("anna", "anna's")
        self.assertEqual(client.select()[0], "OK")
        client.logout()
        server.logged("account.created user=anna source=pam:mail")
        self.assertIn("credential=backend", server.logged("login.ok")[0])
        tries = [("anna", "wrong"), ("bob", "anna's"), ("nobody", "anna's"), ("ANNA", "ANNA'S"), ("anna:x", "x")]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:  # each waits two seconds in PAM
            for told in pool.map(lambda who: self.refused(server, *who), tries):
                self.assertIn("AUTHENTICATIONFAILED", told)
        self.assertIn("CONTACTADMIN", self.refused(server, "eve", "eve's"))  # of another service
        self.assertEqual(len(server.logged("login.ok")), 1)
        wait_for(lambda: not self.helpers(server), "no helper stays")
        self.assertNotIn("anna's", server.log())

    def test_the_account_s_own_rules(self):
        server = self.server("denied")
        self.assertIn("CONTACTADMIN", self.refused(server, "anna", "anna's"))
        self.assertIn("AUTHENTICATIONFAILED", self.refused(server, "anna", "wrong"))
        self.assertNotIn("account.created user=anna", server.log())

    def test_a_second_prompt_gets_no_answer(self):
        server = self.server("twice")
        self.assertIn("UNAVAILABLE", self.refused(server, "anna", "anna's"))

    def test_a_service_that_is_not_there(self):
        server = self.server("missing")
        self.assertIn("UNAVAILABLE", self.refused(server, "anna", "anna's"))

    @unittest.skipUnless(os.environ.get("ROOST_LARGE"), "12 seconds: the nightly run")
    def test_one_that_takes_too_long_is_killed_and_holds_nobody_up(self):
        server = self.server("slow")
        client = server.imap()
        client.send(b"a LOGIN anna \"anna's\"\r\n")
        pid = wait_for(lambda: self.helpers(server), "a helper runs")[0]
        server.imap("u1").logout()
        self.assertIn(b"UNAVAILABLE", client.readline())
        client.shutdown()
        server.logged("pam.timeout pid=%d" % pid)
        wait_for(lambda: not self.helpers(server), "no helper stays")

    def test_who_gives_up_ends_the_helper(self):
        server = self.server("slow")
        client = server.imap()
        client.send(b"a LOGIN anna \"anna's\"\r\n")
        wait_for(lambda: self.helpers(server), "a helper runs")
        began = time.monotonic()
        client.shutdown()
        wait_for(lambda: not self.helpers(server), "no helper stays")
        if time.monotonic() - began < 5:  # else it may have been its own limit
            self.assertNotIn("pam.timeout", server.log())


if __name__ == "__main__":
    if LIBRARY is None or MATRIX is None:
        print("skipped: libpam-wrapper missing")
        sys.exit(SKIPPED)
    unittest.main()
