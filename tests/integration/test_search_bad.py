"""Searches that break servers: each has a clear answer, the session lives on, others get their turn, memory stays bounded.

Work is compared by processor time between sizes or by the order in which answers come, never by the clock.
"""

import os
import re
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Server, is_sanitized, pss_kib

LARGE = bool(os.environ.get("ROOST_LARGE"))
MESSAGES = 1500
SESSIONS = 64
OTHERS = 40 if LARGE else 5  # commands of the one that wants its turn
BUDGET_KIB = 256 << 10  # MAIL_MEMORY_BYTES, what is in memory of accounts
BEHIND_KIB = 3 * 64 << 10  # digests and places of bodies that are not packed yet, and bodies on their way in
HUGE = 1_000_000 if LARGE else 20_000  # messages of one mailbox
SEARCH_KIB = 1 << 10  # what one running search may add: the text of the message at hand, and one block casemapped
GROWTH_MAX = 9  # of the work when the input grows fourfold: linear with room, not quadratic
TICKS_FLOOR = 20

SLOW_NICE = 10  # POOL_SLOW_NICE

WIDE = "Ünïcödé Привет 你好 각 😀 ﷺ "


def cpu_ticks(server):
    total = 0
    for pid in server.roles()["mail"]:
        with open("/proc/%d/stat" % pid, encoding="ascii") as text:
            fields = text.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


def cpu_by_priority(server):
    """Nanoseconds of processor time of the mail role's threads: those of low priority, the others."""
    used = [0, 0]
    for pid in server.roles()["mail"]:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, task), encoding="ascii") as text:
                nice = int(text.read().rsplit(")", 1)[1].split()[16])
            with open("/proc/%d/task/%s/schedstat" % (pid, task), encoding="ascii") as text:
                used[nice < SLOW_NICE] += int(text.read().split()[0])
    return used


def anonymous_kib(server):
    """Memory of the mail role but for files that it maps, which the kernel may take back."""
    with open("/proc/%d/status" % server.roles()["mail"][0], encoding="ascii") as text:
        return int(re.search(r"RssAnon:\s+(\d+)", text.read()).group(1))


def mail(number, text):
    return ("From: a@example.org\r\nSubject: number %d\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n" % (number, text)).encode()


def literal(data):
    return b"{%d+}\r\n%s" % (len(data), data)


def found(untagged):
    for line in untagged:
        if line.startswith(b"* SEARCH"):
            return [int(word) for word in line.split()[2:]]
    raise AssertionError("no SEARCH in %r" % untagged[:3])


