"""Scripts, man pages and what `cmake --install` puts where."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ["ROOST_SOURCE"]
BUILD = os.environ["ROOST_BUILD"]


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)


class Checkers(unittest.TestCase):
    def need(self, program):
        if shutil.which(program) is None:
            self.skipTest(program + " is not installed")

    def test_scripts_pass_shellcheck(self):
        self.need("shellcheck")
        scripts = []
        for folder in ("dev", ".ci", "bench/servers"):
            for name in sorted(os.listdir(os.path.join(SOURCE, folder))):
                path = os.path.join(SOURCE, folder, name)
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as script:
                    if re.match(rb"#!.*\bbash\b|# shellcheck shell=bash", script.readline()):
                        scripts.append(path)
        self.assertGreater(len(scripts), 5)
        done = run("shellcheck", "-x", *scripts, cwd=SOURCE)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_what_one_process_needs_is_not_linked(self):
        self.need("readelf")
        linked = re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", os.environ["ROOST"]).stdout)
        self.assertIn("libc.so.6", linked)
        loaded = ("libcurl", "liblber", "libldap", "libmicrohttpd", "libpam", "libpq")  # src/base/library.h
        self.assertEqual([name for name in linked if name.startswith(loaded)], [])

    def test_man_pages_pass_mandoc(self):
        self.need("mandoc")
        pages = [os.path.join(SOURCE, "docs/man", name) for name in os.listdir(os.path.join(SOURCE, "docs/man"))]
        done = run("mandoc", "-Tlint", "-Wwarning", *pages)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.returncode, 0)

    def test_fail2ban_finds_wrong_passwords_and_nothing_else(self):
        self.need("fail2ban-regex")
        head, journal = "2026-11-23T18:30:01.123456Z ", "2026-11-23T18:30:01 mail roost[812]: "
        refused = "warning auth login.refused address=%s reason=%s service=imap user=%s method=PLAIN"
        found = [head + refused % ("192.0.2.7", "wrong_password", "anna"),
                 head + refused % ("2001:db8::7", "unknown_user", '"x address=192.0.2.200"'),
                 journal + head + refused % ("192.0.2.9", "wrong_password", "anna")]
        others = [head + "info auth login.ok address=192.0.2.10 reason=ok service=imap user=anna method=PLAIN",
                  head + refused % ("192.0.2.8", "throttled", '"' + refused % ("192.0.2.201", "wrong_password", "x") + '"')]
        with tempfile.NamedTemporaryFile("w", suffix=".log", encoding="ascii") as log:
            log.write("\n".join(found + others) + "\n")
            log.flush()
            done = run("fail2ban-regex", "--print-all-matched", "--print-no-missed", log.name,
                       os.path.join(SOURCE, "packaging/fail2ban-filter.conf"))
        self.assertIn("5 lines, 0 ignored, 3 matched, 2 missed", done.stdout, done.stderr)
        for line in found:
            self.assertIn("|  " + line, done.stdout)

    def test_sysusers_reads_its_file(self):
        self.need("systemd-sysusers")
        done = run("systemd-sysusers", "--dry-run", os.path.join(SOURCE, "packaging/roost.sysusers"))
        self.assertEqual([line for line in done.stderr.splitlines() if "roost.sysusers:" in line], [])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_systemd_reads_the_unit(self):
        self.need("systemd-analyze")
        with open(os.path.join(SOURCE, "packaging/roost.service.in"), encoding="ascii") as text:
            unit = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text.read(), flags=re.MULTILINE)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "roost.service")
            with open(path, "w", encoding="ascii") as out:
                out.write(re.sub(r"^Documentation=.*\n", "", unit, flags=re.MULTILINE))
            done = run("systemd-analyze", "verify", path)
        self.assertEqual([line for line in done.stderr.splitlines() if "roost.service" in line], [])

    def test_every_role_that_has_a_user_is_in_sysusers(self):
        with open(os.path.join(SOURCE, "packaging/roost.sysusers"), encoding="ascii") as text:
            users = re.findall(r"^u (\S+)", text.read(), re.MULTILINE)
        with open(os.path.join(SOURCE, "dev/users"), encoding="ascii") as text:
            roles = re.search(r"for role in (.*); do", text.read())[1].split()
        self.assertEqual(users, ["roost-" + role for role in roles])


class Configure(unittest.TestCase):
    def test_without_tests_nothing_of_theirs_is_wanted(self):
        with tempfile.TemporaryDirectory(prefix="roost-configure-") as folder:
            done = run("cmake", "-S", SOURCE, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DROOST_TESTS=OFF")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("cmocka", done.stdout)


class Install(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="roost-install-")
        done = run("cmake", "--install", BUILD, env=dict(os.environ, DESTDIR=self.root))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.files = sorted(os.path.relpath(os.path.join(at, name), self.root)
                            for at, _, names in os.walk(self.root) for name in names)

    def tearDown(self):
        shutil.rmtree(self.root)

    def file(self, ending):
        found = [name for name in self.files if name.endswith(ending)]
        self.assertEqual(len(found), 1, "%s among %s" % (ending, self.files))
        return os.path.join(self.root, found[0])

    def test_everything_is_there_and_nothing_else(self):
        for ending in ("bin/roost", "system/roost.service", "sysusers.d/roost.conf", "tmpfiles.d/roost.conf",
                       "man8/roost.8", "man5/roost.conf.5", "roost.conf.example", "README.md", "LICENSE",
                       "operating.md", "fail2ban-filter.conf"):
            self.file(ending)
        self.assertEqual(len(self.files), 11, self.files)
        self.assertEqual(run(self.file("bin/roost"), "--help").returncode, 0)

    def test_the_unit_starts_what_was_installed(self):
        with open(self.file("system/roost.service"), encoding="ascii") as text:
            unit = text.read()
        program = re.search(r"^ExecStart=(\S+) serve -c (\S+)$", unit, re.MULTILINE)
        self.assertEqual(self.root + program[1], self.file("bin/roost"))
        self.assertIn("KillMode=mixed", unit)
        self.assertNotIn("@", re.sub(r"#.*", "", unit))


if __name__ == "__main__":
    unittest.main()
