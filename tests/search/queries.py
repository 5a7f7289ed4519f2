"""Search programs made from a seed, and what they find in the reference's texts.

    book = Book(uid -> message)       the reference's texts of all messages, casemapped
    query = Queries(book, seed).query()
    query.command()                   what to send behind UID SEARCH
    book.find(query.key)              the uids that must come back

A needle is mostly cut from the text of some message, anywhere, then often written otherwise: other case, composed or decomposed,
full width, other letters of one sound. Whether that still matches is the reference's to say.
"""

import datetime
import random
import re
import unicodedata

import printed
from casemap import casemap, casemap_bytes
from mail_text import Text
from mails import SCRIPTS
from printed import HEADER

FIELDS = (b"Subject", b"From", b"To", b"Cc", b"Bcc")
DAYS = [datetime.date(year, month, day) for year in (2024, 2025, 2026) for month in (1, 6, 11) for day in (1, 14, 28)]
QUERY_CHARSETS = ("ISO-8859-1", "ISO-8859-2", "ISO-8859-5", "ISO-8859-7", "ISO-8859-15", "WINDOWS-1251", "KOI8-R")
BORDER = b"\0"  # between spans: no needle holds it
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft")


def mapped(text):
    return casemap(text).encode()


class Mail:
    """One message as a search sees it."""

    def __init__(self, message, digest, day, flags):
        text = Text(message)
        left_out = {index for index, _ in text.unsure}
        self.unsure = len(left_out)
        if left_out and len(text.spans) != len(digest.spans):
            raise AssertionError("another number of spans")
        spans = [digest.spans[i] if i in left_out else span for i, span in enumerate(text.spans)]
        self.texts = [span.text.decode() for span in spans]
        whole = [(span, casemap_bytes(span.text)) for span in spans]
        self.cut = bool(digest.flags & printed.TEXT_CUT)
        if self.cut:
            raise AssertionError("no message here is too long for its text")
        self.text = BORDER.join(data for _, data in whole)
        self.body = BORDER.join(data for span, data in whole if span.kind != HEADER)
        self.fields = {}
        for span, _ in whole:
            if span.kind == HEADER:
                self.fields.setdefault(span.name.lower(), []).append(casemap_bytes(span.value))
        self.fields = {name: BORDER.join(values) for name, values in self.fields.items()}
        self.sent = digest.sent_day
        self.size, self.day, self.flags = len(message), day, flags


class Book:
    def __init__(self):
        self.mails = {}

    def add(self, messages, digests=None):
        """{uid: (message, day, flags)}"""
        uids = sorted(messages)
        digests = digests or printed.digests([messages[uid][0] for uid in uids])
        for uid, digest in zip(uids, digests):
            message, day, flags = messages[uid]
            self.mails[uid] = Mail(message, digest, day, flags)
        return self

    def without(self, uids):
        for uid in uids:
            del self.mails[uid]

    def find(self, key):
        return {uid for uid, mail in self.mails.items() if meets(key, uid, mail)}


def days(date):
    return (date - datetime.date(1970, 1, 1)).days


def meets(key, uid, mail):
    kind, *rest = key
    if kind == "AND":
        return all(meets(child, uid, mail) for child in rest)
    if kind == "OR":
        return any(meets(child, uid, mail) for child in rest)
    if kind == "NOT":
        return not meets(rest[0], uid, mail)
    if kind == "TEXT":
        return rest[0].form in mail.text
    if kind == "BODY":
        return rest[0].form in mail.body
    if kind == "HEADER":
        values = mail.fields.get(rest[0].lower())
        return values is not None and rest[1].form in values
    if kind == "ALL":
        return True
    if kind == "UID":
        return any(first <= uid <= last for first, last in rest[0])
    if kind == "FLAG":
        return (rest[0] in mail.flags) == rest[1]
    if kind in ("LARGER", "SMALLER"):
        return mail.size > rest[0] if kind == "LARGER" else mail.size < rest[0]
    day = mail.sent if kind.startswith("SENT") else mail.day
    if day is None:
        return False
    kind = kind.replace("SENT", "")
    return {"BEFORE": day < days(rest[0]), "ON": day == days(rest[0]), "SINCE": day >= days(rest[0])}[kind]


class Needle:
    def __init__(self, text):
        self.text = text
        self.form = mapped(text)

    def astring(self, charset):
        data = self.text.encode(charset)
        if re.fullmatch(rb"[ -~]{0,200}", data):
            return b'"' + re.sub(rb'(["\\])', rb"\\\1", data) + b'"'
        return b"{%d+}\r\n%s" % (len(data), data)


class Query:
    def __init__(self, key, charset):
        self.key, self.charset = key, charset

    def command(self):
        head = b"CHARSET %s " % self.charset.encode() if self.charset else b""
        return head + program(self.key, self.charset or "utf-8", True)

    def __str__(self):
        return repr(self.command())


def program(key, charset, top=False):
    kind, *rest = key
    if kind == "AND":
        inner = b" ".join(program(child, charset) for child in rest)
        return inner if top else b"(" + inner + b")"
    if kind in ("OR", "NOT"):
        return kind.encode() + b" " + b" ".join(program(child, charset) for child in rest)
    if kind in ("TEXT", "BODY"):
        return kind.encode() + b" " + rest[0].astring(charset)
    if kind == "HEADER":
        if rest[2]:  # by its own key
            return rest[0].upper() + b" " + rest[1].astring(charset)
        return b"HEADER " + rest[0] + b" " + rest[1].astring(charset)
    if kind == "UID":
        return b"UID " + b",".join(b"%d:%d" % pair for pair in rest[0])
    if kind == "FLAG":
        return (b"" if rest[1] else b"UN") + rest[0][1:].upper().encode()
    if kind in ("LARGER", "SMALLER"):
        return b"%s %d" % (kind.encode(), rest[0])
    if kind == "ALL":
        return b"ALL"
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    return ("%s %d-%s-%d" % (kind, rest[0].day, months[rest[0].month - 1], rest[0].year)).encode()