class SearchBad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=4).start()
        cls.addClassCleanup(cls.server.close)
        with cls.server.wire("u1", tls=False) as wire:
            for start in range(0, MESSAGES, 500):
                wire.ok(b"APPEND INBOX" + b"".join(
                    b" " + literal(mail(n, "%s everywhere n%dn %s" % (WIDE, n, WIDE * 20)))
                    for n in range(start, min(start + 500, MESSAGES))))

    def wire(self, user="u1", mailbox="INBOX"):
        wire = self.server.wire(user, tls=False)
        self.addCleanup(wire.close)
        wire.ok("SELECT " + mailbox)
        return wire

    def refused(self, wire, text):
        _, tagged = wire.command(text)
        self.assertTrue(tagged.startswith((b"BAD ", b"NO ")), tagged[:80])
        wire.ok("NOOP")
        return tagged

    # ---- programs

    def test_programs_nested_too_deep(self):
        wire = self.wire()
        for deep in (100, 10000):
            self.refused(wire, "SEARCH " + "NOT " * deep + "ALL")
            self.refused(wire, "SEARCH " + "OR ALL " * (deep * 9 // 10) + "ALL")
            self.refused(wire, "SEARCH " + "(" * deep + "ALL" + ")" * deep)
        self.assertEqual(len(found(wire.ok("SEARCH " + "NOT " * 30 + "SUBJECT number"))), MESSAGES)
        self.assertEqual(found(wire.ok("SEARCH " + "NOT " * 31 + "SUBJECT number")), [])

    def test_ten_thousand_keys(self):
        wire = self.wire()
        self.assertEqual(found(wire.ok("SEARCH " + "ALL " * 10000 + "SUBJECT \"number 77\"")), [78] + list(range(771, 781)))
        self.assertEqual(found(wire.ok("SEARCH SUBJECT \"number 77\"" + " NOT BODY zq" * 1000)), [78] + list(range(771, 781)))
        tagged = self.refused(wire, "SEARCH" + " 1" * 20000)
        self.assertIn(b"keys", tagged)

        def ask(count):
            wire.ok("SEARCH SUBJECT \"number 77\"" + " NOT BODY zq%d" % count * count)
        ticks = []
        for size in (1000, 4000):
            before = cpu_ticks(self.server)
            ask(size)
            ticks.append(cpu_ticks(self.server) - before)
        self.assertLessEqual(ticks[1], max(TICKS_FLOOR, ticks[0]) * GROWTH_MAX, ticks)

    def test_long_needles(self):
        wire = self.wire("u2")
        text = " ".join("w%dé" % n for n in range(20000))
        wire.append("INBOX", mail(1, text))
        wire.ok("NOOP")
        whole = text.encode()[:120000].decode(errors="ignore").encode()
        self.assertEqual(found(wire.ok(b"SEARCH BODY " + literal(whole))), [1])
        self.assertEqual(found(wire.ok(b"SEARCH BODY " + literal(whole.decode().upper().encode()))), [1])
        self.assertEqual(found(wire.ok(b"SEARCH BODY " + literal(whole + b"x"))), [])
        mebibyte = 1 << 20
        tagged = self.refused(wire, b"SEARCH TEXT " + literal(b"x" * mebibyte))
        self.assertIn(b"TOOBIG", tagged)
        _, tagged = wire.command("SEARCH TEXT {%d}" % mebibyte)  # synchronising: nothing is sent, nothing read
        self.assertIn(b"TOOBIG", tagged)
        wire.ok("NOOP")

    def test_charsets(self):
        wire = self.wire()
        tagged = self.refused(wire, "SEARCH CHARSET X-NOTHING TEXT a")
        names = re.match(rb"NO \[BADCHARSET \(([^)]*)\)\] ", tagged).group(1).replace(b'"', b"").split()
        self.assertIn(b"UTF-8", names)
        self.assertIn(b"US-ASCII", names)
        for name in names:
            self.assertEqual(len(found(wire.ok(b"SEARCH CHARSET %s TEXT everywhere" % name))), MESSAGES)
        self.assertTrue(wire.command(b"SEARCH CHARSET X-NOTHING TEXT " + literal(b"\xff"))[1].startswith(b"NO [BADCHARSET"))
        self.refused(wire, b"SEARCH CHARSET US-ASCII TEXT " + literal(b"\xe4"))
        self.refused(wire, b"SEARCH CHARSET UTF-8 TEXT " + literal(b"\xc0\xaf"))
        self.refused(wire, b"SEARCH TEXT " + literal(b"\xed\xa0\x80"))
        self.refused(wire, b"SEARCH TEXT \"a\0b\"")

    def test_needles_in_every_message(self):
        wire = self.wire()
        for needle in ("e", "E", " ", "", "n", "é", "각", "😀", "everywhere"):
            line = wire.ok(b"UID SEARCH RETURN (ALL COUNT) TEXT " + literal(needle.encode()))[0]
            self.assertTrue(line.endswith(b" UID ALL 1:%d COUNT %d" % (MESSAGES, MESSAGES)) or
                            line.endswith(b" UID COUNT %d ALL 1:%d" % (MESSAGES, MESSAGES)), line)

    # ---- messages past the limits

    def test_messages_past_the_limits_of_parsing(self):
        wire = self.wire("u3")
        part = b"--b\r\nContent-Type: text/plain\r\n\r\npart\r\n"
        many = (b"Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 1500 +
                b"--b\r\n\r\nneedleone\r\n--b--\r\n")
        deep = b"Subject: deep\r\n" + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(100)) + b"\r\nneedletwo\r\n"
        header = b"Subject: header\r\n" + b"X-Long: some words of it\r\n" * 50000 + b"X-Last: needlethree\r\n\r\nneedlefour\r\n"
        nothing = b"\r\n"
        for message in (many, deep, header, nothing):
            wire.append("INBOX", message)
        wire.ok("NOOP")
        for key, numbers in (("TEXT needleone", [1]), ("BODY needleone", [1]), ("BODY needletwo", [2]),
                             ("TEXT NEEDLETHREE", [3]), ("BODY needlethree", []), ("BODY needlefour", [3]),
                             ("SUBJECT header", [3]), ("BODY \"\"", [1, 2, 3, 4]), ("SUBJECT \"\"", [1, 2, 3]),
                             ("NOT TEXT needle", [4])):
            self.assertEqual(found(wire.ok("SEARCH " + key)), numbers, key)

    @unittest.skipUnless(LARGE, "ROOST_LARGE")
    def test_a_message_whose_text_is_too_long_to_keep(self):
        wire = self.wire("u4")
        euros = (b"\x80" * 998 + b"\r\n") * 40000  # three bytes of text each: more than is kept
        head = b"Subject: euros\r\nContent-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        wire.append("INBOX", head + euros + b"needlefive\r\n")
        wire.append("INBOX", mail(2, "needlesix"))
        wire.ok("NOOP")
        for key, numbers in (("TEXT needlefive", [1]), ("BODY NEEDLEFIVE", [1]), ("BODY needlesix", [2]), ("TEXT seven", []),
                             ("BODY euros", []), ("TEXT euros", [1])):
            self.assertEqual(found(wire.ok("SEARCH " + key)), numbers, key)

    # ---- a huge mailbox

    def test_a_huge_mailbox(self):
        """Right behind its filling, while digests and index are made, and at once again."""
        def message(number):
            refers = b"" if number % 10 == 0 else b"References: <r%d@x>\r\n" % (number // 10 * 10)
            return (b"From: a%d@example.org\r\nSubject: number %06d\r\nMessage-ID: <r%d@x>\r\n%s\r\n"
                    b"text everywhere w%dw\r\n" % (number % 1000, number * 7919 % HUGE, number, refers, number))
        server = Server(users=1).start()
        self.addCleanup(server.close)
        wire = server.wire("u1", tls=False)
        self.addCleanup(wire.close)
        for start in range(0, HUGE, 1000):
            wire.ok(b"APPEND INBOX" + b"".join(b" " + literal(message(n)) for n in range(start, start + 1000)))
        wire.ok("SELECT INBOX")
        everything = b"COUNT %d" % HUGE
        by_subject = sorted(range(HUGE), key=lambda n: n * 7919 % HUGE)
        for _ in range(2):
            self.assertIn(everything, wire.ok("SEARCH RETURN (COUNT) TEXT everywhere")[-1])
            self.assertIn(everything, wire.ok("SEARCH RETURN (COUNT) NOT BODY nowhere")[-1])
            self.assertIn(b"COUNT %d" % (HUGE // 1000), wire.ok("SEARCH RETURN (COUNT) FROM a77@")[-1])
            self.assertEqual(found(wire.ok("SEARCH BODY w%dw" % (HUGE - 3))), [HUGE - 2])
            ordered = wire.ok("SORT (SUBJECT) UTF-8 ALL")[-1]
            self.assertEqual([int(word) - 1 for word in ordered.split()[2:]], by_subject)
            threads = wire.ok("THREAD REFERENCES UTF-8 ALL")[-1]
            self.assertTrue(threads.startswith(b"* THREAD (1 (2)(3)(4)(5)(6)(7)(8)(9)(10))(11 (12)(13)"), threads[:80])
            self.assertEqual(threads.count(b"("), HUGE)
        if not is_sanitized():
            self.assertLess(anonymous_kib(server), BUDGET_KIB + BEHIND_KIB)

    # ---- many at once

    def test_a_mailbox_that_goes_while_it_is_searched(self):
        with self.server.wire("u1", tls=False) as other:
            other.ok("CREATE going")
            other.ok("SELECT INBOX")
            other.ok("COPY 1:* going")
        searcher, goer = self.wire(mailbox="going"), self.wire(mailbox="going")
        seen, failed, gone = [], [], threading.Event()

        def search():
            try:
                while len(seen) < 4 or not gone.is_set():
                    seen.append(set(found(searcher.ok("UID SEARCH TEXT everywhere"))))
            except Exception as error:  # told below
                failed.append(error)

        thread = threading.Thread(target=search)
        thread.start()
        left = set(range(1, MESSAGES + 1))
        while left:
            now = sorted(left)[::3] if len(left) > 10 else sorted(left)
            goer.ok("UID STORE %s +FLAGS.SILENT (\\Deleted)" % ",".join(map(str, now)))
            goer.ok("EXPUNGE")
            left -= set(now)
        gone.set()
        thread.join()
        self.assertEqual(failed, [])
        everything = set(range(1, MESSAGES + 1))
        for before, after in zip([everything] + seen, seen):
            self.assertLessEqual(after, before)  # never one that was gone already
        self.assertEqual(found(searcher.ok("UID SEARCH ALL")), [])

    def test_what_a_search_computes_goes_behind_what_others_ask(self):
        """All but its first slice is done by threads of low priority."""
        wire = self.wire()
        before = cpu_by_priority(self.server)
        for number in range(OTHERS * 4):
            self.assertEqual(found(wire.ok("UID SEARCH TEXT \"nowhere %d\"" % number)), [])
        slow, usual = (now - then for now, then in zip(cpu_by_priority(self.server), before))
        self.assertGreater(slow, usual)

    def test_sixty_four_search_at_once(self):
        """All of them all the time, while another user works: of its turns none takes more than two searches of each."""
        with self.server.wire("u1", tls=False) as wire:
            wire.ok("CREATE some")
            wire.ok("SELECT INBOX")
            wire.ok("COPY 1:300 some")
        wires = [self.wire(mailbox="some") for _ in range(SESSIONS)]
        other = self.wire("u2")
        mail_pid = self.server.roles()["mail"][0]
        counts, failed, stop = [0] * SESSIONS, [], threading.Event()

        def search(number):
            try:
                while counts[number] == 0 or not stop.is_set():
                    needle = "Ü%dß" % number if counts[number] % 2 else "everywhere n%dn" % number
                    hits = found(wires[number].ok(b"UID SEARCH TEXT " + literal(needle.encode())))
                    if hits != ([] if counts[number] % 2 else [number + 1]):
                        raise AssertionError("%s: %s" % (needle, hits[:10]))
                    counts[number] += 1
            except Exception as error:  # told below
                failed.append(error)

        threads = [threading.Thread(target=search, args=(number,)) for number in range(SESSIONS)]
        for thread in threads:
            thread.start()
        for _ in range(OTHERS):
            other.ok("UID FETCH 1:* (FLAGS)")
        done = sum(counts)
        memory = pss_kib(mail_pid)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertLessEqual(done, OTHERS * SESSIONS * 2)
        if not is_sanitized():
            self.assertLess(memory, BUDGET_KIB + SESSIONS * SEARCH_KIB)


if __name__ == "__main__":
    unittest.main()
