"""COMPRESS=DEFLATE (RFC 4978) against another implementation, zlib: talk, large answers, rests, bombs and lies."""

import base64
import os
import random
import sys
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from corpus import corpus_folder, read_corpus
from roost_server import Server, is_sanitized, pss_kib, sample, wait_for
from seed import seed

LARGE = bool(os.environ.get("ROOST_LARGE"))
BOMB_BYTES = 64 << 20
REST_SEC = 10  # REST_US of server/clients.h
SESSIONS = 20
WINDOW_KIB = 40  # what a quiet session has on top; a busy one has some 75


class Deflated:
    """The socket's two calls that Wire uses, through zlib."""

    def __init__(self, sock, level=6, flush=zlib.Z_SYNC_FLUSH):
        self.sock = sock
        self.flush = flush
        self.packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        self.unpacker = zlib.decompressobj(-15)
        self.buffer = b""
        self.wire_bytes = self.plain_bytes = 0

    def sendall(self, data):
        self.sock.sendall(self.packer.compress(data) + self.packer.flush(self.flush))

    def more(self):
        data = self.sock.recv(1 << 16)
        self.wire_bytes += len(data)
        plain = self.unpacker.decompress(data)
        self.plain_bytes += len(plain)
        self.buffer += plain
        return data != b""

    def readline(self):
        while b"\n" not in self.buffer and self.more():
            pass
        line, mark, self.buffer = self.buffer.partition(b"\n")
        return line + mark

    def read(self, n):
        while len(self.buffer) < n and self.more():
            pass
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def close(self):
        self.sock.close()


def compress(wire, **options):
    wire.ok("COMPRESS DEFLATE")
    wire.file.close()
    wire.sock = wire.file = Deflated(wire.sock, **options)
    return wire


def attachment(rnd):
    """A part in base64: of what cannot be made smaller, of what can, or of one behind the other; in lines of any length."""
    noise, text = rnd.randbytes(rnd.randrange(60000)), b"<p>line %d of it</p>\n" * rnd.randrange(2000)
    data = rnd.choice((noise, noise, text, noise + text, text + noise, bytes(20000), noise[:5000] * 4))
    step = rnd.choice((57, 57, 45, 54, 600))
    lines = [base64.b64encode(data[at:at + step]) for at in range(0, len(data), step)]
    return b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"\r\n".join(lines) + b"\r\n"


def with_attachments(rnd, n):
    parts = b"".join(b"--=_b\r\n" + attachment(rnd) for _ in range(rnd.randint(1, 4)))
    return (b"Subject: attached %d\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n" % n + parts +
            b"--=_b--\r\n")


