"""Users for tests of back-ends in SQL, and role idp's own code to ask about them."""

import os
import subprocess
import tempfile

from roost_server import DEADLINE_SEC

IDP_ASK = os.environ["IDP_ASK"]
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


def write_conf(path, lines):
    with open(path, "w", encoding="utf-8") as out:
        for key, value in lines.items():
            out.write('%s = "%s"\n' % (key, value.replace("\\", "\\\\").replace('"', '\\"')))
    os.chmod(path, 0o640)


class Provider:
    """idp_ask on a file of its own."""

    def __init__(self, lines):
        self.folder = tempfile.TemporaryDirectory(prefix="roost-sql-", dir="/tmp")
        self.lines = lines
        self.write()

    def write(self, **more):
        self.lines = {**self.lines, **more}
        write_conf(os.path.join(self.folder.name, "here.conf"), self.lines)

    def ask(self, *questions):
        """(code, reason, user, groups) of each (user, secret) or ("user", user, None); text: the file is wrong."""
        text = ""
        for question in questions:
            if len(question) == 3:
                text += "user %s -\n" % (question[1].hex() or "-")
            else:
                text += "password %s %s\n" % (question[0].hex() or "-", question[1].hex() or "-")
        done = subprocess.run([IDP_ASK, self.folder.name, "sql", "here"], input=text, text=True, capture_output=True,
                              check=False, timeout=DEADLINE_SEC)
        if done.stdout.startswith("bad "):
            return done.stdout
        answers = []
        for line in done.stdout.splitlines():
            code, reason, user, *groups = line.split(" ")
            answers.append((code, reason, bytes.fromhex(user.replace("-", "")), [bytes.fromhex(g) for g in groups]))
        assert len(answers) == len(questions), done.stdout + done.stderr
        return answers
