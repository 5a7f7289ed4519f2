"""docs/events.md and the catalogue of audited events are the same table, every event in it is one that somebody logs, and a
test reads it."""

import glob
import os
import re
import unittest

SOURCE = os.environ.get("ROOST_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Those that no test reads out of an audit log: what sees them instead, or why nothing does.
ELSEWHERE = {
    "audit.cut": "tests/unit/test_audit_tail.c",
    "auth.damaged": "tests/integration/test_bit_rot_server.py",
    "keys.limited": "tests/unit/test_role_keys.c",
    "mail.more": "tests/integration/test_settings.py",
    "store.damage": "tests/integration/test_bad_store.py",
    "store.failed": "tests/integration/test_bad_disk.py",
}
BY_NONE = {
    "audit.ship_late": "the receiver would have to be away for an hour",
    "session.failed": "a login that was right and finds no memory or thread",
}


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as text:
        return text.read()


class Events(unittest.TestCase):
    def setUp(self):
        self.catalogue = re.findall(r'\{"([a-z_.]+)",\s+"([a-z_]+)",\s+"([a-z]+)",\s+AUDIT_(ACTOR|TARGET)\}',
                                    read("src/events/catalogue.c"))
        self.assertGreater(len(self.catalogue), 50)

    def test_the_document_is_the_catalogue(self):
        rows = re.findall(r"^\| `([a-z_.]+)` \| ([a-z_]+) \| ([a-z]+) \| (actor|target) \|", read("docs/events.md"), re.M)
        self.assertEqual(rows, [(name, category, kind, who.lower()) for name, category, kind, who in self.catalogue])

    def test_every_event_is_logged_somewhere(self):
        strings = set()
        for name in glob.glob(os.path.join(SOURCE, "src/**/*.c"), recursive=True):
            if not name.endswith("events/catalogue.c"):
                strings.update(re.findall(r'"([a-z_]+\.[a-z_]+)"', read(os.path.relpath(name, SOURCE))))
        self.assertEqual([name for name, *_ in self.catalogue if name not in strings], [])

    def test_a_test_reads_every_event_out_of_an_audit_log(self):
        """By audited("event") of tests/lib/roost_server.py, or as a row of test_audit_events.py."""
        events = {name for name, *_ in self.catalogue}
        seen = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', read("tests/integration/test_audit_events.py")))
        for name in glob.glob(os.path.join(SOURCE, "tests/*/*.py")):
            seen.update(re.findall(r'audited\((?:[\w.]+, )?"([a-z_.]+)"', read(os.path.relpath(name, SOURCE))))
        self.assertEqual(events - seen, set(ELSEWHERE) | set(BY_NONE))
        for event, name in ELSEWHERE.items():
            self.assertIn(event, read(name))

    def test_every_field_of_the_catalogue_is_in_the_document(self):
        fields = re.findall(r'\{"([a-z_]+)",\s+"([a-z_.]+)",\s+"([a-z_.]+)"\s*\}', read("src/events/catalogue.c"))
        document = read("docs/events.md")
        self.assertGreater(len(fields), 10)
        for key, actor, target in fields:
            for name in (key, actor, target):
                self.assertIn("`%s`" % name, document)


if __name__ == "__main__":
    unittest.main()
