"""The search text that the server makes of a message is what docs/search.md says: made here once more, by other means.

Every character is casemapped; then every span of every message is compared: mail made for it in many scripts, the same
damaged, the messages of tests/data/mime, and the corpus where there is one. Texts that have no independent answer
(charsets.Unsure) are counted; there may be few.
"""

import os
import random
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, HERE)
import casemap
import printed
from corpus import corpus_folder, read_corpus
from mail_text import Text
from mails import Mails
from seed import seed

LARGE = bool(os.environ.get("ROOST_LARGE"))
GENERATED = 60000 if LARGE else 1000
BATCH = 1000
SAMPLE = 2500  # messages of the corpus; ROOST_LARGE: all
CORPUS_UNSURE_MAX = 16  # bytes that mean nothing in ISO-2022-JP and the like
DATA = os.path.join(HERE, "../data/mime")


class Texts(unittest.TestCase):
    def setUp(self):
        self.seed = seed()

    def same(self, messages, name):
        """Compare all spans; how many messages have one that is not compared."""
        unsure = 0
        for number, (message, digest) in enumerate(zip(messages, printed.digests(messages))):
            text = Text(message)
            left_out = {index for index, _ in text.unsure}
            unsure += bool(left_out)
            what = "%s %d" % (name, number)
            self.assertEqual(len(digest.spans), len(text.spans), what)
            for index, (theirs, ours) in enumerate(zip(digest.spans, text.spans)):
                if index not in left_out:
                    self.assertEqual(theirs, ours, "%s, span %d of:\n%r" % (what, index, message[:4000]))
        return unsure

    def test_every_character_is_casemapped_by_the_tables(self):
        chars = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
        got = printed.casemapped([char.encode() for char in chars])
        self.assertEqual([char for char, mapped in zip(chars, got) if casemap.casemap(char).encode() != mapped], [])

    def test_bytes_that_are_no_text_stay_as_they_are(self):
        rnd = random.Random(self.seed)
        strings = [rnd.randbytes(rnd.randrange(12)) + rnd.choice(("é", "ﬁ", "각", "ǆ", "a")).encode()[:rnd.randrange(1, 4)] +
                   rnd.randbytes(rnd.randrange(3)) for _ in range(20000)]
        for string, mapped in zip(strings, printed.casemapped(strings)):
            self.assertEqual(casemap.casemap_bytes(string), mapped, string)

    def test_mail_in_many_scripts(self):
        mails = Mails(self.seed)
        for start in range(0, GENERATED, BATCH):
            messages = [mails.message() for _ in range(BATCH)]
            self.assertLess(self.same(messages, "made %d," % start), BATCH // 10)

    def test_damaged_mail(self):
        mails = Mails(self.seed + 1)
        for start in range(0, GENERATED, BATCH):
            messages = [mails.damage(mails.message()) for _ in range(BATCH)]
            self.assertLess(self.same(messages, "damaged %d," % start), BATCH // 4)

    def test_messages_that_broke_somebodys_parser(self):
        names = sorted(name for name in os.listdir(DATA) if name.endswith(".eml"))
        messages = []
        for name in names:
            with open(os.path.join(DATA, name), "rb") as data:
                messages.append(data.read())
        self.assertLessEqual(self.same(messages, "tests/data/mime"), 1)  # a label of nothing

    def test_the_corpus(self):
        if corpus_folder() is None:
            self.skipTest("no corpus (ROOST_CORPUS)")
        boxes, _ = read_corpus(corpus_folder())
        messages = [message for _, box in sorted(boxes.items()) for message in box]
        if not LARGE:
            messages = random.Random(self.seed).sample(messages, SAMPLE)
        unsure = self.same(messages, "corpus")
        print("%d messages compared, %d with a text left out" % (len(messages), unsure), flush=True)
        self.assertLessEqual(unsure, CORPUS_UNSURE_MAX)


if __name__ == "__main__":
    unittest.main()
