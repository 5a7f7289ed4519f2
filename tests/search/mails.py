"""Mail in many scripts, the same for the same seed: what people write, and what breaks readers of it.

    Mails(seed).message()    one message, with CRLF line ends (mostly)

Texts are cut at any place into folded lines and encoded-words, also where the standards forbid it, sent in charsets that have
them, nested, attached, named by RFC 2231. One message in eight is damaged at random afterwards.
"""

import base64
import quopri
import random
import re
import unicodedata

SCRIPTS = {
    "latin": ("Grüße Straße Ärger über Öl naïve façade señor coração Łódź žluťoučký kůň Århus smørrebrød "
              "Œuvre Ĳsselmeer ŉ ǆ ǅ Ǆ ﬁn oﬃce Ⅷ Å Ω K", ["iso-8859-1", "iso-8859-15", "windows-1252"]),
    "turkish": ("Iğdır ışık İstanbul istanbul DIŞ dış İıIi şeker", ["iso-8859-9", "windows-1254"]),
    "polish": ("zażółć gęślą jaźń Żubr ŁÓDŹ", ["iso-8859-2", "windows-1250"]),
    "vietnamese": ("Tiếng Việt Nguyễn đường phố Ằ ằ", ["windows-1258"]),
    "greek": ("Ὀδυσσεύς ΟΔΥΣΣΕΥΣ σοφός ΣΟΦΟΣ ᾳ ᾼ ᾠδή ἀγορά ΐ ΰ", ["iso-8859-7"]),
    "cyrillic": ("Привет мир ёлка Ёлка їжак Україна СЛАВА слава Ѳ ѳ йод й", ["koi8-r", "windows-1251", "iso-8859-5"]),
    "arabic": ("السلام عليكم مُحَمَّد كتاب ﻻ ﷺ ﷲ لا إله أحمد", ["windows-1256", "iso-8859-6"]),
    "hebrew": ("שלום עולם שָׁלוֹם ﬡ יִ", ["windows-1255", "iso-8859-8"]),
    "indic": ("नमस्ते दुनिया क़ क़ हिन्दी தமிழ் বাংলা ড়", []),
    "thai": ("สวัสดีชาวโลก น้ำ นํ้า ภาษาไทย", ["tis-620"]),
    "chinese": ("你好世界 電子郵件 电子邮件 會議 会议 㐀 𠀀𠮷 豈 金", ["gb2312", "gb18030", "big5"]),
    "japanese": ("こんにちは 世界 カタカナ ｶﾀｶﾅ ガ ガ ﾊﾟ 株式会社 ㍿ ㌔ 会議", ["iso-2022-jp", "shift_jis", "euc-jp"]),
    "korean": ("안녕하세요 세계 한글 각 가 ᄒᆞᆫ글 ㄱ ㈜", ["euc-kr", "ks_c_5601-1987"]),
    "emoji": ("😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ 🧑🏿‍🚀 ✈ 1️⃣ ☎", []),
    "odd": ("Ａｂｃ １２３ 𝒜𝓫𝔠 ⓐⓑ ½ ² ™ № … ‐ é́̂ Ǻ ẛ̣ ᲀ ა Ა Ꭰ ꭰ 𐐨𐐀 ԱԲ և ͅ ẞ ǰ", []),
    "plain": ("Hello world meeting tomorrow invoice 2026 budget foo-bar don't x=1 <tag> a&b =?utf-8? 100%", []),
}
DECOMPOSING = ("NFC", "NFC", "NFC", "NFD", "NFKC")
HOSTS = ("example.org", "mail.example.com", "bücher.example", "пример.example")
LABELS_OF_NOTHING = ("us-ascii", "", "unknown-8bit", "iso-4444-5", '"utf-8"')


