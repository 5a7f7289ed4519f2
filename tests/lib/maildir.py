"""A Maildir as a client keeps it: messages that name their number, flags as letters."""

import os
import re

FLAGS = {"S": "\\Seen", "F": "\\Flagged", "R": "\\Answered", "D": "\\Draft"}


def number_of(message):
    return int(re.search(rb"^Subject: message (\d+)", message, re.M).group(1))


class Maildir:
    def __init__(self, path):
        self.path = path
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(path, name), exist_ok=True)

    def add(self, number, message, flags):
        name = "1700000000.%d.test:2,%s" % (number, "".join(sorted(flags)))
        with open(os.path.join(self.path, "cur", name), "wb") as out:
            out.write(message.replace(b"\r\n", b"\n"))

    def files(self):
        out = []
        for sub in ("cur", "new"):
            for name in os.listdir(os.path.join(self.path, sub)):
                out.append(os.path.join(self.path, sub, name))
        return out

    def messages(self):
        """{number: (path, flags, bytes)}"""
        out = {}
        for path in self.files():
            with open(path, "rb") as message:
                data = message.read()
            flags = set(path.rpartition(":2,")[2]) if ":2," in path else set()
            assert number_of(data) not in out, "twice: %s" % path
            out[number_of(data)] = (path, flags, data)
        return out

    def set_flags(self, path, flags):
        base = os.path.basename(path).partition(":2,")[0]
        os.rename(path, os.path.join(self.path, "cur", base + ":2," + "".join(sorted(flags))))
