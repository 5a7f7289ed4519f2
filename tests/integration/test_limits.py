"""Limits of connections that only a running server shows: of one source, of the page, of the control socket."""

import os
import select
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from enrolment import Browser, PageServer
from roost_server import DEADLINE_SEC, wait_for

SOURCE = 32  # WEB_SOURCE_MAX
PAGE = 256  # WEB_CONNS_MAX
CONTROL = 16  # CONTROL_CONNS_MAX


def has_ended(sock):
    """Has the server closed it? It says nothing on its own."""
    if not select.select([sock], [], [], 0)[0]:
        return False
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


class Limits(unittest.TestCase):
    def setUp(self):
        self.server = PageServer().start()
        self.addCleanup(self.server.close)
        wait_for(lambda: "web" in self.server.roles(), "the web role")
        Browser(self.server).get("/login")

    def connect(self, source):
        sock = socket.create_connection(("127.0.0.1", self.server.page_port), timeout=DEADLINE_SEC,
                                        source_address=(source, 0))
        self.addCleanup(sock.close)
        return sock

    def test_a_source_has_so_many_connections_to_the_page(self):
        mine = [self.connect("127.0.0.9") for _ in range(SOURCE)]
        one_more = self.connect("127.0.0.9")
        wait_for(lambda: has_ended(one_more), "the end of one too many")
        self.assertFalse([sock for sock in mine if has_ended(sock)])
        self.assertEqual(Browser(self.server).get("/login").status, 200)  # another source
        mine[0].close()
        self.addCleanup(mine[0].close)

        def is_taken():
            again = self.connect("127.0.0.9")
            return not select.select([again], [], [], 0.5)[0]
        wait_for(is_taken, "a place where one has gone")

    def test_the_page_has_so_many_connections(self):
        first = self.connect("127.0.1.1")
        others = [self.connect("127.0.1.%d" % (2 + n // (SOURCE - 1))) for n in range(PAGE - 1)]
        self.assertFalse(has_ended(first))
        self.connect("127.0.1.200")
        wait_for(lambda: has_ended(first), "the end of the oldest")
        self.assertFalse([sock for sock in others if has_ended(sock)])

    def test_so_many_command_lines_at_once(self):
        path = os.path.join(self.server.data, "run/auth.sock")

        def connect():
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.addCleanup(sock.close)
            sock.settimeout(DEADLINE_SEC)
            sock.connect(path)
            return sock

        held = [connect() for _ in range(CONTROL)]
        one_more = connect()
        wait_for(lambda: has_ended(one_more), "the end of one too many")
        self.server.logged("auth.control_full")
        self.assertFalse([sock for sock in held if has_ended(sock)])
        held[0].close()
        wait_for(lambda: self.server.run("user", "list", check=False).returncode == 0, "a place where one has gone")


if __name__ == "__main__":
    unittest.main()