class Mails:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.n = 0

    # ---- words

    def words(self, least=1, most=8):
        """(text, charset that has all of it)"""
        rnd = self.random
        text, charsets = SCRIPTS[rnd.choice(list(SCRIPTS))]
        words = text.split() + ["a", "I", "re:", "the", "2026"]
        text = unicodedata.normalize(rnd.choice(DECOMPOSING),
                                     " ".join(rnd.choice(words) for _ in range(rnd.randint(least, most))))
        if rnd.random() < 0.2:
            text = rnd.choice((str.upper, str.lower, str.title, str.swapcase))(text)
        for charset in rnd.sample(charsets, len(charsets)):
            if self.can(charset, text):
                return text, charset
        return text, "utf-8"

    @staticmethod
    def codec(charset):
        return {"tis-620": "cp874", "ks_c_5601-1987": "cp949", "gb2312": "gb18030"}.get(charset, charset)

    def can(self, charset, text):
        try:
            text.encode(self.codec(charset))
            return True
        except UnicodeEncodeError:
            return False

    # ---- headers

    def encoded_word(self, charset, data):
        rnd = self.random
        label = rnd.choice((charset, charset.upper(), charset + "*en")).encode()
        if rnd.random() < 0.5:
            return b"=?%s?%s?%s?=" % (label, rnd.choice((b"B", b"b")), base64.b64encode(data))
        safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        text = b"".join(bytes([c]) if c in safe else b"_" if c == 32 else b"=%02X" % c for c in data)
        return b"=?%s?%s?%s?=" % (label, rnd.choice((b"Q", b"q")), text)

    def cut(self, data, pieces):
        places = sorted(self.random.sample(range(1, len(data)), min(pieces - 1, len(data) - 1)))
        return [data[i:j] for i, j in zip([0] + places, places + [len(data)])]

    def encoded_words(self, text, charset):
        """Words of one text, cut between characters or, for codecs without states, anywhere."""
        rnd = self.random
        pieces = self.cut(text, rnd.randint(1, 4)) if len(text) > 1 else [text]
        encoded = [piece.encode(self.codec(charset)) for piece in pieces]
        if rnd.random() < 0.2 and not charset.startswith("iso-2022"):
            data = b"".join(encoded)
            encoded = self.cut(data, rnd.randint(1, 4)) if len(data) > 1 else [data]
        if rnd.random() < 0.1:
            charset = "utf-8" if charset != "utf-8" and not charset.startswith("iso-2022") else charset
        between = rnd.choice((b" ", b"\r\n ", b"\r\n\t", b"  "))
        return between.join(self.encoded_word(charset, piece) for piece in encoded)

    def header_text(self, least=1, most=8):
        rnd = self.random
        out = []
        for _ in range(rnd.randint(1, 3)):
            text, charset = self.words(least, most)
            way = rnd.random()
            if text.isascii() and way < 0.8:
                out.append(text.encode())
            elif way < 0.8:
                out.append(self.encoded_words(text, charset))
            elif way < 0.95:
                out.append(text.encode())
            else:
                out.append(text.encode(self.codec(charset)))
        line = rnd.choice((b" ", b"\r\n ", b"\r\n\t", b" ", b"")).join(out)
        if rnd.random() < 0.3:
            line = re.sub(rb" (?=[^ \t\r\n])", lambda m: rnd.choice((b" ", b"\r\n ", b"\r\n\t")), line)
        return line

    def address(self):
        name = self.header_text(1, 3)
        if b"=?" not in name and self.random.random() < 0.5:
            name = b'"' + name.replace(b'"', b"") + b'"'
        return name + b" <u%d@%s>" % (self.random.randrange(50), self.random.choice(HOSTS).encode())

    def date(self):
        rnd = self.random
        return b"%s, %d %s %d %02d:%02d:%02d %+03d00" % (
            rnd.choice((b"Mon", b"Fri")), rnd.randint(1, 28), rnd.choice((b"Jan", b"Jun", b"Nov")),
            rnd.randint(2024, 2026), rnd.randrange(24), rnd.randrange(60), rnd.randrange(60), rnd.randint(-11, 11))

    def header(self):
        rnd = self.random
        self.n += 1
        fields = [b"From: " + self.address(), b"Subject: " + self.header_text(), b"Date: " + self.date(),
                  b"Message-ID: <%d.%d@example.org>" % (self.n, rnd.randrange(1 << 30))]
        for name in (b"To", b"Cc", b"Bcc", b"Reply-To"):
            if rnd.random() < 0.4:
                fields.append(name + b": " + b",\r\n ".join(self.address() for _ in range(rnd.randint(1, 3))))
        for name in (b"X-Note", b"List-Id", b"Comments", b"x-note", b"Organization"):
            if rnd.random() < 0.3:
                fields.append(name + rnd.choice((b": ", b":", b" : ")) + self.header_text())
        if rnd.random() < 0.05:
            fields.append(b"a line that is no field")
        rnd.shuffle(fields)
        return b"".join(field + b"\r\n" for field in fields)

    # ---- bodies

    def paragraph(self):
        rnd = self.random
        lines, charset = [], None
        for _ in range(rnd.randint(1, 12)):
            text, has = self.words(2, 12)
            if charset is None:
                charset = has
            if self.can(charset, text):
                lines.append(text)
        return "\r\n".join(lines) + rnd.choice(("\r\n", "", " \r\n\r\n")), charset or "utf-8"

    def html(self):
        rnd = self.random
        text, charset = self.paragraph()
        out = []
        for word in re.findall(r"\s+|\S+", text):
            word = word.replace("&", "&amp;").replace("<", rnd.choice(("&lt;", "&lt;", "<")))
            if rnd.random() < 0.1 and not word.isascii():
                word = "".join("&#%d;" % ord(c) if rnd.random() < 0.5 else "&#x%x;" % ord(c) for c in word)
            out.append(rnd.choice(("%s", "%s", "%s", "%s", "<b>%s</b>", "<p class='a>b'>%s</p>", "%s<br>\r\n", "<i>%s",
                                   "%s&nbsp;", "<!-- %s -->", "<td>%s</TD>", "<a href=\"http://x/?a=1&b=2\">%s</a>",
                                   "<script>if (a<b) x = '%s';</script>", "%s &eacute;&rarr;&#146;")) % word)
        body = "".join(out)
        if rnd.random() < 0.2:
            body = "<html><head><meta charset=%s><title>t</title></head>\r\n<body>%s</body></html>" % (charset, body)
        return body, charset

    def encode(self, data):
        rnd = self.random
        way = rnd.random()
        if way < 0.35:
            return b"quoted-printable", re.sub(rb"(?<!\r)\n", b"\r\n", quopri.encodestring(data.replace(b"\r\n", b"\n")))
        if way < 0.6:
            return b"base64", base64.encodebytes(data).replace(b"\n", b"\r\n")
        return rnd.choice((b"7bit", b"8bit", b"binary", b"")), data

    def text_part(self, subtype=None):
        rnd = self.random
        subtype = subtype or rnd.choice((b"plain", b"plain", b"html", b"calendar"))
        text, charset = self.html() if subtype == b"html" else self.paragraph()
        if not self.can(charset, text):
            charset = "utf-8"
        encoding, data = self.encode(text.encode(self.codec(charset)))
        label = charset if rnd.random() < 0.85 or charset.startswith("iso-2022") else rnd.choice(LABELS_OF_NOTHING)
        head = b"Content-Type: text/" + subtype
        if label:
            head += rnd.choice((b"; charset=%s", b";\r\n\tcharset=\"%s\"", b"; format=flowed; Charset = %s")) % label.encode()
        head += b"\r\n"
        if encoding:
            head += b"Content-Transfer-Encoding: " + encoding + b"\r\n"
        return head, data

    def file_name(self):
        """Of a Content-Disposition, written in one of the ways that are."""
        rnd = self.random
        text, charset = self.words(1, 3)
        way = rnd.random()
        if way < 0.4:
            data = "".join("%%%02X" % byte for byte in text.encode(self.codec(charset))).encode()
            return b"filename*=%s''%s" % (charset.encode(), data)
        if way < 0.7:
            pieces = self.cut(text, 3) if len(text) > 1 else [text]
            out = []
            for i, piece in enumerate(pieces):
                data = "".join("%%%02x" % byte for byte in piece.encode()).encode()
                out.append(b"filename*%d*=%s%s" % (i, b"utf-8'en'" if i == 0 else b"", data))
            rnd.shuffle(out)
            return b";\r\n ".join(out)
        return b'filename="%s"' % self.encoded_words(text, charset).replace(b"\r\n", b"")

    def part(self, depth):
        """(its fields, its body)"""
        rnd = self.random
        way = rnd.random()
        if depth > 3 or way < 0.6:
            return self.text_part()
        if way < 0.75:
            kind = rnd.choice((b"mixed", b"alternative", b"related", b"digest", b"report"))
            boundary = b"=_%d-%d" % (depth, rnd.randrange(1000))
            body = rnd.choice((b"", b"a preamble that nobody reads\r\n"))
            for _ in range(rnd.randint(1, 3)):
                fields, inner = self.part(depth + 1)
                body += b"--" + boundary + b"\r\n" + fields + b"\r\n" + inner + b"\r\n"
            if rnd.random() < 0.9:
                body += b"--" + boundary + b"--\r\n" + rnd.choice((b"", b"an epilogue\r\n"))
            return b'Content-Type: multipart/%s; boundary="%s"\r\n' % (kind, boundary), body
        if way < 0.85:
            return b"Content-Type: message/rfc822\r\n", self.whole(depth + 1)
        if way < 0.9:
            return (b"Content-Type: message/delivery-status\r\n",
                    b"Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; u1@example.org\r\n")
        head = (b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
                b"Content-Disposition: attachment; " + self.file_name() + b"\r\n")
        return head, base64.encodebytes(rnd.randbytes(60)).replace(b"\n", b"\r\n")

    def whole(self, depth):
        fields, body = self.part(depth)
        return self.header() + rnd_version(self.random) + fields + b"\r\n" + body

    def message(self):
        rnd = self.random
        data = self.whole(0)
        if rnd.random() < 0.05:
            data = data.replace(b"\r\n", b"\n")
        if rnd.random() < 0.125:
            data = self.damage(data)
        return data

    def damage(self, data):
        rnd = self.random
        for _ in range(rnd.randint(1, 6)):
            if not data:
                break
            at = rnd.randrange(len(data))
            way = rnd.random()
            if way < 0.3:
                data = data[:at] + rnd.choice((b"\r\n", b"=", b"?=", b"\"", b"--", b";", b"<", b"&", b" ", b"(", b"\xff", b"\0")) + data[at:]
            elif way < 0.6:
                data = data[:at] + data[at + rnd.randint(1, 20):]
            elif way < 0.8:
                other = rnd.randrange(len(data))
                data = data[:at] + data[other:other + rnd.randint(1, 200)] + data[at:]
            else:
                data = data[:max(at, 200)]
        return data


def rnd_version(rnd):
    return b"MIME-Version: 1.0\r\n" if rnd.random() < 0.9 else b""
