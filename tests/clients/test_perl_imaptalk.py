"""Perl's Mail::IMAPTalk."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from perl_client import PerlClient, need_module

need_module("Mail::IMAPTalk", "libmail-imaptalk-perl")


class ImapTalk(PerlClient, unittest.TestCase):
    program = "imaptalk.pl"

    def check(self, server):
        self.assertEqual(server.flags("u1", "INBOX"),
                         {1: ["$Label1", "\\Seen"], 2: ["\\Flagged"], 3: []})
        self.assertEqual(server.flags("u1", "Work"), {1: ["$Label1", "\\Seen"]})
        self.assertEqual(server.flags("u1", "Archive"), {4: []})


if __name__ == "__main__":
    unittest.main(verbosity=2)
