"""A folder of real mail, taken apart by a reader that shares nothing with the server's but the formats.

ROOST_CORPUS names the folder, or it lies as shared/corpus beside the checkout. In it: NAME.mbox.zst, NAME.tar.zst of
single messages, mime/*.eml.
"""

import collections
import io
import os
import re
import subprocess
import sys
import tarfile

from roost_server import SKIPPED, SOURCE

MONTHS = b"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
FROM = re.compile(rb"From (?:.* )?" + MONTHS + rb" .*\b\d{1,2}:\d\d.*\r?\n?\Z", re.I)
DROPPED = re.compile(rb"(?:Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase):", re.I)


def corpus_folder():
    """Where the corpus lies, or None."""
    for folder in (os.environ.get("ROOST_CORPUS"), os.path.join(SOURCE, "../shared/corpus"),
                   os.path.join(SOURCE, "../../shared/corpus")):
        if folder and os.path.isdir(folder):
            return os.path.abspath(folder)
    return None


def corpus():
    folder = corpus_folder()
    if folder is None:
        print("skipped: no corpus (ROOST_CORPUS)")
        sys.exit(SKIPPED)
    return folder


def unpack(path):
    return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout


def as_stored(data):
    """Line ends as mail has them: a LF alone becomes CRLF, a CR alone stays."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", data)


def without_from(data):
    line = re.match(rb"[^\r\n]*(?:\r\n|\r|\n)?", data).group()
    return data[len(line):] if FROM.match(line.replace(b"\r", b"").replace(b"\n", b"") + b"\n") else data


def clean(lines, unquote):
    """A message of an mbox without what the format put there."""
    out, header, drop = [], True, False
    for line in lines:
        if header and line in (b"\n", b"\r\n"):
            header = False
        elif header:
            drop = drop if line[:1] in b" \t" and out else bool(DROPPED.match(line))
            if drop:
                continue
        elif unquote and re.match(rb">+From ", line):
            line = line[1:]
        out.append(line)
    return b"".join(out)


def content_length(lines):
    found = 0
    for line in lines:
        if line in (b"\n", b"\r\n"):
            return found
        match = re.match(rb"Content-Length:\s*(\d+)\s*\Z", line, re.I)
        found = int(match.group(1)) if match else found
    return 0


def split_mbox(data):
    """(messages, how many of them only a Content-Length tells apart)"""
    lines = data.splitlines(keepends=True) if b"\r" not in data else re.findall(rb"[^\n]*\n|[^\n]+\Z", data)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    out, by_length, at = [], 0, 0
    while at < len(lines):
        begin, end, exact = at + 1, None, False
        blank = begin
        while blank < len(lines) and lines[blank] not in (b"\n", b"\r\n"):
            blank += 1
        length = content_length(lines[begin:blank + 1])
        if length and blank < len(lines):
            stop = starts[blank + 1] + length
            rest = re.match(rb"(?:\r?\n)*", data[stop:]).end() + stop if stop <= len(data) else None
            if rest is not None and (rest == len(data) or FROM.match(data[rest:data.find(b"\n", rest) + 1])):
                raw, exact = data[starts[begin]:stop], True
                end = next(i for i in range(begin, len(starts)) if starts[i] >= rest)
        if not exact:
            end = blank + 1
            while end < len(lines) and not (lines[end].startswith(b"From ") and FROM.match(lines[end])
                                            and lines[end - 1] in (b"\n", b"\r\n")):
                end += 1
            last = end - 1 if end - 1 > blank and lines[end - 1] in (b"\n", b"\r\n") else end
            raw = b"".join(lines[begin:last])
        elif rest < len(data) and lines[end - 1] not in (b"\n", b"\r\n"):
            by_length += 1
        bare = exact and re.search(rb"^From ", raw[starts[blank + 1] - starts[begin]:], re.M)
        out.append(clean(re.findall(rb"[^\n]*\n|[^\n]+\Z", raw), not bare))
        at = end
    return out, by_length


def read_corpus(folder):
    """{mailbox: [bytes as they must be stored]}, and how many messages the README does not count."""
    out, extra = collections.defaultdict(list), 0
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith(".mbox.zst"):
            messages, by_length = split_mbox(unpack(path))
            out[name[:-9]] += [as_stored(message) for message in messages]
            extra += by_length
        elif name.endswith(".tar.zst"):
            with tarfile.open(fileobj=io.BytesIO(unpack(path))) as tar:
                for member in tar:
                    if member.isfile():
                        data, folder_name = tar.extractfile(member).read(), os.path.dirname(member.name)
                        if os.path.basename(folder_name) in ("cur", "new"):
                            folder_name = os.path.dirname(folder_name)  # a Maildir: kept as it is
                        else:
                            data = without_from(data)
                        out[folder_name].append(as_stored(data))
    mime = os.path.join(folder, "mime")
    for name in sorted(os.listdir(mime)):
        with open(os.path.join(mime, name), "rb") as data:
            out["mime"].append(as_stored(without_from(data.read())))
    return out, extra
