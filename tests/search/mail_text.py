"""The search text of a message, read as docs/search.md says and as plainly as that can be written.

It shares nothing with src/mime: no ICU, another way to walk the parts (down through the message, not line by line
with a stack), whole strings instead of pieces. Where it has no answer of its own (bytes that mean nothing in their
multi-byte charset), it says why in Text.unsure.
"""

import base64
import re

import charsets
from html_text import html_text
from printed import BODY, HEADER, PART_HEADER, Span

PARTS_MAX, DEPTH_MAX = 1000, 32
HEADER_MAX, FIELDS_MAX, NAME_MAX, BOUNDARY_MAX, TOKEN_MAX = 1 << 20, 500000, 1000, 1000, 127
NAMES_MAX = 16
SPACE = b" \t\r\n"

FIELD_NAME = re.compile(rb"([!-9;-~]{1,%d})[ \t]*:" % NAME_MAX)
WORD = re.compile(rb"=\?([^?]{1,100})\?([BbQq])\?(.*?)\?=", re.S)
TYPE = re.compile(rb"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]*")
ENCODINGS = {
    b"": "identity", b"7bit": "identity", b"8bit": "identity", b"binary": "identity", b"7-bit": "identity",
    b"8-bit": "identity", b"base64": "base64", b"base-64": "base64", b"quoted-printable": "qp",
    b"x-uuencode": "uu", b"x-uue": "uu", b"uuencode": "uu",
}


class TooManyParts(Exception):
    pass


# ---- lines and fields


def line_body(line):
    return re.sub(rb"\r?\n\Z", b"", line)


class Part:
    """A header and what follows it. Fields are (name, value), name b"" for a line that is none."""

    def __init__(self, parent):
        self.parent = parent
        self.fields = []
        self.opaque = False
        self.kind = "text"
        self.encoding, self.charset, self.subtype, self.html = "identity", b"", b"plain", False
        self.body = b""
        self.boundary, self.closed = b"", False

    def field(self, name):
        return next((value for key, value in self.fields if key.lower() == name), None)


def unfold(value):
    value = re.sub(rb"[\r\n]+(?=[ \t])", b"", value.strip(SPACE))
    return re.sub(rb"[\r\n]+", b" ", value)


# ---- parameters (RFC 2045 5.1)


def skip_between(text, at, between=b" \t\r\n;\0"):
    """Behind white space, semicolons, NULs and comments."""
    while at < len(text):
        if text[at] in between:
            at += 1
        elif text[at:at + 1] == b"(":
            depth = 0
            while at < len(text):
                char = text[at:at + 1]
                if char == b"\\" and at + 1 < len(text):
                    at += 1
                elif char == b"(":
                    depth += 1
                elif char == b")":
                    depth -= 1
                at += 1
                if depth == 0:
                    break
        else:
            break
    return at


def read_value(text, at):
    """(value, where it ends)"""
    if text[at:at + 1] == b'"':
        inside = re.compile(rb'(?:\\.|[^"\\]|\\\Z)*', re.S).match(text, at + 1)
        value = re.sub(rb"\\(.)", rb"\1", inside.group(), flags=re.S)
        return re.sub(rb"[\r\n]", b"", value), inside.end() + 1
    plain = re.compile(rb'[^;="]*').match(text, at)
    if plain.end() < len(text) and text[plain.end()] in b'="':  # "a=b c=d": up to the space
        value = re.compile(rb"[^ \t\r\n]*").match(plain.group()).group()
        if len(value) == len(plain.group()):
            value = re.compile(rb"[^ \t\r\n;]*").match(text, at).group()
        return value, at + len(value)
    return plain.group().split(b"(", 1)[0].strip(SPACE), plain.end()


