"""PAM as account back-end: a service of pam_matrix, found through pam_wrapper, so that nothing on this machine changes.

Each process that pam_wrapper works in has a folder of its own in /tmp. Two that begin at once may take the same one,
and the first to end removes it from under the other: so one is asked after another here, and a next one only when there
is no helper, or when the module of the one that is there sleeps, with its folder made.
"""

import glob
import imaplib
import os
import shutil
import signal
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
# Of pam_exec: for anna it takes its time. Its number is there as soon as all of it is.
SLEEP = """#!/bin/sh
[ "$PAM_USER" = anna ] || exit 0
echo $$ > %s.new
mv %s.new %s
exec sleep 600
"""


def folders():
    return set(glob.glob("/tmp/pam.?"))


@unittest.skipIf(is_sanitized(), "pam_wrapper opens libpam with RTLD_DEEPBIND, which no sanitizer allows")
class Pam(unittest.TestCase):
    def setUp(self):
        before = folders()
        self.addCleanup(lambda: [shutil.rmtree(folder) for folder in folders() - before])  # of helpers that were killed

    def server(self, *services, **settings):
        server = Server(users=1, backends=["passwd-file", "sqlite"] + ["pam:" + name for name in services],
                        **{"legacy_passwords": "until 2100-01-01", **settings})
        self.addCleanup(server.close)
        folder = os.path.join(server.folder, "pam.d")
        people, sleep, self.sleeps = (os.path.join(server.folder, name) for name in ("people", "sleep", "sleeps"))
        os.mkdir(folder, 0o755)
        with open(people, "w", encoding="ascii") as out:
            out.write(PEOPLE)
        with open(sleep, "w", encoding="ascii") as out:
            out.write(SLEEP % (self.sleeps, self.sleeps, self.sleeps))
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

    def client(self, server):
        wait_for(lambda: not self.helpers(server) or os.path.exists(self.sleeps), "the helper before has ended, or sleeps")
        return server.imap()

    def refused(self, server, user, password):
        client = self.client(server)
        with self.assertRaises(imaplib.IMAP4.error) as refusal:
            client.login(user, password)
        client.shutdown()
        return str(refusal.exception)

    def unavailable(self, server, user, password):
        """What the log says of it."""
        self.assertIn("UNAVAILABLE", self.refused(server, user, password))
        return server.logged("backend.unavailable")[-1]

    def helpers(self, server):
        found = []
        with open("/proc/%d/task/%d/children" % ((server.process.pid,) * 2), encoding="ascii") as text:
            for pid in text.read().split():
                try:
                    with open("/proc/%s/cmdline" % pid, "rb") as line:
                        if b"--pam-check" in line.read():
                            found.append(int(pid))
                except (FileNotFoundError, ProcessLookupError):
                    pass
        return found

    def begin_to_sleep(self, server):
        """A login whose helper waits for its module, and that helper. The module's process is nobody's child then."""
        client = self.client(server)
        client.send(b"a LOGIN anna \"anna's\"\r\n")
        wait_for(lambda: os.path.exists(self.sleeps), "the module runs")
        with open(self.sleeps, encoding="ascii") as text:
            self.addCleanup(os.kill, int(text.read()), signal.SIGKILL)
        helpers = self.helpers(server)
        self.assertEqual(len(helpers), 1)
        return client, helpers[0]

    def let_in(self, server, user):
        client = self.client(server)
        client.login(user, "any")
        client.logout()

    def test_logins(self):
        server = self.server("mail")
        client = self.client(server)
        client.login("anna", "anna's")
        self.assertEqual(client.select()[0], "OK")
        client.logout()
        server.logged("account.created user=anna source=pam:mail")
        self.assertIn("credential=backend", server.logged("login.ok")[0])
        for user, password in (("anna", "wrong"), ("bob", "anna's"), ("nobody", "anna's"), ("ANNA", "ANNA'S"), ("anna:x", "x")):
            self.assertIn("AUTHENTICATIONFAILED", self.refused(server, user, password))  # PAM waits for two seconds
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
        said = self.unavailable(self.server("twice"), "anna", "anna's")
        self.assertIn("pam_authenticate: Authentication service cannot retrieve authentication info", said)

    def test_a_service_that_is_not_there(self):
        self.assertIn("pam_", self.unavailable(self.server("missing"), "anna", "anna's"))

    def test_one_that_waits_holds_nobody_up(self):
        server = self.server("slow")
        client, helper = self.begin_to_sleep(server)
        self.let_in(server, "bob")
        self.assertEqual(self.helpers(server)[:1], [helper])
        client.shutdown()

    def test_one_that_ends_without_an_answer(self):
        server = self.server("slow")
        client, helper = self.begin_to_sleep(server)
        os.kill(helper, signal.SIGSEGV)
        self.assertIn(b"UNAVAILABLE", client.readline())
        client.shutdown()
        self.assertIn("the helper ended without an answer", server.logged("backend.unavailable")[0])
        server.logged("pam.ended pid=%d signal=%d" % (helper, signal.SIGSEGV))
        self.let_in(server, "bob")

    @unittest.skipUnless(os.environ.get("ROOST_LARGE"), "12 seconds: the nightly run")
    def test_one_that_takes_too_long_is_killed(self):
        server = self.server("slow")
        client, helper = self.begin_to_sleep(server)
        self.assertIn(b"UNAVAILABLE", client.readline())
        client.shutdown()
        server.logged("pam.timeout pid=%d" % helper)
        wait_for(lambda: not self.helpers(server), "no helper stays")
        self.assertNotIn("pam.ended", server.log())

    def test_who_gives_up_ends_the_helper(self):
        server = self.server("slow")
        client, _ = self.begin_to_sleep(server)
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
