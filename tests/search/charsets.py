"""Bytes of a named charset to characters, by Python's own tables, with the meanings of docs/search.md."""

import functools
import re


class Unsure(Exception):
    """Bytes that mean nothing in their charset, or a label this table lacks: no independent answer."""


UTF8_OR_LEGACY = {
    "", "us-ascii", "ascii", "us_ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown", "unknown", "default",
    "8bit", "7bit", "utf-8", "utf8", "utf_8", "unicode-1-1-utf-8",
}

UNKNOWN = {  # names of nothing, as seen in mail; a name that is in no list here is Unsure
    "invalid-charset", "unknown-charset", "none", "x-user-defined", "default_charset", "uft-8", "iso-4444-5",
    "ansi-x3.4-1968",
}

CODECS = {
    "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "iso_8859-1": "cp1252", "latin1": "cp1252",
    "windows-1252": "cp1252", "cp1252": "cp1252",
    "iso-8859-9": "cp1254", "windows-1254": "cp1254",
    "iso-8859-2": "iso8859-2", "iso-8859-3": "iso8859-3", "iso-8859-4": "iso8859-4", "iso-8859-5": "iso8859-5",
    "iso-8859-6": "iso8859-6", "iso-8859-7": "iso8859-7", "iso-8859-8": "iso8859-8", "iso-8859-10": "iso8859-10",
    "iso-8859-13": "iso8859-13", "iso-8859-14": "iso8859-14", "iso-8859-15": "iso8859-15",
    "iso-8859-8-i": "iso8859-8", "iso-8859-6-i": "iso8859-6",
    "windows-1250": "cp1250", "windows-1251": "cp1251", "windows-1253": "cp1253", "windows-1255": "cp1255",
    "windows-1256": "cp1256", "windows-1257": "cp1257", "windows-1258": "cp1258",
    "tis-620": "cp874", "iso-8859-11": "cp874", "windows-874": "cp874",
    "koi8-r": "koi8-r", "koi8-u": "koi8-u", "ibm850": "cp850", "cp-850": "cp850", "cp850": "cp850",
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030", "gb18030": "gb18030",
    "big5": "big5hkscs", "big5-hkscs": "big5hkscs",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ks_c_5601-1989": "cp949", "ksc5601": "cp949",
    "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932",
    "iso-2022-jp": "iso2022_jp_2", "iso-2022-jp-2": "iso2022_jp_2", "euc-jp": "euc_jp",
    "utf-16": "utf-16", "utf-16be": "utf-16-be", "utf-16le": "utf-16-le", "utf-7": "utf-7",
    "unicode-1-1-utf-7": "utf-7", "macintosh": "mac-roman", "x-mac-roman": "mac-roman",
}

# Where Python keeps to the first edition of a standard and the WHATWG's Encoding (as ICU) to what is meant.
MEANT = {
    "iso2022_jp_2": str.maketrans("\u301c\u2016\u2212\xa2\xa3\xac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2"),
    "euc_jp": str.maketrans("\u301c\u2016\u2212\xa2\xa3\xac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2"),
    "big5hkscs": str.maketrans("\u2022\uff64\u203e\u223c\u2641\u2609\uff0f\uff3c\xa5\xa2\xa3",
                               "\u2027\ufe51\xaf\uff5e\u2295\u2299\u2215\ufe68\uffe5\uffe0\uffe1"),
    "gb18030": {0xE7C7: "\u1e3f"},
}
# Where neither is right or wrong: characters added to HKSCS in 2004, bytes that one maker uses, escapes.
OPEN = {
    "big5hkscs": set("\xca\xea\u23da\u23db") | {chr(c) for r in ((0x31C0, 0x31D0), (0x9FA6, 0x9FB4)) for c in range(*r)},
    "cp932": set("\x80\uf8f0\uf8f1\uf8f2\uf8f3"),
    "iso2022_jp_2": set("\x0e\x0f\x1a\x1b"),
}

DOUBLE = re.compile(rb"\x1b\$(?:[@AB]|\([A-Z])([^\x1b]*)")
NO_SET = re.compile(rb"\x1b(?!\$[@AB]|\$\([CD]|\([BJ]|\.[AF]|N)")  # Python passes over some of these in silence


def clean(label):
    """A label without the quotes, spaces and language that stand around it in mail."""
    label = label.strip(b" \t\r\n").split(b"*", 1)[0]
    return label.lstrip(b"\"'").rstrip(b"\"';").strip(b" \t\r\n").decode("latin-1").lower()


def guess(data):
    """Text without a useful label."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return legacy(data, "cp1252")


@functools.lru_cache(None)
def table(codec):
    """Of each byte its character, or None."""
    out = []
    for byte in range(256):
        try:
            out.append(bytes([byte]).decode(codec))
        except UnicodeDecodeError:
            out.append(chr(byte) if byte < 0xA0 and codec.startswith(("cp125", "cp874")) else None)
    return out


def legacy(data, codec):
    """One byte, one character; a byte that a table of Windows lacks is the control of that number."""
    row = table(codec)
    chars = [row[byte] for byte in data]
    if None in chars:
        raise Unsure("byte %02x of %s" % (data[chars.index(None)], codec))
    return "".join(chars)


def is_single_byte(codec):
    return codec.startswith(("cp125", "cp874", "iso8859", "koi8", "cp850", "mac"))


def is_unknown(name):
    return name in UNKNOWN or re.fullmatch(r"[A-Za-z0-9_.:+-]*", name) is None


def is_known(label):
    label = clean(label)
    if label == "" or is_unknown(label):
        return False
    if label in UTF8_OR_LEGACY or label in CODECS:
        return True
    raise Unsure("label " + label)


def decode(label, data):
    name = clean(label)
    if name in UTF8_OR_LEGACY or is_unknown(name):
        return guess(data)
    codec = CODECS.get(name)
    if codec is None:
        raise Unsure("label " + name)
    if is_single_byte(codec):
        return legacy(data, codec)
    if codec.startswith("iso2022") and any(re.search(rb"[^!-~]", run) for run in DOUBLE.findall(data)):
        raise Unsure("single bytes among the double ones of " + codec)
    if codec.startswith("iso2022") and NO_SET.search(data):
        raise Unsure("an escape to no set of " + codec)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        raise Unsure("bytes that are no %s" % codec) from error
    if OPEN.get(codec, set()) & set(text):
        raise Unsure("characters that tables of %s differ in" % codec)
    return text.translate(MEANT.get(codec, {}))
