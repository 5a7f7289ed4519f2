"""NeoMutt in a terminal."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from mutt import MuttDay
from roost_server import need


class Neomutt(MuttDay, unittest.TestCase):
    program = need("neomutt", "neomutt")


if __name__ == "__main__":
    unittest.main(verbosity=2)
