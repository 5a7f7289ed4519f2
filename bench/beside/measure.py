"""Runs rows on servers in turns with bench/load."""

import os
import statistics
import subprocess
import sys

LOAD = os.environ.get("LOAD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release/bench/load"))


class Wrong(Exception):
    """A server's answer was not what is due, or it was not there."""


def load(door, words, hurries=False):
    """What load prints, as {key: text}; "us,cs,in" figures of a role stay as they are."""
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


def measure_row(row, doors, sizes, rounds, hurries=False):
    """{door: [what load printed, a round each]}; a door that lacks what the row needs has None, one that was wrong a
    text."""
    results = {door.name: [] for door in doors}
    for door in doors:
        if row.needs and row.needs not in door.capabilities():
            results[door.name] = None
    for _ in range(min(rounds, row.rounds or rounds)):
        for door in doors:
            if not isinstance(results[door.name], list):
                continue
            try:
                if row.restart:
                    load(door, ["-m", str(sizes.messages), "-n", "1", row.restart], hurries)
                    door.restart()
                results[door.name].append(load(door, row.words(sizes), hurries))
            except Wrong as wrong:
                results[door.name] = str(wrong)
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
