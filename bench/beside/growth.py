"""The same rows at several sizes of the mailbox: a table, JSON, and a plot for each row."""

import dataclasses
import json
import os
import statistics

from beside import plot
from beside.measure import measure_row, values
from beside.report import cell


class Growth:
    def __init__(self, doors, options, pace, what):
        self.pace = pace
        self.what = what
        self.doors = doors
        self.options = options
        self.lines = []
        self.found = {}  # {row: {door: [(size, median)...]}}
        self.faults = []

    def head(self):
        titles = ["workload", self.what, "unit"] + [door.name for door in self.doors]
        return ["| %s |" % " | ".join(titles), "|%s" % ("---|" * len(titles))]

    def measure(self, row, size):
        """The table's line."""
        sizes = dataclasses.replace(self.options.sizes, messages=size)
        printed = measure_row(row, self.doors, sizes, self.options.rounds, self.pace, self.options.small)
        figure = row.figures[0]
        for door in self.doors:
            if isinstance(printed[door.name], str):
                self.faults.append(printed[door.name])
            elif printed[door.name]:
                median = statistics.median(values(figure, printed[door.name]))
                self.found.setdefault(row, {}).setdefault(door.name, []).append((size, median))
        cells = [cell(figure, printed[door.name]) for door in self.doors]
        line = "| %s |" % " | ".join([row.title, "{:,}".format(size), figure.unit()] + cells)
        self.lines.append(line)
        return line

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        texts = {"growth.md": "\n".join(self.head() + self.lines + self.faults) + "\n",
                 "growth.json": json.dumps({row.name: lines for row, lines in self.found.items()}, indent=1) + "\n"}
        for row, lines in self.found.items():
            texts["growth-%s.svg" % row.name] = plot.growth(row.title, row.figures[0].unit(), lines, self.what)
        for name, text in texts.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
