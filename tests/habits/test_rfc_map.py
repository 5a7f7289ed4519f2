#!/usr/bin/env python3
"""docs/rfc-map.md names transcripts and tests that exist, and names every transcript."""

import fnmatch
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def transcripts():
    base = os.path.join(TOP, "tests/conformance")
    return {os.path.relpath(path, base) for path in glob.glob(base + "/rfc*/*.imap")}


def programs():
    found = glob.glob(TOP + "/tests/*/test_*.*") + glob.glob(TOP + "/tests/fuzz/fuzz_*.c")
    return {os.path.splitext(os.path.basename(path))[0] for path in found}


def main():
    with open(os.path.join(TOP, "docs/rfc-map.md"), encoding="utf-8") as text:
        rows = [line for line in text if line.startswith("|")]
    there, tests, wrong, named = transcripts(), programs(), [], set()
    for row in rows:
        for name in re.findall(r"\b(rfc\d+/[\w*]+\.imap)", row):
            found = set(fnmatch.filter(there, name))
            if not found:
                wrong.append("no transcript " + name)
            named |= found
        for name in re.findall(r"\b((?:test|fuzz)_\w+)\b", row):
            if name not in tests:
                wrong.append("no test " + name)
    wrong += ["not in the map: " + name for name in sorted(there - named)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
