#!/usr/bin/env python3
"""Plays the transcripts of one session against two servers and prints where their answers mean different things.

    compare.py --users PATTERN --password WORD HOST:PORT HOST:PORT [FILE.imap...]

Plaintext IMAP. Each transcript has a user of its own on both, PATTERN % its number, who has nothing but INBOX.
docs/compared.md has what came out with Dovecot, and who is right. What a transcript expects is not looked
at: only what both say. Numbers and ids that a server chooses, human text and the order of untagged answers
make no difference.
"""

import argparse
import glob
import os
import re
import select
import socket
import sys

DEADLINE_SEC = 10
AFTER_BAD_SEC = 1
LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
CHOSEN = re.compile(  # values that are a server's own
    rb"((?:UIDVALIDITY|HIGHESTMODSEQ|APPENDUID|COPYUID|MODSEQ|MAILBOXID|EMAILID|THREADID|SAVEDATE|INTERNALDATE) ?)"
    rb"(\([^)]*\)|\"[^\"]*\"|\d+(?: [\d:,]+)*)", re.I)


class Session:
    def __init__(self, address, user, password):
        host, _, port = address.rpartition(":")
        self.sock = socket.create_connection((host, int(port)), timeout=DEADLINE_SEC)
        self.file = self.sock.makefile("rb")
        self.line()
        if not self.ask(b"login LOGIN %s %s" % (user.encode(), password.encode()))[-1].startswith(b"login OK"):
            raise SystemExit("%s refuses %s" % (address, user))

    def line(self):
        out = b""
        while True:
            part = self.file.readline()
            if not part.endswith(b"\n"):
                raise ConnectionError("closed")
            out += part
            literal = LITERAL.search(part)
            if literal is None:
                return out.rstrip(b"\r\n")
            out += self.file.read(int(literal.group(1)))

    def ask(self, command):
        """Every line up to the tagged one, to a continuation request, or to a BAD that no tagged one follows."""
        self.sock.sendall(command + b"\r\n")
        ends = (command.split(b" ")[0] + b" ", b"+")
        out = []
        while not out or not out[-1].startswith(ends):
            if out and out[-1].startswith(b"* BAD") and not select.select([self.sock], [], [], AFTER_BAD_SEC)[0]:
                break
            out.append(self.line())
        return out


def messages(number):
    """As run_transcripts.c makes them."""
    return (b"From: Fred Foobar <foobar@example.com>\r\nTo: mooch@example.com\r\n"
            b"Date: Mon, %d Feb 1994 21:52:25 -0800\r\nSubject: message %d\r\n"
            b"Message-ID: <%d@example.com>\r\n\r\nHello Joe\r\n" % (number % 28 + 1, number, number) +
            (b"x" * 98 + b"\r\n") * number)


def set_up(session, clause, it):
    """Gives the mailbox named last; None: not understood."""
    words = clause.split()
    if "holds" in words or "exists" in words:
        it = words[0]
        session.ask(b's CREATE "%s"' % it.encode())
        for number in range(1, int(words[2]) + 1 if "holds" in words else 1):
            message = messages(number)
            session.ask(b'setup APPEND "%s" {%d+}\r\n%s' % (it.encode(), len(message), message))
        return it
    if words[0] == "A" and words[1] == "has":
        it = it if words[2] == "it" else words[2]
        verb = b"EXAMINE" if words[3] == "examined" else b"SELECT"
        session.ask(b'setup %s "%s"' % (verb, it.encode()))
        return it
    if words[0] == "A" and words[1] == "speaks":
        session.ask(b"setup ENABLE " + " ".join(words[2:]).encode())
        return it
    return None


def meaning(line):
    """What two servers must agree in."""
    line = CHOSEN.sub(lambda match: match.group(1) + b"?", line)
    # A literal and a quoted string are the same.
    line = re.sub(rb"\{(\d+)\}\r\n", rb"", line).replace(b'"', b"")
    status = re.match(rb"(\S+) (OK|NO|BAD|PREAUTH|BYE)\b(?: \[([^\]]*)\])?", line, re.I)
    if status:
        code = (status.group(3) or b"").split(b" ")[0]
        return b" ".join([status.group(1), status.group(2).upper(), code.upper()]).strip()
    head, _, rest = line.partition(b"(")
    return head.upper() + b" ".join(sorted(rest.upper().replace(b"(", b" ").replace(b")", b" ").split()))


def is_playable(text):
    """One session, commands in lines or with a data block, and plain text to the end."""
    text = re.sub(r"^data .*?^end$", "", text, flags=re.M | re.S)
    return not re.search(r"^(?:A[&!+]|[B-Z][:&!+~<]|A: \S+ COMPRESS )", text, flags=re.M)


def answers_to(session, command):
    """Sorted meanings; what ends the session is the last of them."""
    try:
        return sorted(meaning(answer) for answer in session.ask(command)), True
    except (ConnectionError, TimeoutError) as error:
        return [b"session ends: " + str(error).encode()], False


def play(session, text):
    """[(command, sorted meanings)], or None if it is not for one session or needs what only run_transcripts has."""
    if not is_playable(text):
        return None
    blocks, out, it, data = {}, [], "INBOX", None
    for line in text.split("\n"):
        if data is not None:
            if line == "end":
                data = None
            else:
                blocks[data] += line[2:].encode() + b"\r\n"
        elif line.startswith("data "):
            data = line[5:].strip()
            blocks[data] = b""
        elif line.startswith("setup:"):
            for clause in line[6:].split(";"):
                it = set_up(session, clause.strip(), it)
                if it is None:
                    return None
        elif re.match(r"A: ", line):
            command = line[3:].encode()
            for name, block in blocks.items():
                command = command.replace(b"<%s>" % name.encode(), b"{%d+}\r\n%s" % (len(block), block))
            if re.search(rb"\{[a-z]\w*\}", command):
                return None
            said, goes_on = answers_to(session, command)
            out.append((line[3:], said))
            if not goes_on:
                break
    return out


def compare(path, addresses, user, password):
    """(could it be played, lines that tell the differences)"""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    said = []
    for address in addresses:
        said.append(play(Session(address, user, password), text))
        if said[-1] is None:
            return False, []
    out = []
    for (command, first), (_, second) in zip(*said):
        if first != second:
            out.append(command)
            out += ["  first only:  " + line.decode(errors="replace")[:300] for line in first if line not in second]
            out += ["  second only: " + line.decode(errors="replace")[:300] for line in second if line not in first]
    return True, out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    files = options.files or sorted(glob.glob(os.path.join(here, "*/*.imap")))
    played = differ = 0
    for number, path in enumerate(files, 1):
        could, lines = compare(path, (options.first, options.second), options.users % number, options.password)
        played += could
        if lines:
            differ += 1
            print("\n".join([os.path.relpath(path, here)] + ["  " + line for line in lines]), flush=True)
    print("%d of %d transcripts played, %d differ" % (played, len(files), differ))
    return 0


if __name__ == "__main__":
    sys.exit(main())