def parameters(text):
    """(what stands before them, [(name, value)])"""
    at = skip_between(text, 0)
    head = re.compile(rb"[^ \t\r\n;(=]*").match(text, at)
    if text[head.end():head.end() + 1] == b"=":
        first, at = b"", at
    else:
        first, at = head.group(), head.end()
    out = []
    while True:
        at = skip_between(text, at)
        if at >= len(text):
            return first, out
        name = re.compile(rb"[^\x00-\x20\x7f()<>@,;:\\\"\[\]?=]*").match(text, at)
        stop = re.compile(rb"[ \t\r\n]*").match(text, name.end()).end()
        if not name.group() or text[stop:stop + 1] != b"=":
            at = stop if name.group() else stop + 1
            continue
        value, at = read_value(text, re.compile(rb"[ \t\r\n]*").match(text, stop + 1).end())
        out.append((name.group(), value))


def type_of(raw):
    """Type and subtype in lower case; white space and comments may stand around the "/"."""
    main = TYPE.match(parameters(raw)[0]).group()
    at = skip_between(raw, 0) + len(main)
    slash = skip_between(raw, at, SPACE)
    if not parameters(raw)[0] or raw[slash:slash + 1] != b"/":
        return main.lower(), b""
    return main.lower(), TYPE.match(raw, skip_between(raw, slash + 1, SPACE)).group().lower()


def parameter(text, name):
    """As it stands, else in the pieces of RFC 2231."""
    plain = next((value for key, value in parameters(text)[1] if key.lower() == name), None)
    if plain is not None:
        return plain
    joined = [text for key, _, text in joined_pieces(text) if key == name]
    return joined[0].encode("utf-8", "surrogateescape") if joined else None


# ---- transfer encodings


def decode_base64(text, quads=re.compile(rb"[A-Za-z0-9+/]+")):
    """Each run up to '=' by itself; what is no base64 is passed over."""
    out = b""
    for run in text.split(b"="):
        digits = b"".join(quads.findall(run))
        if len(digits) % 4 == 1:
            digits = digits[:-1]
        out += base64.b64decode(digits + b"=" * (-len(digits) % 4))
    return out


def decode_qp(text):
    out = []
    for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", text):
        body = line_body(line)
        end = line[len(body):]
        body = body.rstrip(b" \t") if end or line == text[-len(line):] else body
        if body.endswith(b"="):
            body, end = body[:-1], b""
        out.append(re.sub(rb"=([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), body) + end)
    return b"".join(out)


def decode_uu(text):
    out, inside = [], False
    for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", text):
        line = line_body(line)
        if not inside:
            inside = line.startswith(b"begin ")
        elif line == b"end":
            inside = False
        elif line:
            want = (line[0] - 32) & 63
            bits = "".join("{:06b}".format((byte - 32) & 63) for byte in line[1:])
            bits += "0" * (-len(bits) % 24)
            out.append(bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))[:want])
    return b"".join(out)


DECODERS = {"identity": lambda text: text, "base64": decode_base64, "qp": decode_qp, "uu": decode_uu}


# ---- header text (RFC 2047, 2231)


def decode_q(text):
    text = text.replace(b"_", b" ")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), text)


def words_text(raw):
    line = unfold(raw)
    out, at, pending, label = [], 0, b"", None  # pending: bytes of the words of one charset in a row
    search = 0
    while True:
        word = WORD.search(line, search)
        if word is None:
            break
        if not charsets.is_known(word.group(1)):
            search = word.end()
            continue
        between = line[at:word.start()]
        if label is not None and between.strip(SPACE):
            out.append(charsets.decode(label, pending))
            pending, label = b"", None
        elif label is None:
            pass
        else:
            between = b""
        if between:
            out.append(charsets.guess(between))
        if label is not None and label.lower() != word.group(1).lower():
            out.append(charsets.decode(label, pending))
            pending = b""
        label = word.group(1)
        text = word.group(3)
        pending += decode_base64(text) if word.group(2) in b"Bb" else decode_q(text)
        at = search = word.end()
    if label is not None:
        out.append(charsets.decode(label, pending))
    if line[at:]:
        out.append(charsets.guess(line[at:]))
    return re.sub("[\r\n\t\0]", " ", "".join(out))


