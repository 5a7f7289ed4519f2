"""bench/figures.py at its small size: every figure is taken and printed, and all answers are right; nothing is timed here."""

import os
import subprocess
import sys
import unittest

SOURCE = os.environ["ROOST_SOURCE"]


class Figures(unittest.TestCase):
    def test_each_figure_has_its_line(self):
        for name in ("G22", "G25", "G39", "G40", "G44"):  # the others are made of the same parts
            with self.subTest(figure=name):
                done = subprocess.run([sys.executable, os.path.join(SOURCE, "bench/figures.py"), "--small", name],
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                lines = done.stdout.splitlines()
                self.assertTrue(lines)
                for line in lines:
                    self.assertRegex(line, r"^%s .*; goal .*: (met|missed)$" % name)


if __name__ == "__main__":
    unittest.main()