WAYS = {
    "as it is": lambda text: text,
    "upper": str.upper,
    "lower": str.lower,
    "swapped": str.swapcase,
    "title": str.title,
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "compatible": lambda text: unicodedata.normalize("NFKC", text),
    "taken apart": lambda text: unicodedata.normalize("NFKD", text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "without marks": lambda text: "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)),
    "other letters": lambda text: text.translate(OTHER),
    "by sound": lambda text: text.replace("ß", "ss").replace("ä", "ae").replace("ﬁ", "fi"),
    "unfolded": lambda text: re.sub(r"\s+", " ", text),
    "folded": lambda text: text.replace(" ", "\r\n ", 1),
    "one off": lambda text: text[:-1] + chr(ord(text[-1]) + 1) if text and text[-1] < "\ud7fe" else text,
    "mapped": casemap,
}
OTHER = str.maketrans("ıiİIςσſsKkÅåΩωµμ", "iıIİσςsſKKÅÅΩΩμµ")
LIKELY = ["as it is"] * 8 + list(WAYS)


class Queries:
    def __init__(self, book, seed):
        self.book, self.random = book, random.Random(seed)
        self.uids = sorted(book.mails)

    def a_text(self):
        """Of one span of one message, those with other than ASCII more often."""
        for _ in range(20):
            texts = self.book.mails[self.random.choice(self.uids)].texts
            text = self.random.choice(texts) if texts else ""
            if text and (not text.isascii() or self.random.random() < 0.3):
                return text
        return "a"

    def needle(self):
        rnd = self.random
        way = rnd.random()
        if way < 0.06:
            words = " ".join(SCRIPTS[rnd.choice(list(SCRIPTS))][0].split()[:rnd.randint(1, 3)])
            text = words + rnd.choice(("", "zqx", "é", "가"))
        elif way < 0.12:  # over the border of two spans
            texts = self.book.mails[rnd.choice(self.uids)].texts
            at = rnd.randrange(max(1, len(texts) - 1))
            text = "".join(texts[at:at + 1])[-rnd.randint(1, 8):] + "".join(texts[at + 1:at + 2])[:rnd.randint(1, 8)]
        elif way < 0.2:
            text = self.piece(rnd.randint(1, 2))
        else:
            text = self.piece(rnd.choice((3, 4, 5, 6, 8, 12, 20, 40)))
        text = WAYS[rnd.choice(LIKELY)](text)
        text = re.sub("[\0\ud800-\udfff]", "", text)
        return Needle(text)

    def piece(self, length):
        text = self.a_text()
        at = self.random.randrange(len(text))
        if self.random.random() < 0.5 and not text.isascii():  # where it is not ASCII
            at = self.random.choice([i for i, c in enumerate(text) if c > "\x7f"])
            at = max(0, at - self.random.randrange(length))
        return text[at:at + length]

    def leaf(self):
        rnd = self.random
        way = rnd.random()
        if way < 0.35:
            return "TEXT", self.needle()
        if way < 0.55:
            return "BODY", self.needle()
        if way < 0.8:
            return self.field_key()
        if way < 0.86:
            return "UID", [tuple(sorted((rnd.choice(self.uids), rnd.choice(self.uids)))) for _ in range(rnd.randint(1, 3))]
        if way < 0.93:
            return rnd.choice(("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE")), rnd.choice(DAYS)
        if way < 0.96:
            return rnd.choice(("LARGER", "SMALLER")), rnd.choice((500, 1000, 3000, 10000, 100000))
        return rnd.choice((("ALL",), ("FLAG", rnd.choice(FLAGS), rnd.random() < 0.5)))

    def field_key(self):
        """A key of the header, its needle mostly from such a field."""
        rnd = self.random
        mail = self.book.mails[rnd.choice(self.uids)]
        names = [name for name in mail.fields if re.fullmatch(rb"[!#$&'+-9;-Z^-z|~]+", name)]
        if not names or rnd.random() < 0.1:
            return "HEADER", rnd.choice((b"Subject", b"X-Nothing", b"Received")), rnd.choice((self.needle(), Needle(""))), False
        name = rnd.choice(names + [name.lower() for name in FIELDS if name.lower() in names] * 4)
        prefix = name.decode() + ": "
        texts = [text[len(prefix):] for text in mail.texts if text.lower().startswith(prefix)]
        if not texts or not texts[0] or rnd.random() < 0.3:
            needle = self.needle()
        else:
            at = rnd.randrange(len(texts[0]))
            needle = Needle(re.sub("\0", "", WAYS[rnd.choice(LIKELY)](texts[0][at:at + rnd.randint(1, 20)])))
        own_key = name.title() in FIELDS and rnd.random() < 0.7
        return "HEADER", name, needle, own_key

    def key(self, depth=0):
        rnd = self.random
        way = rnd.random()
        if way < (0.6 if depth == 0 else 0.8) or depth > 3:
            return self.leaf()
        if way < 0.85:
            return ("AND", *(self.key(depth + 1) for _ in range(rnd.randint(2, 3))))
        if way < 0.93:
            return "OR", self.key(depth + 1), self.key(depth + 1)
        return "NOT", self.key(depth + 1)

    def query(self):
        key = self.key()
        charset = None
        if self.random.random() < 0.15:
            charset = self.random.choice(QUERY_CHARSETS + ("UTF-8",))
            try:
                program(key, charset)
            except UnicodeEncodeError:
                charset = "UTF-8"
        return Query(key, charset)
