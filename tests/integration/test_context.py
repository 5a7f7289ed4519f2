"""Updating searches of the real server: in IDLE, over TLS, with answers that are longer than one piece (RFC 5267 4.3)."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, sample

MESSAGES = 8192


def numbers(text):
    """A sequence set, as it is written."""
    for part in text.split(","):
        first, _, last = part.partition(":")
        yield from range(int(first), int(last or first) + 1)


class Result:
    """What a client holds of one command, by what it is told."""

    def __init__(self, wire, command, options, what):
        self.command, self.what, self.sorts = command, what, "SORT" in command
        tag = wire.send("%s RETURN (UPDATE ALL%s) %s" % (command, options, what))
        untagged, tagged = wire.until(tag)
        assert tagged.startswith(b"OK"), tagged
        self.tag = tag.decode()
        self.uids = self.all_of(untagged)

    @staticmethod
    def all_of(lines):
        for line in lines:
            told = re.match(r"\* ESEARCH \(TAG \"[^\"]*\"\) UID(?: ALL (\S+))?$", line.decode())
            if told:
                return list(numbers(told.group(1))) if told.group(1) else []
        raise AssertionError("no answer in %r" % lines)

    def fresh(self, wire):
        return self.all_of(wire.ok("%s RETURN (ALL) %s" % (self.command, self.what)))

    def hear(self, line):
        told = re.match(r"\* ESEARCH \(TAG \"%s\"\) UID (.*)$" % self.tag, line.decode())
        if told is None:
            return 0
        for verb, pairs in re.findall(r"(ADDTO|REMOVEFROM) \(([^)]*)\)", told.group(1)):
            words = pairs.split()
            for position, members in zip(words[0::2], words[1::2]):
                self.change(verb, int(position), list(numbers(members)))
        return 1

    def change(self, verb, position, members):
        assert (position > 0) == self.sorts
        if position == 0 and verb == "ADDTO":
            assert not set(members) & set(self.uids)
            self.uids = sorted(self.uids + members)
        elif position == 0:
            assert set(members) <= set(self.uids)
            self.uids = sorted(set(self.uids) - set(members))
        elif verb == "ADDTO":
            self.uids[position - 1:position - 1] = members
        else:
            assert self.uids[position - 1:position - 1 + len(members)] == members
            del self.uids[position - 1:position - 1 + len(members)]


class Context(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=1).start()
        self.addCleanup(self.server.close)

    def wire(self):
        wire = self.server.wire("u1")
        self.addCleanup(wire.close)
        wire.ok("SELECT INBOX")
        return wire

    def hear_until(self, watcher, results, text):
        """What is told in IDLE, up to a line that holds the text."""
        heard = 0
        while True:
            line = watcher.line()
            heard += sum(result.hear(line) for result in results)
            if text in line:
                return heard

    def test_a_long_answer_in_idle(self):
        watcher, other = self.wire(), self.wire()
        for i in range(8):
            other.append("INBOX", sample(i))
        n = 8
        while n < MESSAGES:
            other.ok("UID COPY 1:* INBOX")
            n *= 2
        other.ok("UID STORE 1:* +FLAGS.SILENT (even)")
        watcher.ok("NOOP")
        results = [Result(watcher, "UID SEARCH", "", "UNSEEN"),
                   Result(watcher, "UID SORT", "", "(REVERSE SUBJECT SIZE) UTF-8 UNSEEN"),
                   Result(watcher, "UID SORT", " CONTEXT", "(ARRIVAL) UTF-8 FLAGGED"),
                   Result(watcher, "UID SEARCH", "", "SUBJECT new UNDELETED")]
        self.assertEqual(MESSAGES, len(results[0].uids))
        tag = watcher.idle()
        other.ok("UID STORE 1:%d +FLAGS.SILENT (\\Seen \\Flagged)" % (MESSAGES - 5))
        other.ok("UID STORE 100:200,300 -FLAGS.SILENT (\\Seen)")
        other.ok("UID STORE 150:180 +FLAGS.SILENT (\\Deleted)")
        other.ok("EXPUNGE")
        self.server.deliver("u1@example.org", b"From: me@example.org\r\nSubject: new\r\n\r\nx\r\n")
        heard = self.hear_until(watcher, results, b'ESEARCH (TAG "%s") UID ADDTO' % results[3].tag.encode())
        self.assertGreater(heard, 8)
        untagged, tagged = watcher.done(tag)
        self.assertTrue(tagged.startswith(b"OK"), tagged)
        for line in untagged + watcher.ok("NOOP"):
            for result in results:
                result.hear(line)
        for result in results:
            self.assertEqual(result.fresh(watcher), result.uids, result.what)
        self.assertEqual([MESSAGES + 1], results[3].uids)


if __name__ == "__main__":
    unittest.main()
