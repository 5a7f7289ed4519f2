"""Every section of a message, asked for and compared with the others.

    walk(wire, numbers)     FETCHes all sections of these messages; gives every line that was answered
"""

import re

ITEMS_A_COMMAND = 100
ATOM = re.compile(rb'[^ ()"{~]+')
LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
QUOTED = re.compile(rb'"((?:[^"\\]|\\["\\])*)"')


def read_value(text, at):
    """(value, where it ends): lists, bytes; None for NIL."""
    stack = []
    while True:
        if text[at:at + 1] == b"(":
            stack.append([])
            at += 1
            continue
        if text[at:at + 1] == b")":
            value = stack.pop()
            at += 1
        elif text[at:at + 1] == b'"':
            match = QUOTED.match(text, at)
            value, at = re.sub(rb"\\(.)", rb"\1", match.group(1)), match.end()
        elif LITERAL.match(text, at):
            match = LITERAL.match(text, at)
            at = match.end() + int(match.group(1))
            value = text[match.end():at]
        else:
            match = ATOM.match(text, at)
            value, at = None if match.group().upper() == b"NIL" else match.group(), match.end()
        if not stack:
            return value, at
        stack[-1].append(value)
        if text[at:at + 1] == b" ":
            at += 1


def read_fetch(line):
    """{item: value} of a FETCH answer."""
    at = line.index(b"(") + 1
    out = {}
    while line[at:at + 1] != b")":
        name = re.compile(rb"[A-Z0-9.]+(?:\[[^\]]*\](?:<\d+>)?)?").match(line, at)
        value, at = read_value(line, name.end() + 1)
        assert name.group() not in out, "twice: %r" % name.group()
        out[name.group().decode("latin-1")] = value
        at += line[at:at + 1] == b" "
    assert at == len(line) - 1
    return out


def parts(body, path=""):
    """(path, body) of every part that has a number, in order."""
    todo = [(body, path, True)]
    while todo:
        body, path, is_message = todo.pop()
        if isinstance(body[0], list):
            if path and not is_message:
                yield path, body
            n = next(i for i, child in enumerate(body) if not isinstance(child, list))
            below = [(child, "%s%s%d" % (path, "." if path else "", i + 1), False)
                     for i, child in enumerate(body[:n])]
            todo += reversed(below)
            continue
        if is_message:
            path += ".1" if path else "1"
        yield path, body
        if is_rfc822(body):
            todo.append((body[8], path, True))


def is_rfc822(body):
    """With an envelope and a body; message/global has them in sessions of UTF8=ACCEPT or IMAP4rev2 only."""
    return not isinstance(body[0], list) and body[0].lower() == b"message" and \
        len(body) > 8 and isinstance(body[7], list) and isinstance(body[8], list)


def sections_of(found):
    """Sections that there are, those that there are not, and leaves, from parts()."""
    there, absent, leaves = ["", "HEADER", "TEXT"], ["99", "99.MIME", "1.99.HEADER", "99.1.TEXT"], []
    for path, body in found:
        there += [path, path + ".MIME"]
        if is_rfc822(body):
            there += [path + ".HEADER", path + ".TEXT"]
        elif not isinstance(body[0], list):
            leaves.append((path, body))
            if body[0].lower() != b"message":
                absent += [path + ".2", path + ".HEADER", path + ".TEXT"]
    return there, absent, leaves


def fields_of(there):
    for section in there:
        if section.endswith("HEADER"):
            yield section + ".FIELDS (FROM SUBJECT X-NOT-THERE)"
            yield section + ".FIELDS.NOT (FROM SUBJECT)"


class Walk:
    def __init__(self, wire):
        self.wire = wire
        self.lines = []
        self.refused = 0

    def fetch(self, number, items):
        """{item: value}; None if the content transfer encoding is not known (RFC 3516 4.3)."""
        out = {}
        for i in range(0, len(items), ITEMS_A_COMMAND):
            lines, tagged = self.wire.command("FETCH %d (%s)" % (number, " ".join(items[i:i + ITEMS_A_COMMAND])))
            self.lines += lines
            if tagged.startswith(b"NO [UNKNOWN-CTE]") and items[0].startswith("BINARY"):
                self.refused += 1
                return None
            assert tagged.startswith(b"OK"), "message %d, %s: %r" % (number, items, tagged)
            for line in lines:
                assert line.startswith(b"* %d FETCH (" % number), line[:100]
                out.update(read_fetch(line))
        return out

    def check(self, number):
        body = self.fetch(number, ["BODYSTRUCTURE"])["BODYSTRUCTURE"]
        there, absent, leaves = sections_of(list(parts(body)))
        fields = list(fields_of(there))
        got = self.fetch(number, ["BODY.PEEK[%s]" % section for section in there + absent + fields])
        values = {section: got["BODY[%s]" % section] for section in there + absent + fields}
        assert len(got) == len(set(there + absent + fields)), (number, sorted(got))
        for section in there:
            assert values[section] is not None, (number, section)
        for section in absent:
            assert not values[section], (number, section, values[section])
        for section in there:
            if section.endswith("HEADER"):
                self.check_message(number, section[:-6], values)
        for path, leaf in leaves:
            assert len(values[path]) == int(leaf[6]), (number, path, len(values[path]), leaf[6])
            self.check_binary(number, path)
        self.check_partials(number, there, values)

    def check_message(self, number, prefix, values):
        """Header and text are the whole; the fields asked for and the others are the header."""
        whole = values[prefix[:-1]]
        header = values[prefix + "HEADER"]
        assert header + values[prefix + "TEXT"] == whole, (number, prefix)
        some, rest = (values[prefix + "HEADER" + kind + " (FROM SUBJECT%s)" % extra]
                      for kind, extra in ((".FIELDS", " X-NOT-THERE"), (".FIELDS.NOT", "")))
        lines = sorted(line for line in header.split(b"\r\n") if line)
        assert set(lines) >= {line for line in (some + rest).split(b"\r\n") if line}, (number, prefix)
        assert not re.search(rb"(?im)^(?!from|subject)[!-9;-~]+[ \t]*:", some), (number, prefix, some)
        assert not re.search(rb"(?im)^(?:from|subject):", rest), (number, prefix, rest)

    def check_binary(self, number, path):
        got = self.fetch(number, ["BINARY.PEEK[%s]" % path, "BINARY.SIZE[%s]" % path,
                                  "BINARY.PEEK[%s]<1.7>" % path])
        if got is not None:
            data = got["BINARY[%s]" % path]
            assert len(data) == int(got["BINARY.SIZE[%s]" % path]), (number, path)
            assert got["BINARY[%s]<1>" % path] == data[1:8], (number, path)

    def check_partials(self, number, there, values):
        got = self.fetch(number, ["BODY.PEEK[%s]<%d.%d>" % (section, start, count) for section in there
                                  for start, count in ((0, 9), (3, 4096), (1 << 30, 1))])
        for section in there:
            for start, count in ((0, 9), (3, 4096), (1 << 30, 1)):
                assert got["BODY[%s]<%d>" % (section, start)] == values[section][start:start + count], \
                    (number, section, start)


def walk(wire, numbers):
    """(every line answered, how many leaves had an unknown encoding)"""
    asked = Walk(wire)
    for number in numbers:
        asked.check(number)
    return asked.lines, asked.refused
