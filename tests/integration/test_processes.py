"""The processes of a server: confined, started again when they die, stopped in order."""

import json
import os
import pwd
import signal
import subprocess
import unittest

import harness
from harness import Server, is_alive, proc_status, wait_for

NOBODY = 65534


def served_name(server):
    """The CN of the certificate that a client is shown."""
    tls = server.connect()
    der = tls.getpeercert(binary_form=True)
    tls.close()
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"],
                          input=der, capture_output=True, check=True).stdout
    return text.decode().split("=")[-1].strip()


class Running(unittest.TestCase):
    """One server for many tests; each leaves it running."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.make_data()
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def roles(self):
        return sorted({row["role"] for row in self.server.children()})

    def test_every_role_is_confined(self):
        for row in self.server.children():
            with self.subTest(role=row["role"]):
                status = proc_status(row["pid"])
                self.assertEqual(status["Seccomp"], "2")
                self.assertEqual(status["NoNewPrivs"], "1")
                for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    if caps != "CapBnd" or os.geteuid() == 0:
                        self.assertEqual(int(status[caps], 16), 0, caps)
                self.assertIn("landlock", row["sandbox"])
                self.assertIn("seccomp", row["sandbox"])

    def test_no_role_has_more_descriptors_than_it_was_given(self):
        for row in self.server.children():
            with self.subTest(role=row["role"]):
                folder = "/proc/%s/fd" % row["pid"]
                for fd in os.listdir(folder):
                    try:
                        target = os.readlink(os.path.join(folder, fd))
                    except FileNotFoundError:  # closed meanwhile: a role works also when nobody asks
                        continue
                    self.assertNotIn("key.pem", target)
                    self.assertFalse(target.endswith("/lock") and "/run/" in target, target)

    def setUp(self):
        wait_for(self.server.all_running, "everybody runs")

    def kill_one(self, role):
        wait_for(self.server.all_running, "everybody runs")
        before = [row for row in self.server.children() if row["role"] == role][0]
        self.assertGreater(int(before["pid"]), 1)
        os.kill(int(before["pid"]), signal.SIGKILL)

        def is_back():
            now = [row for row in self.server.children()
                   if row["role"] == role and row["index"] == before["index"]][0]
            return now["state"] == "running" and now["pid"] != before["pid"] and now

        now = wait_for(is_back, role + " comes back")
        self.assertEqual(int(now["restarts"]), int(before["restarts"]) + 1)

    def test_each_role_comes_back_after_kill_9(self):
        for role in self.roles():
            with self.subTest(role=role):
                others = {row["pid"] for row in self.server.children() if row["role"] != role}
                self.kill_one(role)
                still = {row["pid"] for row in self.server.children() if row["role"] != role}
                self.assertEqual(others, still)
                self.server.connect().close()

    def test_a_connection_outlives_the_others_deaths(self):
        tls = self.server.connect()
        for role in self.roles():
            if role != "gate":
                self.kill_one(role)
        tls.sendall(b"a NOOP\r\n")
        self.assertIn(b"a OK", tls.recv(4096))
        tls.close()

    def test_a_new_certificate_is_used_after_sighup_and_nobody_is_dropped(self):
        old = self.server.connect()
        self.server.make_certificate("renewed")
        self.server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: served_name(self.server) == "renewed", "the new certificate")
        old.sendall(b"a NOOP\r\n")
        self.assertIn(b"a OK", old.recv(4096))
        old.close()

    def test_a_bad_certificate_is_not_taken(self):
        path = self.server.settings["certificate"]
        with open(path, "rb") as cert:
            good = cert.read()
        with open(path, "wb") as cert:
            cert.write(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        self.server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "tls.refused" in self.server.stderr(), "the refusal in the log")
        self.server.connect().close()
        with open(path, "wb") as cert:
            cert.write(good)
        self.server.process.send_signal(signal.SIGHUP)

    def test_a_second_server_is_kept_out(self):
        done = subprocess.run([harness.ROOST, "serve", "-c", self.server.config],
                              capture_output=True, text=True, timeout=harness.DEADLINE_SEC)
        self.assertEqual(done.returncode, 5)
        self.assertIn("another server", done.stderr)
        self.server.connect().close()

    def test_an_unknown_verb_is_answered(self):
        rc, text, rows = self.server.ask("dance")
        self.assertNotEqual(rc, 0)
        self.assertTrue(text)
        self.assertEqual(rows, [])

    def test_quarantine_can_be_asked_for(self):
        self.assertEqual(self.server.ask("quarantine_list"), (0, "", []))
        self.assertNotEqual(self.server.ask("quarantine_release", account=7)[0], 0)


class Reloading(unittest.TestCase):
    """What of a configuration that has changed counts at once, and what is said of the rest."""

    def setUp(self):
        self.server = Server(log_level="error")
        self.addCleanup(self.server.close)
        self.server.make_data()
        self.server.start()

    def change(self, **settings):
        self.server.settings.update(settings)
        self.server.write_config()

    def reload(self):
        return self.server.ask("reload")

    def test_certificates_under_other_names_are_used(self):
        self.server.make_certificate("moved")
        for name in ("cert.pem", "key.pem"):
            os.rename(os.path.join(self.server.folder, name), os.path.join(self.server.folder, "new-" + name))
        self.change(certificate=os.path.join(self.server.folder, "new-cert.pem"),
                    certificate_key=os.path.join(self.server.folder, "new-key.pem"))
        self.assertEqual(self.reload(), (0, "", []))
        wait_for(lambda: served_name(self.server) == "moved", "the certificate of the other file")
        before = [row for row in self.server.children() if row["role"] == "keys"][0]["pid"]
        os.kill(int(before), signal.SIGKILL)  # the next one is given the same files
        wait_for(lambda: before not in [row["pid"] for row in self.server.children()] and self.server.all_running(),
                 "keys comes back")
        self.assertEqual(served_name(self.server), "moved")

    def test_the_least_level_of_the_log_changes(self):
        self.change(log_level="info")

        def told(times):
            return lambda: self.reload()[0] == 0 and self.server.stderr().count(" server.reload ") >= times

        wait_for(told(1), "a line of that level")
        for role in ("gate", "log"):  # what is started now has the level of now
            before = [row for row in self.server.children() if row["role"] == role][0]

            def successor():
                now = [row for row in self.server.children()
                       if row["role"] == role and row["index"] == before["index"]][0]
                return now["state"] == "running" and now["pid"] != before["pid"] and now["pid"]

            os.kill(int(before["pid"]), signal.SIGKILL)
            pid = wait_for(successor, role + " comes back")
            wait_for(lambda: " role.ready role=%s index=%s pid=%s " % (role, before["index"], pid) in self.server.stderr(),
                     "the line about it")

    def test_what_waits_for_a_restart_is_named(self):
        self.change(threads="7", imap=["127.0.0.1:%d" % harness.free_port()], log_level="info")
        self.assertEqual(self.reload(), (0, "", [{"setting": "imap"}, {"setting": "threads"}]))
        wait_for(lambda: self.reload()[0] == 0 and 'needs_restart="imap threads"' in self.server.stderr(), "the line of the log")
        done = subprocess.run([harness.ROOST, "reload", "-c", self.server.config, "--json"], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(done.stdout), [{"setting": "imap"}, {"setting": "threads"}])
        self.change(threads="0", imap=[])
        self.assertEqual(self.reload(), (0, "", []))

    def test_a_file_with_an_error_changes_no_setting(self):
        self.server.make_certificate("renewed")
        self.change(imapz="1", certificate="/nowhere", certificate_key="/nowhere")
        rc, text, rows = self.reload()
        self.assertNotEqual(rc, 0)
        self.assertIn("imapz", text)
        self.assertEqual(rows, [])
        wait_for(lambda: "config.refused" in self.server.stderr(), "the line of the log")
        wait_for(lambda: served_name(self.server) == "renewed", "the files are read again all the same")

    def test_a_pair_that_does_not_fit_is_told_to_who_reloads(self):
        key = self.server.settings["certificate_key"]
        served = served_name(self.server)
        self.server.make_certificate("renewed")
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", key],
                       check=True, capture_output=True)
        for _ in range(2):
            rc, text, rows = self.reload()
            self.assertNotEqual(rc, 0)
            self.assertIn(key, text)
            self.assertEqual(rows, [])
        self.assertEqual(served_name(self.server), served)
        self.server.make_certificate("renewed")
        self.assertEqual(self.reload(), (0, "", []))
        wait_for(lambda: served_name(self.server) == "renewed", "the pair that fits")

    def test_a_process_that_ends_has_not_reloaded(self):
        pid = next(int(row["pid"]) for row in self.server.children() if row["role"] == "mail")
        self.change(log_level="info")
        self.assertEqual(self.reload(), (0, "", []))
        before = self.server.stderr().count(" server.reload ")
        os.kill(pid, signal.SIGSTOP)
        told = subprocess.Popen([harness.ROOST, "reload", "-c", self.server.config], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        wait_for(lambda: self.server.stderr().count(" server.reload ") > before, "the reload")
        self.assertIsNone(told.poll())
        os.kill(pid, signal.SIGKILL)
        out, said = told.communicate()
        self.assertEqual((told.returncode, out), (1, ""))
        self.assertIn("mail has ended meanwhile", said)

    def test_doors_with_tls_keep_their_certificate(self):
        self.change(imaps=[], certificate=[], certificate_key=[])
        rc, text, _ = self.reload()
        self.assertNotEqual(rc, 0)
        self.assertIn("certificate", text)
        self.server.connect().close()


class Ending(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.server.make_data()
        self.addCleanup(self.server.close)

    def test_sigterm_ends_everything_in_order(self):
        self.server.start()
        pids = [row["pid"] for row in self.server.children()]
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual([pid for pid in pids if is_alive(pid)], [])
        self.assertEqual(sorted(os.listdir(os.path.join(self.server.data, "run"))), ["lock"])
        self.assertFalse(os.path.exists(os.path.join(self.server.folder, "lmtp.sock")))
        self.assertNotIn("role.ended", self.server.stderr())

    def test_nothing_outlives_the_supervisor(self):
        self.server.start()
        pids = [row["pid"] for row in self.server.children()]
        self.server.process.kill()
        self.server.process.wait()
        wait_for(lambda: not any(is_alive(pid) for pid in pids), "the roles end")
        self.server.start()  # stale sockets are in nobody's way
        self.server.connect().close()

    def test_the_stop_verb_ends_it_too(self):
        self.server.start()
        self.assertEqual(self.server.ask("stop")[0], 0)
        self.assertEqual(self.server.process.wait(harness.DEADLINE_SEC), 0)


class Setting(unittest.TestCase):
    def refused(self, server, code):
        server.spawn()
        server.process.wait(harness.DEADLINE_SEC)
        self.addCleanup(server.close)
        self.assertEqual(server.process.returncode, code)
        return server.stderr()

    def test_without_init_it_says_what_to_do(self):
        self.assertIn("roost init", self.refused(Server(), 4))

    def test_without_certificate_it_does_not_start(self):
        server = Server()
        os.unlink(server.settings["certificate"])
        self.assertIn("cert.pem", self.refused(server, 4))

    def test_files_that_are_not_there_are_named(self):
        for setting, value in (("log", "file:/nowhere/roost.log"), ("policy_file", "/nowhere/policy")):
            server = Server()
            server.settings[setting] = value
            server.write_config()
            server.make_data()
            self.assertIn(value.split(":")[-1], self.refused(server, 4))

    def test_a_port_in_use_is_named(self):
        server = Server()
        blocker = harness.socket.create_server(("127.0.0.1", server.port))
        self.addCleanup(blocker.close)
        self.assertIn("127.0.0.1:%d" % server.port, self.refused(server, 5))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_somebody_elses_data_is_left_alone(self):
        server = Server()
        os.chown(server.data, NOBODY, NOBODY)
        text = self.refused(server, 6)
        self.assertEqual(len([line for line in text.splitlines() if line]), 1)
        self.assertIn("belongs to uid %d" % NOBODY, text)
        self.assertEqual(os.listdir(server.data), [])
        self.assertEqual(os.stat(server.data).st_uid, NOBODY)

    def test_the_log_file_is_json_and_opened_again(self):
        server = Server(log_format="json")
        self.addCleanup(server.close)
        server.settings["log"] = "file:" + os.path.join(server.folder, "log")
        server.write_config()
        server.make_data()
        server.start()
        moved = os.path.join(server.folder, "log.1")
        os.rename(os.path.join(server.folder, "log"), moved)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: os.path.exists(os.path.join(server.folder, "log")), "a new log file")
        self.assertEqual(server.stop(), 0)
        for name in ("log.1", "log"):
            with open(os.path.join(server.folder, name), encoding="utf-8") as lines:
                events = [json.loads(line) for line in lines]
            self.assertTrue(events)
            for event in events:
                self.assertTrue(event["@timestamp"].endswith("Z"))
                self.assertIn(event["role"], ("supervisor", "gate", "auth", "mail", "digest",
                                              "log", "keys"))
        self.assertIn("server.stop", [event["event"] for event in events])


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Users(unittest.TestCase):
    def test_an_ordinary_user_can_run_it(self):
        server = Server(uid=NOBODY)
        self.addCleanup(server.close)
        server.make_data()
        server.start()
        for row in server.children():
            status = proc_status(row["pid"])
            self.assertEqual(status["Uid"].split()[0], str(NOBODY))
            self.assertEqual(status["Seccomp"], "2")
        server.connect().close()
        self.assertEqual(server.stop(), 0)

    def test_missing_system_users_are_named(self):
        server = Server(user_prefix="roost-nobody-has-this")
        self.addCleanup(server.close)
        server.spawn()
        self.assertEqual(server.process.wait(harness.DEADLINE_SEC), 4)
        self.assertIn("roost-nobody-has-this-auth", server.stderr())

    def test_root_gives_each_role_its_own_uid(self):
        # Users of this test alone: a passwd file of our own over the system's, in a mount
        # namespace that nobody else sees.
        server = Server(user_prefix="roosttest")
        self.addCleanup(server.close)
        passwd = os.path.join(server.folder, "passwd")
        roles = ("gate", "auth", "mail", "digest", "log", "keys")
        with open(passwd, "w", encoding="utf-8") as out:
            for entry in pwd.getpwall():
                out.write("%s:x:%d:%d::/:/bin/false\n" % (entry.pw_name, entry.pw_uid,
                                                          entry.pw_gid))
            for i, role in enumerate(roles):
                out.write("roosttest-%s:x:%d:%d::/:/bin/false\n" % (role, 64100 + i, 64100 + i))
        prefix = ["unshare", "--mount", "--", "sh", "-c",
                  'mount --bind "$0" /etc/passwd && exec "$@"', passwd]
        if subprocess.run(prefix + ["true"], capture_output=True).returncode != 0:
            self.skipTest("no mount namespaces here")
        os.chmod(server.folder, 0o711)
        subprocess.run(prefix + [harness.MAKE_DATA, server.config, "anna"], check=True,
                       capture_output=True)
        server.start(prefix)
        for row in server.children():
            with self.subTest(role=row["role"]):
                want = str(64100 + roles.index(row["role"]))
                status = proc_status(row["pid"])
                self.assertEqual(status["Uid"].split(), [want] * 4)
                self.assertEqual(status["Gid"].split(), [want] * 4)
                self.assertEqual(status["Groups"], "")
        self.assertEqual(os.stat(os.path.join(server.data, "auth")).st_uid, 64101)
        server.connect().close()
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
