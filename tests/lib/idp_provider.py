"""A provider's file for role idp, and the role's own code to ask what it makes of it."""

import os
import subprocess
import tempfile

from roost_server import DEADLINE_SEC

IDP_ASK = os.environ["IDP_ASK"]


def write_conf(path, lines):
    with open(path, "w", encoding="utf-8") as out:
        for key, value in lines.items():
            if isinstance(value, bool):
                value = "true" if value else "false"
            elif isinstance(value, list):
                value = "{" + ", ".join('"%s"' % item for item in value) + "}"
            elif isinstance(value, str):
                value = '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
            out.write("%s = %s\n" % (key, value))
    os.chmod(path, 0o640)


def idp_folder(server):
    """The idp_folder of a server with idp_folder="idp"; it is made."""
    folder = os.path.join(server.data, "idp")
    os.mkdir(folder, 0o755)
    return folder


def give_to_idp(*paths):
    """What the role alone may read."""
    for path in paths:
        os.chmod(path, 0o640)
        if os.geteuid() == 0:
            subprocess.run(["chgrp", "roost-idp", path], check=True)


class Provider:
    """idp_ask on a file of its own."""

    def __init__(self, kind, lines):
        self.folder = tempfile.TemporaryDirectory(prefix="roost-%s-" % kind, dir="/tmp")
        self.command = [IDP_ASK, self.folder.name, kind, "here"]
        self.lines = lines
        self.write()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, **more):
        self.lines = {**self.lines, **more}
        write_conf(self.path("here.conf"), self.lines)

    def ask(self, *questions):
        """(code, reason, user, groups) of each (user, secret) or ("user", user, None); text: the file is wrong."""
        text = ""
        for question in questions:
            if len(question) == 3:
                text += "user %s -\n" % (question[1].hex() or "-")
            else:
                text += "password %s %s\n" % (question[0].hex() or "-", question[1].hex() or "-")
        done = subprocess.run(self.command, input=text, text=True, capture_output=True, check=False, timeout=DEADLINE_SEC)
        if done.stdout.startswith("bad "):
            return done.stdout
        answers = []
        for line in done.stdout.splitlines():
            code, reason, user, *groups = line.split(" ")
            answers.append((code, reason, bytes.fromhex(user.replace("-", "")), [bytes.fromhex(g) for g in groups]))
        assert len(answers) == len(questions), done.stdout + done.stderr
        return answers
