"""Every text a client may be told has its row in imap/language_texts.c, in all languages."""

import glob
import os
import re
import unittest

SOURCE = os.environ.get("ROOST_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LANGUAGES = 4
STRING = r'"(?:[^"\\]|\\.)*"'
STRINGS = r"((?:%s\s*)+)" % STRING

# What a session's commands run through. The rest talks to administrators, to other servers or to a log.
REACHED = ["src/commands/*.c", "src/server/*.c", "src/search/*.c", "src/mailbox/*.c", "src/imap/*.c", "src/roles/gate_*.c"]
OTHERS = {
    "src/imap": {"response.c", "response_body.c", "response_data.c", "response_esearch.c", "response_fetch.c", "response_text.c"},
    "src/search": {"leaf.c", "text_index.c", "text_segment.c"},
    "src/mailbox": {"repair.c", "repair_mailbox.c", "salvage.c", "check.c", "txn_kept.c", "expiry.c", "background.c", "memory.c"},
}
# Calls whose string is told to a client, in the place that has it.
CALLS = [
    r"err_set\(\s*(?:[^,()]|\([^()]*\))+,\s*RC_\w+\s*,\s*" + STRINGS,
    r"reply_(?:ok|no)\([^;]*?,\s*" + STRINGS + r"\)",
    r"imap_print_text_line\([^;\"]*" + STRINGS,
    r"reply_untagged_(?:ok|no)\([^;]*?" + STRINGS + r"\)",
    r"\bsay\(client, " + STRING + r", " + STRINGS,
    r"gate_(?:answer|refuse)\([^;]*\"(?:NO|BAD|OK|BYE)\", " + STRINGS,
    r"accept_command\(c, cmd, " + STRINGS,
    r"gate_conn_close\([^;]*CLOSE_\w+,\s*" + STRINGS,
    r"say_number\([^;]*, " + STRINGS + r"\);",
]


def joined(strings):
    return "".join(part[1:-1] for part in re.findall(STRING, strings)).replace('\\"', '"')


class Texts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SOURCE, "src/imap/language_texts.c"), encoding="utf-8") as table:
            lines = re.findall(r"(?m)^    \{(%s), \{(.*)\}\},$" % STRING, table.read())
        cls.rows = [(joined(english), [joined(text) for text in re.findall(STRING, texts)])
                    for english, texts in lines]

    def has_row(self, text):
        for english, _ in self.rows:
            before, mark, behind = english.partition("%s")
            if text == english or (mark and text.startswith(before) and text.endswith(behind)):
                return True
        return False

    def told(self):
        for pattern in REACHED:
            for path in glob.glob(os.path.join(SOURCE, pattern)):
                folder, name = os.path.split(os.path.relpath(path, SOURCE))
                if name in OTHERS.get(folder, ()):
                    continue
                with open(path, encoding="utf-8") as source:
                    code = re.sub(r"(?s)/\*.*?\*/", "", source.read())
                code = re.sub(r"(?s)static void say_number.*?\n}\n", "", code)
                for call in CALLS:
                    for strings in re.findall(call, code):
                        yield os.path.join(folder, name), re.sub(r"^\[[^]]*\] ", "", joined(strings))

    def test_every_text_has_a_row(self):
        missing = sorted({"%s: %s" % (where, text) for where, text in self.told()
                          if text and not self.has_row(text)})
        self.assertEqual([], missing)

    def test_enough_is_looked_at(self):
        self.assertGreater(len({text for _, text in self.told()}), 150)

    def test_every_row_is_whole(self):
        self.assertGreater(len(self.rows), 150)
        for english, texts in self.rows:
            with self.subTest(english=english):
                self.assertEqual(LANGUAGES, len(texts))
                for text in texts:
                    self.assertTrue(text)
                    self.assertLess(len(text.encode()), 400)
                    self.assertNotIn("[", text[:1])
                    self.assertNotIn("\\", text)
                    self.assertLessEqual(text.count("%"), 1)
                    self.assertLessEqual("%s" in text, "%s" in english)
                self.assertNotEqual(english, texts[0])

    def test_no_row_twice_and_exact_rows_first(self):
        english = [row[0] for row in self.rows]
        self.assertEqual(len(english), len(set(english)))
        for at, form in enumerate(english):
            before, mark, behind = form.partition("%s")
            for later in english[at + 1:] if mark else []:
                self.assertFalse(later.startswith(before) and later.endswith(behind), (form, later))

    def test_japanese_is_japanese(self):
        for english, texts in self.rows:
            self.assertTrue(any(ord(c) > 0x3000 for c in texts[3]), english)


if __name__ == "__main__":
    unittest.main()
