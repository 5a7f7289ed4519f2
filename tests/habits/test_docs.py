"""The documents say what the code says."""

import os
import re
import subprocess
import unittest

SOURCE = os.environ["ROOST_SOURCE"]
PRINT_SETTINGS = os.environ["PRINT_SETTINGS"]
ROOST = os.environ["ROOST"]


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as text:
        return text.read()


def tracked():
    """Every file of the tree, as git lists it; without git, what lies there."""
    try:
        done = subprocess.run(["git", "-C", SOURCE, "ls-files", "-co", "--exclude-standard"], check=True,
                              capture_output=True, text=True)
        names = done.stdout.splitlines()
    except (FileNotFoundError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(at, name), SOURCE)
                 for at, _, files in os.walk(SOURCE) for name in files]
        names = [name for name in names if not name.startswith(("build/", ".git/"))]
    return [name for name in names if os.path.exists(os.path.join(SOURCE, name))]


def rows(text):
    """Cells of each row of each table, with the heading it stands under."""
    heading, inside = "", False
    for line in text.splitlines():
        if line.startswith("#"):
            heading, inside = line.strip("# "), False
        elif not line.startswith("|"):
            inside = False
        elif re.match(r"^\|[\s|:-]+\|$", line):
            inside = True
        elif inside:
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            yield heading, [cell.strip() for cell in cells]


def table_of_settings():
    done = subprocess.run([PRINT_SETTINGS], check=True, capture_output=True, text=True)
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def bare(value):
    return value.strip().strip('"').replace("none", "")


class Security(unittest.TestCase):
    def test_how_many_calls_each_process_may_make(self):
        code = read("src/sandbox/syscalls.c")
        calls = re.findall(r'CALL\w*\((\w+),\s+"([A-Z.]+)"', code[:code.index("syscall_wide_denied[]")])
        count = {letter: len({name for name, kinds in calls if letter in kinds}) for letter in "GAMDCLWKIST"}
        told = {cells[0]: cells[1] for heading, cells in rows(read("docs/security.md")) if heading == "Who may do what"}
        self.assertEqual(told, {"supervisor": "all", "gate": str(count["G"]), "auth": str(count["A"]),
                                "mail": str(count["M"]), "log": str(count["L"]), "web": str(count["W"]),
                                "keys": str(count["K"]), "idp": str(count["I"]), "ship": str(count["S"]), "gss": str(count["T"]),
                                "digest": "%d, its children %d" % (count["D"], count["C"])})
        self.assertLessEqual(count["K"], 15)