def joined_pieces(raw):
    """Of each parameter that is written as RFC 2231 has it (name*, name*0, name*0*): (name in lower case, as written, its text)."""
    order, pieces = [], {}
    for key, value in parameters(raw)[1]:
        match = re.fullmatch(rb"([^*]+)\*(?:(\d+)(\*?))?", key)
        if match is None:
            continue
        name, index = match.group(1).lower(), int(match.group(2) or 0)
        encoded = match.group(2) is None or match.group(3) == b"*"
        if index >= 256:
            continue
        if name not in pieces:
            if len(order) == NAMES_MAX:
                continue
            order.append((name, match.group(1)))
            pieces[name] = {}
        pieces[name].setdefault(index, (encoded, value))
    out = []
    for name, written in order:
        label, data, index = b"", b"", 0
        while index in pieces[name]:
            encoded, value = pieces[name][index]
            if index == 0 and encoded and value.count(b"'") >= 2:
                label, _, value = value.split(b"'", 2)
            if encoded:
                value = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), value)
            data, index = data + value, index + 1
        if index > 0:
            out.append((name, written, charsets.decode(label, data)))
    return out


def pieces_text(raw):
    """The same as text: "; name=its text"."""
    return "".join("; " + charsets.guess(written) + "=" + re.sub("[\r\n\t\0]", " ", text)
                   for _, written, text in joined_pieces(raw))


WITH_PARAMETERS = (b"content-type", b"content-disposition")


def field_text(name, value):
    return words_text(value) + (pieces_text(value) if name.lower() in WITH_PARAMETERS else "")


# ---- parts