class Compress(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=2)
        self.addCleanup(self.server.close)
        self.server.start()

    def test_offered_until_it_is_active(self):
        with self.server.wire("u1") as wire:
            self.assertIn(b"COMPRESS=DEFLATE", b" ".join(wire.ok("CAPABILITY")))
            compress(wire)
            self.assertNotIn(b"COMPRESS", b" ".join(wire.ok("CAPABILITY")))
            _, tagged = wire.command("COMPRESS DEFLATE")
            self.assertTrue(tagged.startswith(b"BAD"), tagged)

    def test_not_before_login(self):
        with self.server.wire() as wire:
            self.assertNotIn(b"COMPRESS", b" ".join(wire.ok("CAPABILITY")))
            _, tagged = wire.command("COMPRESS DEFLATE")
            self.assertTrue(tagged.startswith(b"BAD"), tagged)

    def test_the_same_mail_comes_back_and_takes_less(self):
        mails = [sample(i, 3000 + 700 * i) for i in range(40)]
        mails.append(b"Subject: big\r\n\r\n" + b"".join(b"line %d of many\r\n" % i for i in range(60000)))
        mails.append(b"Subject: noise\r\n\r\n" + os.urandom(150000).hex().encode() + b"\r\n")
        for tls in (True, False):
            for options in ({}, {"level": 0}, {"flush": zlib.Z_FULL_FLUSH}):
                with self.subTest(tls=tls, **options), self.server.wire("u1", tls=tls) as wire:
                    compress(wire, **options)
                    wire.command("DELETE Packed")
                    wire.ok("CREATE Packed")
                    for mail in mails:
                        wire.append("Packed", mail)
                    wire.ok("SELECT Packed")
                    before = wire.sock.wire_bytes, wire.sock.plain_bytes
                    lines = wire.ok("FETCH 1:* (BODY.PEEK[])")
                    bodies = [line.partition(b"}\r\n")[2][:-1] for line in lines if b" FETCH " in line]
                    self.assertEqual(bodies, mails)
                    self.assertLess((wire.sock.wire_bytes - before[0]) * 2, wire.sock.plain_bytes - before[1])
                    for n in range(200):
                        wire.send("NOOP")
                    wire.until(b"t%d" % wire.n)

    def comes_back(self, mails):
        """All of them, through zlib; how many bytes on the wire, and how many zlib makes of them."""
        with self.server.wire("u1", tls=False) as wire:
            compress(wire)
            wire.ok("ENABLE UTF8=ACCEPT")  # fields of 8-bit text are accepted (RFC 6855)
            for mail in mails:
                wire.append("INBOX", mail)
            wire.ok("SELECT INBOX")
            before = wire.sock.wire_bytes
            lines = wire.ok("FETCH 1:* (BODY.PEEK[])")
            bodies = [line.partition(b"}\r\n")[2][:-1] for line in lines if b" FETCH " in line]
            self.assertEqual(len(bodies), len(mails))
            for number, (body, mail) in enumerate(zip(bodies, mails)):
                self.assertEqual(body, mail, number)
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            return wire.sock.wire_bytes - before, sum(len(packer.compress(line)) for line in lines) + len(packer.flush())

    def test_attachments(self):
        rnd = random.Random(seed())
        took, zlib_takes = self.comes_back([with_attachments(rnd, n) for n in range(600 if LARGE else 60)])
        print("%d bytes, zlib takes %d" % (took, zlib_takes), flush=True)
        self.assertLess(took, 1.15 * zlib_takes)

    def test_the_corpus(self):
        if not LARGE or corpus_folder() is None:
            self.skipTest("no corpus (ROOST_CORPUS), or the normal size")
        boxes, _ = read_corpus(corpus_folder())
        took, zlib_takes = self.comes_back([mail for _, box in sorted(boxes.items()) for mail in box if mail and b"\0" not in mail])
        print("%d bytes, zlib takes %d" % (took, zlib_takes), flush=True)
        self.assertLess(took, 1.15 * zlib_takes)

    def test_idle_hears_and_what_is_quiet_keeps_little(self):
        mail = self.server.roles()["mail"][0]
        with self.server.wire("u1") as other:
            wires = [self.server.wire("u1") for _ in range(SESSIONS)]
            most = pss_kib(mail) + SESSIONS * WINDOW_KIB
            for wire in wires:
                compress(wire)
                wire.ok("SELECT INBOX")
                wire.tag = wire.idle()
            if not is_sanitized():
                self.assertGreater(pss_kib(mail), most)
                wait_for(lambda: pss_kib(mail) < most, "memory given back", REST_SEC + 20)
            other.append("INBOX", sample(1))
            for wire in wires:
                while not wire.line().endswith(b"EXISTS"):
                    pass
                wire.done(wire.tag)
                wire.ok("NOOP")
                wire.close()

    def test_a_bomb_is_a_line_too_long(self):
        with self.server.wire("u1") as wire, self.server.wire("u2") as other:
            compress(wire)
            before = pss_kib(self.server.roles()["mail"][0])
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            try:
                for _ in range(BOMB_BYTES >> 20):
                    wire.sock.sock.sendall(packer.compress(b"x" * (1 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH))
            except OSError:
                pass  # it has closed already
            other.ok("NOOP")
            mail = self.server.roles()["mail"][0]
            wait_for(lambda: pss_kib(mail) - before < 8 << 10, "a bound on a bomb's memory")

    def test_lies_end_the_session_with_a_word(self):
        for lie in (b"a1 NOOP\r\n", b"\x07\x07\x07", b"\x00\x05\x00\x00\x00hello", b"\x03\x00"):
            with self.subTest(lie=lie), self.server.wire("u1") as wire, self.server.wire("u2") as other:
                compress(wire)
                wire.sock.sock.sendall(lie)
                self.assertTrue(wire.line().startswith(b"* BYE Broken"))
                other.ok("NOOP")


if __name__ == "__main__":
    unittest.main()
