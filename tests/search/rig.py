"""A server filled with messages, asked by IMAP, compared with the book of the reference."""

import os
import re

from queries import DAYS, FLAGS, days
from roost_server import wait_for

APPEND_BATCH_BYTES = 4 << 20
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


INDEX_KIND = 1  # docs/formats/derived.md


class Difference(AssertionError):
    pass


def derived(server, kind=INDEX_KIND):
    """[(path, account, first body id, one behind the last)] of the blobs that are there."""
    top, out = os.path.join(server.data, "mail/derived"), []
    for account in os.listdir(top) if os.path.isdir(top) else []:
        for name in os.listdir(os.path.join(top, account)):
            match = re.fullmatch("([0-9a-f]{8})-([0-9a-f]{16})-([0-9a-f]{16})", name)
            if match is not None and int(match.group(1), 16) == kind:
                out.append((os.path.join(top, account, name), account, int(match.group(2), 16), int(match.group(3), 16)))
    return sorted(out, key=lambda row: row[1:])


def wait_for_index(server, bodies):
    """Until an account's first so many bodies are all in segments."""
    def is_there():
        ends = {}
        for _, account, first, end in derived(server):
            if first <= ends.get(account, 1):
                ends[account] = max(end, ends.get(account, 1))
        return any(end > bodies for end in ends.values())

    wait_for(is_there, lambda: "an index of %d bodies: %r" % (bodies, derived(server)))


def arguments(message, date, flags):
    """Flags, date and literal of one message of an APPEND."""
    form = b"~{%d+}\r\n" if b"\0" in message else b"{%d+}\r\n"
    stamp = "(%s) \"%2d-%s-%d 12:00:00 +0000\" " % (" ".join(sorted(flags)), date.day, MONTHS[date.month - 1], date.year)
    return b" " + stamp.encode() + form % len(message) + message


def dated(messages, rnd):
    """[(message, date, flags)]"""
    return [(message, rnd.choice(DAYS), frozenset(flag for flag in FLAGS if rnd.random() < 0.3)) for message in messages]


def append(wire, mailbox, rows):
    """MULTIAPPEND in batches; gives {uid: (message, day, flags)} as Book.add wants it."""
    out, batch, size = {}, [], 0
    for row in list(rows) + [None]:
        if batch and (row is None or size > APPEND_BATCH_BYTES or len(batch) == 500):
            _, tagged = wire.command(b"APPEND %s%s" % (mailbox.encode(), b"".join(arguments(*one) for one in batch)))
            code = re.match(rb"OK \[APPENDUID \d+ (\d+)(?::(\d+))?\]", tagged)
            if code is None:
                raise AssertionError("APPEND: %r" % tagged[:200])
            first = int(code.group(1))
            for uid, (message, date, flags) in enumerate(batch, first):
                out[uid] = message, days(date), flags
            if int(code.group(2) or first) != first + len(batch) - 1:
                raise AssertionError("APPEND: %r" % tagged[:200])
            batch, size = [], 0
        if row is not None:
            batch.append(row)
            size += len(row[0])
    return out


def numbers(text):
    """The uids of a sequence-set."""
    out = set()
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        out |= set(range(int(first), int(last or first) + 1))
    return out


def search(wire, query, form=0):
    """The uids found; form 0 is SEARCH, 1 ESEARCH."""
    head = b"UID SEARCH " if form == 0 else b"UID SEARCH RETURN (ALL) "
    untagged, tagged = wire.command(head + query.command())
    if not tagged.startswith(b"OK"):
        raise Difference("%s: %r" % (query, tagged[:200]))
    for line in untagged:
        if line.startswith(b"* SEARCH"):
            return {int(word) for word in line.split()[2:]}
        match = re.match(rb"\* ESEARCH \(TAG [^)]*\) UID(?: ALL ([0-9:,]+))?", line)
        if match is not None:
            return numbers(match.group(1)) if match.group(1) else set()
    raise Difference("%s: no answer in %r" % (query, untagged[:3]))


def compare(wanted, got, query, what=""):
    if got != wanted:
        raise Difference("%s%s\n  must be found: %s\n  must not: %s" % (
            what, query, sorted(wanted - got)[:20], sorted(got - wanted)[:20]))


def appender(server, user):
    """A connection that may append messages with UTF-8 headers (RFC 9755); CHARSET is refused on it."""
    wire = server.wire(user, tls=False)
    wire.ok("ENABLE UTF8=ACCEPT")
    return wire