class Walk:
    """Down through a message; every line is read once, by the part it belongs to."""

    def __init__(self, message, one_leaf):
        self.lines = re.findall(rb"[^\n]*\n|[^\n]+\Z", message)
        self.at = 0
        self.one_leaf = one_leaf
        self.parts = []
        self.n_fields = 0
        self.open = []  # multiparts around the line being read, outermost first
        self.entity(None, 0)

    def delimiter(self):
        """(multipart, is its last) if the next line delimits one that is open."""
        line = self.lines[self.at]
        if not line.startswith(b"--"):
            return None
        for part in reversed(self.open):
            if part.boundary and not part.closed and line.startswith(b"--" + part.boundary):
                rest = line[2 + len(part.boundary):].strip(SPACE)
                if rest in (b"", b"--"):
                    return part, rest == b"--"
        return None

    def ended(self):
        return self.at == len(self.lines) or self.delimiter() is not None

    def header(self, part):
        """True if a blank line ended it."""
        size = 0
        while not self.ended():
            line = self.lines[self.at]
            self.at += 1
            if not line_body(line):
                return True
            size += len(line)
            cut = size > HEADER_MAX or self.n_fields >= FIELDS_MAX
            if cut and part.opaque and part.fields or not cut and line[:1] in (b" ", b"\t") and part.fields:
                part.fields[-1] = (part.fields[-1][0], part.fields[-1][1] + line)
                continue
            part.opaque |= cut
            name = None if cut else FIELD_NAME.match(line)
            part.fields.append((name.group(1), line[name.end():]) if name else (b"", line))
            self.n_fields += 1
        return False

    def classify(self, part, deep):
        encoding = part.field(b"content-transfer-encoding")
        if encoding is not None:
            encoding = encoding[skip_between(encoding, 0, SPACE):]
            name = re.match(rb'"?([A-Za-z0-9-]*)', encoding)
            rest = encoding[name.end():]
            part.encoding = "unknown" if not name.group(1) and rest else ENCODINGS.get(name.group(1).lower(), "unknown")
        main, sub = b"text", b"plain"
        raw = part.field(b"content-type")
        if raw is None or not raw.strip(SPACE):
            if part.parent is not None and part.parent.kind == "multipart" and part.parent.subtype == b"digest":
                main, sub = b"message", b"rfc822"
        else:
            got_main, got_sub = type_of(raw)
            if 0 < len(got_main) <= TOKEN_MAX and 0 < len(got_sub) <= TOKEN_MAX:
                main, sub = got_main, got_sub
            elif got_main and got_main != b"text":
                main, sub = b"application", b"octet-stream"
            part.charset = parameter(raw, b"charset") or b""
        message = main == b"message" and sub in (b"rfc822", b"global")
        part.opaque |= (message or main == b"multipart") and deep
        part.subtype = sub
        if part.opaque:
            part.kind, part.charset, part.subtype = "opaque", b"", b""
        elif message:
            part.kind = "message" if part.encoding == "identity" else "leaf"
        elif main == b"multipart":
            part.kind = "multipart"
            boundary = (parameter(raw, b"boundary") or b"").strip(SPACE)
            part.boundary = boundary if len(boundary) <= BOUNDARY_MAX else b""
        else:
            part.kind = "text" if main in (b"text", b"message") else "leaf"
            part.html = main + b"/" + sub == b"text/html"

    def rest(self):
        """The lines up to the next delimiter, without the end of line that belongs to it."""
        start = self.at
        while not self.ended():
            self.at += 1
        text = b"".join(self.lines[start:self.at])
        return line_body(text) if self.at < len(self.lines) else text

    def entity(self, parent, depth):
        """A header and a body, up to a delimiter of a multipart around it or to the end."""
        if len(self.parts) == PARTS_MAX:
            raise TooManyParts
        part = Part(parent)
        self.parts.append(part)
        has_body = self.header(part)
        self.classify(part, self.one_leaf or depth >= DEPTH_MAX)
        if part.kind == "multipart":
            self.multipart(part, depth, has_body)
        elif part.kind == "message":
            self.entity(part, depth + 1)
        else:
            part.body = self.rest()

    def multipart(self, part, depth, has_body):
        """The delimiter that ended its header is not asked again, be it that of its own parts too."""
        n_before, start = len(self.parts), self.at
        self.open.append(part)
        self.rest()
        while has_body and self.at < len(self.lines):
            whose, last = self.delimiter()
            if whose is not part:
                break
            self.at += 1
            if last:
                part.closed = True
                self.rest()
            else:
                self.entity(part, depth + 1)
        self.open.pop()
        if len(self.parts) == n_before:  # no part began: all of it is one text/plain
            if len(self.parts) == PARTS_MAX:
                raise TooManyParts
            only = Part(part)
            only.body = b"".join(self.lines[start:self.at])
            if self.at < len(self.lines):
                only.body = line_body(only.body)
            self.parts.append(only)


def parts_of(message):
    try:
        return Walk(message, False).parts
    except TooManyParts:
        return Walk(message, True).parts


def sniff(head):
    match = re.search(rb"charset[ \t\r\n]*=[ \t\r\n]*[\"']?([A-Za-z0-9._:-]*)", head[:1024], re.I)
    label = match.group(1) if match else b""
    return b"" if label.lower().startswith((b"utf-16", b"unicode")) else label


def body_text(part):
    data = DECODERS.get(part.encoding, DECODERS["identity"])(part.body)
    label = part.charset
    if part.html and not label:
        label = sniff(data)
    text = charsets.decode(label, data)
    return html_text(text) if part.html else text


class Text:
    """spans as the server's digest has them; unsure: why some of them have no independent answer."""

    def __init__(self, message):
        self.spans, self.unsure = [], []
        for number, part in enumerate(parts_of(message)):
            kind = HEADER if number == 0 else PART_HEADER
            for name, value in part.fields:
                text = self.ask(field_text, name, value)
                before = name + b": " if name else b""
                self.spans.append(Span(kind, number, name, before + text, text))
            if part.kind in ("text", "opaque"):
                self.spans.append(Span(BODY, number, b"", self.ask(body_text, part), b""))

    def ask(self, function, *arguments):
        try:
            return function(*arguments).encode("utf-8", "replace")
        except charsets.Unsure as error:
            self.unsure.append((len(self.spans), str(error)))
            return b""
