"""UNAUTHENTICATE (RFC 8437): several users on one connection, by TLS and without, compressed and not."""

import base64
import os
import sys
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, sample
from test_compress import compress

USERS = 4
MARK = b"\x00\x00\xff\xff"  # with which a flush ends
AHEAD_BYTES = 300000  # of a message pipelined behind the next login: more than a socket pair holds


def plain(user):
    return base64.b64encode(b"\0%s\0%s" % (user.encode(), PASSWORD.encode())).decode()


def decompressed(wire):
    """The connection after the tagged OK of UNAUTHENTICATE: plain again, both ways."""
    wire.sock = wire.sock.sock
    wire.file = wire.sock.makefile("rb")


class Unauthenticate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=USERS)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        for i in range(1, USERS + 1):
            for n in range(i):
                cls.server.deliver("u%d" % i, sample(n))

    def wires(self, user=None):
        """One by TLS and one without."""
        for tls in (True, False):
            wire = self.server.wire(user, tls=tls)
            self.addCleanup(wire.close)
            yield wire

    def assert_user(self, wire, i):
        self.assertIn(b"* %d EXISTS" % i, wire.ok("EXAMINE INBOX"))

    def test_users_one_after_the_other(self):
        for wire in self.wires():
            for i in list(range(1, USERS + 1)) * 3:
                wire.ok("LOGIN u%d %s" % (i, PASSWORD))
                self.assert_user(wire, i)
                wire.ok("UNAUTHENTICATE")
                caps = b" ".join(wire.ok("CAPABILITY"))
                self.assertIn(b"SASL-IR", caps)
                self.assertNotIn(b"UNAUTHENTICATE", caps)
                for command in ("SELECT INBOX", "UNAUTHENTICATE", "FETCH 1 FLAGS"):
                    _, tagged = wire.command(command)
                    self.assertTrue(tagged.startswith(b"BAD"), tagged)

    def test_a_user_in_one_round_trip(self):
        for wire in self.wires("u1"):
            tags = []
            for i in (2, 3, 4, 1):
                wire.raw(b"x UNAUTHENTICATE\r\n")
                wire.send("AUTHENTICATE PLAIN " + plain("u%d" % i))
                tags.append((i, wire.send("EXAMINE INBOX")))
            for i, tag in tags:
                untagged, tagged = wire.until(tag)
                self.assertIn(b"* %d EXISTS" % i, untagged)
                self.assertTrue(tagged.startswith(b"OK"), tagged)

    def test_what_follows_the_next_login_is_that_users(self):
        body = b"Subject: ahead\r\n\r\n" + b"ahead of the login\r\n" * (AHEAD_BYTES // 20)
        for wire in self.wires("u1"):
            wire.raw(b"x UNAUTHENTICATE\r\ny LOGIN u2 %s\r\n" % PASSWORD.encode())
            wire.append("Drafts", body)
            wire.ok("SELECT Drafts")
            lines = wire.ok("FETCH * (BODY.PEEK[])")
            self.assertTrue(lines[0].endswith(body + b")"))
            wire.ok("STORE 1:* +FLAGS (\\Deleted)")
            wire.ok("UNAUTHENTICATE")
            wire.ok("LOGIN u1 " + PASSWORD)
            self.assertIn(b"* 0 EXISTS", wire.ok("EXAMINE Drafts"))

    def test_everything_that_was_enabled_is_forgotten(self):
        for wire in self.wires("u2"):
            wire.ok("ENABLE IMAP4rev2 CONDSTORE QRESYNC UIDONLY UTF8=ACCEPT")
            wire.ok("SELECT INBOX")
            wire.ok("UID SEARCH RETURN (SAVE) ALL")
            wire.ok("UNAUTHENTICATE")
            wire.ok("LOGIN u2 " + PASSWORD)
            selected = b"\r\n".join(wire.ok("SELECT INBOX"))
            self.assertIn(b"RECENT", selected)  # IMAP4rev1 again
            self.assertEqual([b"* SEARCH"], wire.ok("SEARCH $"))  # the saved result is empty
            self.assertEqual([b"* 1 FETCH (FLAGS ())"], wire.ok("FETCH 1 FLAGS"))
            _, tagged = wire.command("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)")
            self.assertTrue(tagged.startswith(b"BAD"), tagged)  # QRESYNC is off

    def test_compression_ends_with_it(self):
        for wire in self.wires("u1"):
            for i in (2, 3, 4):
                compress(wire)
                self.assert_user(wire, 1 if i == 2 else i - 1)
                wire.ok("UNAUTHENTICATE")
                decompressed(wire)
                wire.ok("LOGIN u%d %s" % (i, PASSWORD))
                self.assert_user(wire, i)
                self.assertIn(b"COMPRESS=DEFLATE", b" ".join(wire.ok("CAPABILITY")))

    def test_plain_bytes_right_behind_the_compressed_command(self):
        for wire in self.wires("u1"):
            for flush in (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_FINISH):
                compress(wire)
                packed = wire.sock.packer.compress(b"n NOOP\r\nx UNAUTHENTICATE\r\n")
                packed += wire.sock.packer.flush(flush)
                wire.sock.sock.sendall(packed + b"y AUTHENTICATE PLAIN %s\r\nz EXAMINE INBOX\r\n"
                                       % plain("u3").encode())
                answer = data = b""
                while not (b"x OK" in answer and answer.endswith(b"\r\n")):
                    packed, mark, rest = data.partition(MARK)
                    if mark:
                        answer += wire.sock.unpacker.decompress(packed + mark)
                        data = rest
                        continue
                    more = wire.sock.sock.recv(1 << 16)
                    self.assertTrue(more, answer)
                    data += more
                decompressed(wire)
                while not data.endswith(b"\r\n") or b"\r\nz " not in data:
                    more = wire.sock.recv(1 << 16)
                    self.assertTrue(more, data)
                    data += more
                self.assertIn(b"* 3 EXISTS", data)
                wire.command("UNAUTHENTICATE")
                wire.ok("LOGIN u1 " + PASSWORD)

    def test_it_counts_as_no_connection_of_that_user(self):
        for wire in self.wires():
            for _ in range(3):
                wire.ok("LOGIN u1 " + PASSWORD)
                wire.ok("UNAUTHENTICATE")
            self.assertNotIn("u1", self.server.run("session", "list").stdout)

    def test_the_language_lasts_from_before_login_to_it(self):
        for wire in self.wires():
            wire.ok("LANGUAGE JA")
            _, tagged = wire.command("LOGIN u1 " + PASSWORD)
            self.assertTrue(tagged.endswith("ログインしました".encode()), tagged)
            _, tagged = wire.command("UNAUTHENTICATE")
            self.assertEqual("OK UNAUTHENTICATEが完了しました".encode(), tagged)
            _, tagged = wire.command("NOOP")
            self.assertEqual(b"OK NOOP completed", tagged)  # i-default again (RFC 8437 4.1)

    def test_writes_before_it_are_kept(self):
        for wire in self.wires("u4"):
            wire.ok("SELECT INBOX")
            wire.raw(b"a STORE 1 +FLAGS (kept)\r\nb UNAUTHENTICATE\r\n")
            wire.until(b"b")
            wire.ok("LOGIN u4 " + PASSWORD)
            wire.ok("SELECT INBOX")
            self.assertIn(b"kept", wire.ok("FETCH 1 FLAGS")[0])


if __name__ == "__main__":
    unittest.main()
