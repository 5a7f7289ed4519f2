"""Users for tests of back-ends in SQL, and a server that has them."""

import imaplib
import os
import subprocess

from idp_provider import give_to_idp, idp_folder, write_conf
from roost_server import Server

QUERY = "SELECT name AS user, password, groups FROM users WHERE name = :user"
# "bare's" by SHA512-CRYPT; the others are not hashed, which counts for this test only
BARE = subprocess.run(["openssl", "passwd", "-6", "-salt", "saltsalt", "bare's"], check=True, capture_output=True,
                      text=True).stdout.strip()
USERS = [
    ("anna", "anna", "example.org", "{PLAIN}anna's", "staff, board,"),
    ("bare", "bare", "example.org", BARE, None),
    ("none", "none", "example.org", None, None),
    ("odd", "odd", "example.org", "{NO-SUCH}x", None),
    ("twice", "twice", "example.org", "{PLAIN}x", None),
    ("twice", "twice", "example.org", "{PLAIN}x", None),
]
HOSTILE_NAMES = [
    b"' OR '1'='1", b"anna' --", b"anna'; DROP TABLE users; --", b"\" OR \"\"=\"", b"anna\\", b"\\' OR 1=1 --", b"%",
    b"_nna", b"anna%", b"anna\0", b"anna\0' OR 1=1", b":user", b"$1", b"?1", b"ANNA ", b" anna", b"anna\n", b"",
    b"anna\xff", b"\xbf' OR 1=1 --", b"x" * 256, b"anna) OR (1=1", b"anna/*", b"{PLAIN}anna's", "\uff07 OR 1=1".encode(),
]


def shop_server(test):
    """A server whose users are in a database, and its idp_folder, where shop.conf is still to be written."""
    server = Server(users=1, idp_folder="idp", backends=["passwd-file", "sql:shop"], legacy_passwords="until 2100-01-01")
    test.addCleanup(server.close)
    return server, idp_folder(server)


def start_shop(server, lines):
    path = os.path.join(server.data, "idp", "shop.conf")
    write_conf(path, lines)
    give_to_idp(path)
    return server.start()


def assert_refused(test, server, password):
    client = server.imap()
    with test.assertRaises(imaplib.IMAP4.error):
        client.login("anna", password)
    client.shutdown()


def assert_logs_in(test, server):
    client = server.imap()
    client.login("anna", "anna's")
    test.assertEqual(client.select()[0], "OK")
    client.logout()
