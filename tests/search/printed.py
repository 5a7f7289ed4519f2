"""What tests/search/print_text.c says: the server's own search text of messages, and its casemap."""

import collections
import os
import struct
import subprocess

PRINT_TEXT = os.environ.get("PRINT_TEXT")

Span = collections.namedtuple("Span", "kind part name text value")
Digest = collections.namedtuple("Digest", "flags sent_day spans")

HEADER, PART_HEADER, BODY = range(3)  # enum digest_span_kind
TEXT_CUT = 1 << 5  # enum digest_flag


def run(strings, *words):
    data = b"".join(struct.pack("<I", len(s)) + s for s in strings)
    return subprocess.run([PRINT_TEXT, *words], input=data, check=True, capture_output=True).stdout


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def bytes(self):
        n = self.number("I")
        self.at += n
        return self.data[self.at - n:self.at]


def digests(messages):
    cursor, out = Cursor(run(messages)), []
    for _ in messages:
        flags, has_sent, day, n = (cursor.number(form) for form in "IBiI")
        spans = [Span(cursor.number("B"), cursor.number("I"), cursor.bytes(), cursor.bytes(), cursor.bytes())
                 for _ in range(n)]
        out.append(Digest(flags, day if has_sent else None, spans))
    return out


def casemapped(strings):
    cursor = Cursor(run(strings, "casemap"))
    return [cursor.bytes() for _ in strings]