class Settings(unittest.TestCase):
    def test_operating_names_every_setting(self):
        text = read("docs/operating.md")
        part = text[text.index("<!-- settings: begin -->"):text.index("<!-- settings: end -->")]
        got = [(cells[0].strip("`"), cells[1], bare(cells[2])) for _, cells in rows(part)]
        self.assertEqual(got, table_of_settings())
        for _, cells in rows(part):
            self.assertGreater(len(cells[3]), 30, cells[0] + " has no reason")

    def test_the_man_page_names_every_setting(self):
        got = []
        for line in read("docs/man/roost.conf.5").splitlines():
            match = re.match(r"^\.It Ic (\w+) Pq ([\w/]+), default (.*)$", line)
            if match:
                got.append((match[1], match[2], bare(match[3].replace("\\(dq", '"'))))
        self.assertEqual(got, table_of_settings())

    def test_the_example_is_valid(self):
        done = subprocess.run([PRINT_SETTINGS, os.path.join(SOURCE, "packaging/roost.conf.example")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


class Names(unittest.TestCase):
    def test_every_subcommand_is_in_the_man_page(self):
        done = subprocess.run([ROOST, "--help"], check=True, capture_output=True, text=True)
        commands = re.findall(r"^  ([a-z-]+) {2,}\S", done.stdout, re.MULTILINE)
        self.assertGreater(len(commands), 4)
        described = re.findall(r"^\.It Cm ([a-z-]+)$", read("docs/man/roost.8"), re.MULTILINE)
        self.assertEqual([name for name in commands if name not in described], [])

    def test_every_folder_has_a_readme(self):
        folders = {os.path.dirname(name) for name in tracked() if name.endswith((".c", ".h", ".py"))}
        lacking = []
        for folder in folders:
            at = folder  # a folder below one with a README.md is described there
            while at and not os.path.exists(os.path.join(SOURCE, at, "README.md")):
                at = os.path.dirname(at)
            if not at and folder != "src":
                lacking.append(folder)
        self.assertEqual(lacking, [])

    def test_the_documents_a_document_names_exist(self):
        files = set(tracked())
        gone = []
        for name in files:
            if name.startswith(("src/", "docs/", "README.md")) and name.endswith((".md", ".c", ".h")):
                for other in re.findall(r"\bdocs/[\w/-]+\.md\b", read(name)):
                    if other not in files:
                        gone.append("%s: %s" % (name, other))
        self.assertEqual(sorted(set(gone)), [])

    def test_the_sources_the_architecture_names_exist(self):
        files = set(tracked())
        gone = [name for name in re.findall(r"`([a-z]+/[\w/]+\.[ch])`", read("docs/architecture.md"))
                if "src/" + name not in files]
        self.assertEqual(gone, [])


class Tables(unittest.TestCase):
    def programs(self):
        return {os.path.splitext(os.path.basename(name))[0] for name in tracked()
                if name.startswith(("tests/", "bench/"))}

    def test_limits_are_names_of_the_source(self):
        words = set()
        for name in tracked():
            if name.startswith("src/") and name.endswith((".c", ".h")):
                words.update(re.findall(r"#define (\w+)", read(name)))
        words.update(name for name, *_ in table_of_settings())
        bad = []
        for heading, cells in rows(read("docs/limits.md")):
            for word in re.findall(r"`(\w+)`", cells[0]):
                if word not in words:
                    bad.append("%s: %s" % (heading, word))
            if re.search(r"(?<!`)\b[A-Z]+_[A-Z_]+\b(?!`)", cells[0]):
                bad.append("%s: no backticks: %s" % (heading, cells[0]))
        self.assertEqual(bad, [])

    def test_limits_have_value_reason_and_a_test_that_exists(self):
        known, bad = self.programs(), []
        for heading, cells in rows(read("docs/limits.md")):
            if len(cells) != 4 or not all(cells[:3]):
                bad.append("%s: %s" % (heading, cells))
                continue
            for word in re.findall(r"\b(?:test|fuzz)_\w+", cells[3]):
                if word not in known:
                    bad.append("%s: %s: no %s" % (heading, cells[0], word))
        self.assertEqual(bad, [])

    def test_the_programs_a_document_names_exist(self):
        known, gone = self.programs(), []
        for name in tracked():
            if name.endswith(".md"):
                for word in re.findall(r"\b(?:test|fuzz|nightly)_[a-z]{2}\w*", read(name)):
                    if word not in known:
                        gone.append("%s: %s" % (name, word))
        self.assertEqual(sorted(set(gone)), [])

    def test_the_rfc_map_says_done_partly_or_not(self):
        known, bad = self.programs(), []
        for heading, cells in rows(read("docs/rfc-map.md")):
            if len(cells) != 3 or not re.match(r"(done|partly|not)\b", cells[1]):
                bad.append("%s: %s" % (heading, cells))
                continue
            if cells[1].startswith("done") and not cells[2]:
                bad.append("%s: %s: done, and no file" % (heading, cells[0]))
            for word in re.findall(r"\b(?:test|fuzz)_\w+", cells[2]):
                if word not in known:
                    bad.append("%s: %s: no %s" % (heading, cells[0], word))
        self.assertEqual(bad, [])


class Cleanup(unittest.TestCase):
    def test_what_is_cleaned_up_is_initialised(self):
        """A return before the first assignment would free what lay on the stack."""
        bare_ones = []
        for name in tracked():
            if name.startswith("src/") and name.endswith((".c", ".h")):
                for match in re.finditer(r"^\s+AUTO\(\w+\)\s+[^;={]*;", read(name), re.MULTILINE):
                    bare_ones.append("%s: %s" % (name, " ".join(match[0].split())))
        self.assertEqual(bare_ones, [])


class Debris(unittest.TestCase):
    def test_nothing_is_left_to_do_later(self):
        words = re.compile(r"\b(FIX" + r"ME|TO" + r"DO|HA" + r"CK)\b")
        found = []
        for name in tracked():
            if name.startswith(("src/", "tests/", "bench/", "dev/")) and name.endswith(
                    (".c", ".h", ".py", ".sh", ".txt")) and not name.startswith(("tests/data", "tests/fuzz/seeds")):
                for number, line in enumerate(read(name).splitlines(), 1):
                    if words.search(line):
                        found.append("%s:%d: %s" % (name, number, line.strip()))
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
