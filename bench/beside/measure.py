"""Runs rows on servers in turns with bench/load."""

import os
import statistics
import subprocess
import sys
import time

LOAD = os.environ.get("LOAD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release/bench/load"))


class Wrong(Exception):
    """A server's answer was not what is due, or it was not there."""


class Pace:
    """How much time a row may take. Rounds that would not fit are left out, never the first of them; nor does an operation
    begin later than `seconds` behind the first of its round."""

    FAIR = 1.5  # of what is left a row may take so many times its part: most take less

    def __init__(self, minutes, seconds, rows):
        self.began = time.monotonic()
        self.limit = 60 * minutes
        self.seconds = seconds
        self.rows_left = rows
        self.row_began = self.began
        self.spent = {}

    def elapsed(self):
        return time.monotonic() - self.began

    def begin_row(self):
        self.row_began = time.monotonic()
        self.row_limit = max(self.FAIR * (self.limit - self.elapsed()) / max(self.rows_left, 1), 0)
        self.rows_left -= 1
        self.spent = {}

    def has_time(self, rounds_done):
        """For one more round of all doors, as long as those before it took on average."""
        taken = time.monotonic() - self.row_began
        return rounds_done == 0 or taken * (rounds_done + 1) / rounds_done <= self.row_limit

    def spend(self, door, began):
        self.spent[door.name] = self.spent.get(door.name, 0) + time.monotonic() - began

    def said(self, row):
        parts = ", ".join("%s %.0f s" % part for part in self.spent.items())
        return "%s: %s; %d:%02d of %d min" % ((row.name, parts) + divmod(int(self.elapsed()), 60) + (self.limit / 60,))


def load(door, words, hurries=False, seconds=None):
    """What load prints, as {key: text}; "us,cs,in" figures of a role stay as they are."""
    words = (["-t", str(seconds)] if seconds else []) + words
    command = [LOAD, "-h", door.info["host"], "-i", door.info["imap"], "-I", door.info["imaps"],
               "-l", door.info["lmtp"], "-p", door.info["password"], "-P", str(door.pid())]
    command += (["-Q"] if hurries else []) + words
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 1:
        raise Wrong("%s, %s: %s" % (door.name, " ".join(words), done.stderr.strip()[:300]))
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        raise SystemExit("load %s ended with %d" % (" ".join(words), done.returncode))
    fields = done.stdout.rstrip("\n").split("\t")
    return dict(field.split("=", 1) for field in fields[1:])


def number(text):
    return float(text.rstrip("%"))


def measure_row(row, doors, sizes, rounds, pace, hurries=False):
    """{door: [what load printed, a round each]}; a door that lacks what the row needs has None, one that was wrong a
    text."""
    results = {door.name: [] for door in doors}
    for door in doors:
        if row.needs and row.needs not in door.capabilities():
            results[door.name] = None
    pace.begin_row()
    for number in range(min(rounds, row.rounds or rounds)):
        if not pace.has_time(number):
            break
        for door in doors:
            if not isinstance(results[door.name], list):
                continue
            began = time.monotonic()
            try:
                if row.restart:
                    load(door, ["-m", str(sizes.messages), "-n", "1", row.restart], hurries)
                    door.restart()
                results[door.name].append(load(door, row.words(sizes), hurries, pace.seconds))
            except Wrong as wrong:
                results[door.name] = str(wrong)
            pace.spend(door, began)
    sys.stderr.write(pace.said(row) + "\n")
    return results


def values(figure, printed):
    """Scaled to the figure's unit."""
    return [number(one[figure.key]) * figure.scale() for one in printed if figure.key in one]


def ratio(figure, ours, theirs):
    """Above 1: ours is ahead. None if one of them has nothing."""
    if not ours or not theirs:
        return None
    mine, other = statistics.median(ours), statistics.median(theirs)
    if not mine or not other:
        return None
    return mine / other if figure.more_is_better() else other / mine
