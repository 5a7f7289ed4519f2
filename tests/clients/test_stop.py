"""A server that stops while clients are connected: each hears BYE, none holds it up."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server


class Stop(unittest.TestCase):
    def stops_with(self, tls):
        with Server() as server:
            idle = server.wire("u1", tls)
            idle.ok("SELECT INBOX")
            idle.idle()
            quiet = server.wire("u2", tls)
            stranger = server.wire(tls=tls)
            self.assertEqual(server.stop(), 0)
            for client in (idle, quiet, stranger):
                self.assertTrue(client.line().startswith(b"* BYE "))
                self.assertEqual(client.file.read(), b"")
                client.close()
            self.assertNotIn("role.stop_late", server.log())

    def test_clients_over_tls_hear_bye(self):
        self.stops_with(True)

    def test_clients_without_tls_hear_bye(self):
        self.stops_with(False)

    def test_a_client_that_never_reads_is_not_waited_for(self):
        with Server() as server, server.wire("u1") as deaf:
            deaf.append("INBOX", b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 100000)
            deaf.ok("SELECT INBOX")
            for _ in range(20):
                deaf.send("FETCH 1 BODY.PEEK[]")
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
