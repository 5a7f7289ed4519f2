"""The text of HTML as docs/search.md defines it, over the whole text with regular expressions."""

import re
from html.entities import name2codepoint

BLOCKS = set("""address article aside blockquote body br caption center dd details dir div dl dt fieldset figcaption
figure footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol option p pre section summary table
tbody td tfoot th thead title tr ul""".split())
HIDDEN = {"script", "style", "xml"}
SPACE = " \t\r\n\f"
BREAK = object()

NAME = r"[A-Za-z][A-Za-z0-9:-]*"
REST = r"""(?:=[ \t\r\n]*(?:"[^"]*"|'[^']*'|(?=>)|[^"'> \t\r\n])|[^=>])*>"""
TOKEN = re.compile(r"""
    (?P<comment> <[!?]--.*?(?:-->|\Z) )
  | (?P<declaration> <[!?][^>]*(?:>|\Z) )
  | (?P<tag> <(?P<end>/?)(?P<name>%s)(?:%s|(?P<open>.*\Z)) )
  | (?P<reference> &(?P<ref>\#[xX][0-9A-Fa-f]{1,30}|\#[0-9]{1,31}|[A-Za-z0-9]{1,32}) )
  | (?P<plain> [^<&]+ | [<&] )
""" % (NAME, REST), re.X | re.S)


def character(ref):
    """What a reference stands for, or None."""
    if not ref.startswith("#"):
        return "'" if ref == "apos" else chr(name2codepoint[ref]) if ref in name2codepoint else None
    code = int(ref[2:], 16) if ref[1] in "xX" else int(ref[1:])
    if 0x80 <= code < 0xA0:  # what people mean who write these
        try:
            return bytes([code]).decode("cp1252")
        except UnicodeDecodeError:
            return chr(code)
    return "\ufffd" if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000 else chr(code)


def pieces(html):
    """Strings, and BREAK where a line ends."""
    at = 0
    while at < len(html):
        token = TOKEN.match(html, at)
        at = token.end()
        if token["tag"]:
            if token["open"] is not None:
                return
            name = token["name"].lower()
            if name in BLOCKS:
                yield BREAK
            if name in HIDDEN and not token["end"]:
                close = re.compile(r"</%s(?![A-Za-z0-9:-])" % name, re.I).search(html, at)
                end = close and re.compile(REST, re.S).match(html, close.end())
                if not end:
                    return
                at = end.end()
        elif token["reference"]:
            char = character(token["ref"])
            if char is None:
                yield token["reference"]
            else:
                yield char
                at += html.startswith(";", at)
        elif token["plain"]:
            yield token["plain"]


def html_text(html):
    out, gap = [], None
    for piece in pieces(html):
        if piece is BREAK:
            gap = "\n"
            continue
        for part in re.findall(r"[ \t\r\n\f]+|[^ \t\r\n\f]+", piece):
            if part[0] in SPACE:
                gap = gap or " "
                continue
            if gap is not None and out:
                out.append(gap)
            gap = None
            out.append(part)
    return "".join(out)
