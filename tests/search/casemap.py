"""i;unicode-casemap (RFC 5051 section 2), from UnicodeData.txt and nothing else.

Step 2a: the titlecase property of a character (field 14; empty: none). Step 2b: its decomposition of any type
(field 5, the tag in <> left out), again and again until nothing decomposes. UnicodeData.txt lists no Hangul
syllables; they decompose by the arithmetic of The Unicode Standard 3.12, since RFC 5051 calls the result
"effectively Normalization Form KD".
"""

UNICODE_DATA = "/usr/share/unicode/UnicodeData.txt"  # Debian's package unicode-data

HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
LEAD, VOWEL, TAIL = 0x1100, 0x1161, 0x11A7
N_VOWELS, N_TAILS = 21, 28


def read_unicode_data(path=UNICODE_DATA):
    """({character: its titlecase}, {character: its decomposition, one step})"""
    title, decomposition = {}, {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            fields = line.rstrip("\n").split(";")
            char = chr(int(fields[0], 16))
            if fields[14]:
                title[char] = chr(int(fields[14], 16))
            if fields[5]:
                codes = [word for word in fields[5].split() if not word.startswith("<")]
                decomposition[char] = "".join(chr(int(code, 16)) for code in codes)
    for code in range(HANGUL_FIRST, HANGUL_LAST + 1):
        index = code - HANGUL_FIRST
        tail = index % N_TAILS
        decomposition[chr(code)] = (chr(LEAD + index // (N_VOWELS * N_TAILS)) +
                                    chr(VOWEL + index // N_TAILS % N_VOWELS) +
                                    (chr(TAIL + tail) if tail else ""))
    return title, decomposition


TITLE, DECOMPOSITION = read_unicode_data()


def decompose(text):
    return "".join(decompose(DECOMPOSITION[char]) if char in DECOMPOSITION else char for char in text)


def casemap_char(char):
    return decompose(TITLE.get(char, char))


TABLE = {ord(char): casemap_char(char) for char in set(TITLE) | set(DECOMPOSITION)}


def casemap(text):
    """The prepared form, as characters."""
    return text.translate(TABLE)


def casemap_bytes(data):
    """The same of bytes that may hold what is no UTF-8: such bytes stay as they are."""
    return casemap(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
