"""bench/run and bench/load at their small size: every row's answers are right; nothing here is timed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ["ROOST_SOURCE"]
ROOST = os.environ["ROOST"]
LOAD = os.path.join(os.environ["ROOST_BUILD"], "bench/load")
RUN = os.path.join(SOURCE, "bench/run")
DOOR = os.path.join(SOURCE, "bench/servers/roost.sh")
BASE = 28900  # test_door.py has what lies above
MANY = "100"


class Bench(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="roost-bench-test-", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.environment = dict(os.environ, LOAD=LOAD, BASE=str(BASE))

    def call(self, *words):
        return subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)

    def run_rows(self, servers, *rows):
        """What bench/run wrote, all answers being right."""
        out = os.path.join(self.folder, "out")
        done = self.call(sys.executable, RUN, "--small", "--servers", servers, "--folder", self.folder, "--out", out, *rows)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name in ("results.md", "ratios.svg"):
            self.assertGreater(os.path.getsize(os.path.join(out, name)), 0)
        with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
            return json.load(file)["rows"]

    def test_every_row_is_answered_rightly(self):
        for name, row in self.run_rows("roost").items():
            with self.subTest(row=name):
                for key in row["figures"]:
                    if row["printed"]["roost"] is None:  # it is not offered
                        continue
                    value = float(row["printed"]["roost"][0][key])
                    if key != "pss_kib":  # what few sessions take is lost in what the server gives back meanwhile
                        self.assertGreater(value, 0)

    def test_what_must_not_grow_is_measured_at_several_sizes(self):
        for option in ("--growth", "--accounts"):
            out = os.path.join(self.folder, "grown" + option)
            done = self.call(sys.executable, RUN, "--small", "--servers", "roost", "--folder", self.folder, "--out", out,
                             option, "2,60")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(os.path.join(out, "growth.json"), encoding="utf-8") as file:
                found = json.load(file)
            self.assertTrue(found)
            for name, lines in found.items():
                with self.subTest(option=option, row=name):
                    self.assertEqual([size for size, _ in lines["roost"]], [2, 60])
                    self.assertGreater(os.path.getsize(os.path.join(out, "growth-%s.svg" % name)), 0)

    def test_rounds_for_which_there_is_no_time_are_left_out(self):
        out = os.path.join(self.folder, "hurried")
        done = self.call(sys.executable, RUN, "--small", "--servers", "roost", "--folder", self.folder, "--out", out,
                         "--rounds", "3", "--minutes", "0", "append")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
            self.assertEqual(len(json.load(file)["rows"]["append"]["printed"]["roost"]), 1)

    def test_two_builds_are_compared(self):
        rows = self.run_rows("roost,again=" + ROOST, "append", "select")
        self.assertEqual(list(rows), ["append", "select"])
        for row in rows.values():
            self.assertEqual(list(row["printed"]), ["roost", "again"])

    def test_dovecot_beside(self):
        if os.geteuid() != 0 or not os.path.exists("/usr/lib/dovecot/lmtp"):
            self.skipTest("no dovecot-imapd and dovecot-lmtpd, or not root")
        rows = self.run_rows("roost,dovecot", "append", "lmtp", "envelope", "search-text", "qresync")
        for row in rows.values():
            self.assertEqual(len(row["printed"]["dovecot"]), 1)

    def door(self):
        data = os.path.join(self.folder, "door")
        self.addCleanup(self.call, DOOR, "stop", data)
        done = self.call(DOOR, "start", data)
        self.assertEqual(done.returncode, 0, done.stderr)

    def load(self, *words):
        return self.call(LOAD, "-i", str(BASE + 43), "-I", str(BASE + 93), "-l", str(BASE + 24), *words)

    def test_other_mail_than_the_seed_gives_is_noticed(self):
        self.door()
        self.assertEqual(self.load("-m", MANY, "big").returncode, 0)
        for scenario in ("fetch-flags", "envelope", "headers", "search-unseen"):
            with self.subTest(scenario=scenario):
                done = self.load("-m", MANY, scenario)
                self.assertEqual(done.returncode, 0, done.stderr)
                done = self.load("-m", MANY, "-e", "2", scenario)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn("load: %s, user 33" % scenario, done.stderr)


if __name__ == "__main__":
    unittest.main()
