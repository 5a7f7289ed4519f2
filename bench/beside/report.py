"""Results of a comparison as Markdown, JSON and a plot."""

import dataclasses
import json
import os
import statistics

from beside import plot
from beside.doors import DURABLE
from beside.measure import number, ratio, values

BASE = "dovecot"  # what the others are compared with, if it takes part; else the last server


def short(value):
    """Four digits, with a comma for the thousands."""
    return "{:,.0f}".format(value) if value >= 1000 else "%.4g" % value


def cell(figure, printed):
    if printed is None:
        return "not offered"
    if isinstance(printed, str):
        return "wrong"
    found = values(figure, printed)
    if not found:
        return ""
    if len(found) == 1:
        return short(found[0])
    return "%s (%s-%s, %d)" % (short(statistics.median(found)), short(min(found)), short(max(found)), len(found))


def verdict(figure, ours, theirs, has_goals):
    if figure.most is not None and isinstance(ours, list) and values(figure, ours):
        holds = statistics.median(values(figure, ours)) <= figure.most
        goal = "at most %g%s" % (figure.most, "" if holds else " **above**")
        return verdict(dataclasses.replace(figure, most=None), ours, theirs, False)[0], goal
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return "", ""
    found = ratio(figure, values(figure, ours), values(figure, theirs))
    if found is None:
        return "", ""
    goal = "" if figure.goal is None or not has_goals else "%sx%s" % ("%g" % figure.goal, "" if found >= figure.goal else " **below**")
    return plot.short(found) + "x", goal


class Report:
    def __init__(self, doors, options, machine):
        self.doors = doors
        self.options = options
        self.machine = machine
        self.results = []  # (row, {door: printed})

    def names(self):
        return [door.name for door in self.doors]

    def base(self):
        return BASE if BASE in self.names() else self.names()[-1]

    def has_goals(self):
        """They are against Dovecot."""
        return self.base() == BASE != self.names()[0]

    def add(self, row, printed):
        self.results.append((row, printed))
        return self.lines_of(row, printed)

    def head(self):
        titles = ["workload", "unit"] + self.names() + ["%s to %s" % (self.names()[0], self.base()), "goal"]
        return ["| %s |" % " | ".join(titles), "|%s" % ("---|" * len(titles))]

    def lines_of(self, row, printed):
        first, base = self.names()[0], self.base()
        lines = []
        for figure in row.figures:
            cells = [row.title, figure.unit()] + [cell(figure, printed[name]) for name in self.names()]
            cells += verdict(figure, printed[first], printed[base], self.has_goals())
            lines.append("| %s |" % " | ".join(cells))
        return lines

    def preamble(self):
        machine = self.machine
        flush, loopback = machine["flush_us"], machine["loopback"]
        out = ["Median (least-greatest, rounds) of up to %d rounds, the servers in turns; %s messages in the mailbox. A ratio "
               "above 1: %s is ahead." % (self.options.rounds, "{:,}".format(self.options.messages), self.names()[0]), ""]
        out += ["- %s: %s. Durable before it answers: %s." % (door.name, door.version(), DURABLE[door.kind])
                for door in self.doors]
        out += ["- All on loopback of one machine, with their own data on one disk, passwords kept as plain text by each.",
                "- %s, %d cores, %s; load %s before the run." % (machine["cpu"], machine["cores"], machine["system"],
                                                               " ".join("%.2f" % part for part in machine["load"])),
                "- A block of 4 KiB durable: %s us (%s-%s). Loopback: a byte there and back %s us, one way %s MB/s."
                % (short(flush["median"]), short(flush["least"]), short(flush["greatest"]), short(loopback["ping_us"]),
                   short(loopback["mb_s"])), ""]
        return out

    def costs(self):
        """The server's CPU for one operation (or message), and the driver's share of a core."""
        out = ["", "The server's CPU time for one operation or message, us, with what it put off; in brackets the driver's "
               "share of a core meanwhile:", "", "| workload | %s |" % " | ".join(self.names()),
               "|---|%s" % ("---|" * len(self.doors))]
        for row, printed in self.results:
            cells = []
            for name in self.names():
                found = printed[name] if isinstance(printed[name], list) else []
                cpu = [number(one["server_cpu_us"]) for one in found if "server_cpu_us" in one]
                own = [number(one["driver_cpu"]) for one in found if "driver_cpu" in one]
                cells.append("%s (%.0f %%)" % (short(statistics.median(cpu)), statistics.median(own)) if cpu else "")
            out.append("| %s | %s |" % (row.title, " | ".join(cells)))
        return out

    def faults(self):
        return ["- %s: %s" % (row.name, printed[name]) for row, printed in self.results for name in self.names()
                if isinstance(printed[name], str)]

    def markdown(self):
        lines = self.preamble() + self.head()
        for row, printed in self.results:
            lines += self.lines_of(row, printed)
        lines += self.costs()
        faults = self.faults()
        if faults:
            lines += ["", "Answers that were not what is due:", ""] + faults
        return "\n".join(lines) + "\n"

    def json(self):
        return json.dumps({
            "machine": self.machine, "rounds": self.options.rounds, "sizes": vars(self.options.sizes),
            "servers": {door.name: {"version": door.version(), "durable": DURABLE[door.kind]} for door in self.doors},
            "rows": {row.name: {"title": row.title, "figures": {figure.key: {"goal": figure.goal,
                                                                              "unit": figure.unit()}
                                                                 for figure in row.figures}, "printed": printed}
                     for row, printed in self.results}}, indent=1) + "\n"

    def plot(self):
        bars = []
        for row, printed in self.results:
            ours, theirs = printed[self.names()[0]], printed[self.base()]
            if isinstance(ours, list) and isinstance(theirs, list):
                bars += [(row.title + (", " + figure.unit() if len(row.figures) > 1 else ""),
                          ratio(figure, values(figure, ours), values(figure, theirs)), figure.goal if self.has_goals() else None)
                         for figure in row.figures]
        return plot.ratios("%s to %s (a stroke: the goal)" % (self.names()[0], self.base()), bars)

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        for name, text in (("results.md", self.markdown()), ("results.json", self.json()), ("ratios.svg", self.plot())):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
