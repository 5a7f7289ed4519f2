"""Connections that a proxy passes on (HAProxy's PROXY protocol): the header says whose they are, and nothing of TLS is lost."""

import os
import socket
import ssl
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, PASSWORD, Server, Wire, sample

PROXY = "127.0.0.2"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 49152 993\r\n"
V2_START = b"\r\n\r\n\0\r\nQUIT\n"
V2 = V2_START + b"\x21\x11" + struct.pack(">H", 12 + 300) + socket.inet_aton("192.0.2.8") + \
    socket.inet_aton("198.51.100.1") + struct.pack(">HH", 49152, 993) + b"\x04\x01\x29" + b"\0" * 297
V2_LOCAL = V2_START + b"\x20\0\0\0"


class Proxied(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=1, proxy_networks=[PROXY, "2001:db8::/32"], plaintext_loopback="no").start()
        cls.addClassCleanup(cls.server.close)

    def connect(self, header, tls=True, pieces=False):
        sock = socket.create_connection(("127.0.0.1", self.server.imaps_port if tls else self.server.imap_port),
                                        timeout=DEADLINE_SEC, source_address=(PROXY, 0))
        self.addCleanup(sock.close)
        for piece in [header[i:i + 1] for i in range(len(header))] if pieces else [header]:
            sock.sendall(piece)
        return sock

    def wire(self, sock):
        wire = Wire(self.server.tls_context().wrap_socket(sock, server_hostname="localhost"))
        self.addCleanup(wire.close)
        wire.greeting = wire.line()
        return wire

    def logged_in_from(self, address, count=1):
        return [line for line in self.server.logged(" login.ok address=%s " % address, count)]

    def test_the_client_is_whom_the_header_names(self):
        for header, address in ((V1, "192.0.2.7"), (V2, "192.0.2.8"),
                                (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 993\r\n", "2001:db8::7")):
            wire = self.wire(self.connect(header))
            wire.ok("LOGIN u1 " + PASSWORD)
            wire.append("INBOX", sample(1))
            self.logged_in_from(address)

    def test_a_header_in_pieces(self):
        for header in (V1, V2):
            self.wire(self.connect(header, pieces=True)).ok("LOGIN u1 " + PASSWORD)

    def test_the_proxy_speaks_for_itself(self):
        for header in (V2_LOCAL, b"PROXY UNKNOWN\r\n"):
            self.wire(self.connect(header)).ok("LOGIN u1 " + PASSWORD)
        self.logged_in_from(PROXY, 2)

    def test_the_header_and_the_first_bytes_of_tls_at_once(self):
        sock = self.connect(b"")
        wrapped = self.server.tls_context().wrap_bio(incoming := ssl.MemoryBIO(),
                                                     outgoing := ssl.MemoryBIO(),
                                                     server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            wrapped.do_handshake()
        sock.sendall(V1 + outgoing.read())
        incoming.write(sock.recv(1 << 16))
        self.assertTrue(incoming.pending > 0)

    def test_plaintext_too(self):
        sock = self.connect(V1, tls=False)
        wire = Wire(sock)
        self.addCleanup(wire.close)
        self.assertIn(b"LOGINDISABLED", wire.line())

    def test_no_header_no_connection(self):
        for start in (b"a1 NOOP\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"PROXY TCP4 1.2.3.4\r\n", V2_START + b"\x21\x11\xff\xff"):
            sock = self.connect(start)
            try:
                self.assertEqual(sock.recv(100), b"")
            except ConnectionResetError:
                pass  # it closed over what it had not read
        self.server.logged(" proxy.refused address=%s " % PROXY, 4)


class Unlisted(unittest.TestCase):
    def test_who_is_not_listed_is_not_believed(self):
        server = Server(users=1, proxy_networks=["192.0.2.0/24"])
        self.addCleanup(server.close)
        server.start()
        wire = server.wire(tls=False)
        self.addCleanup(wire.close)
        _, tagged = wire.command("LOGIN u1 " + PASSWORD)
        self.assertTrue(tagged.startswith(b"OK "), tagged)
        with socket.create_connection(("127.0.0.1", server.imap_port), timeout=DEADLINE_SEC) as sock:
            sock.sendall(V1)
            lines = sock.makefile("rb")
            self.assertTrue(lines.readline().startswith(b"* OK "))
            self.assertTrue(lines.readline().startswith(b"PROXY BAD "))


if __name__ == "__main__":
    unittest.main()
