"""Plots as SVG: bars of ratios, lines of growth. Both scales are logarithmic where they span decades."""

import html
import math

WIDTH, ROW, LEFT, RIGHT, TOP = 900, 22, 330, 70, 40
HEIGHT, MARGIN = 420, 70
COLOURS = ("#1f5fa8", "#c8502a", "#3f8f4f", "#8a5aa8")


def _text(x, y, text, anchor="start", size=12):
    return '<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s">%s</text>' % (x, y, size, anchor, html.escape(text))


def _line(x1, y1, x2, y2, colour="#ccc"):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>' % (x1, y1, x2, y2, colour)


def _svg(height, parts):
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif">\n'
            '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n' % (WIDTH, height, "\n".join(parts)))


class Scale:
    """Decades that hold all values, onto pixels."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.end = start, end

    def at(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def short(value):
    return "{:,.0f}".format(value) if value >= 1000 else "%.3g" % value


def ratios(title, bars):
    """bars: (label, ratio, goal or None), from top to bottom; a line at 1, a mark at each goal."""
    bars = [bar for bar in bars if bar[1]]
    if not bars:
        return _svg(TOP, [_text(10, 20, title, size=14)])
    scale = Scale([1] + [bar[1] for bar in bars] + [bar[2] for bar in bars if bar[2]], LEFT, WIDTH - RIGHT)
    bottom = TOP + ROW * len(bars)
    parts = [_text(10, 20, title, size=14)]
    for tick in scale.ticks():
        parts += [_line(scale.at(tick), TOP, scale.at(tick), bottom), _text(scale.at(tick), bottom + 16, short(tick), "middle")]
    for number, (label, ratio, goal) in enumerate(bars):
        y = TOP + ROW * number
        left, right = sorted((scale.at(1), scale.at(ratio)))
        colour = COLOURS[0] if ratio >= 1 else COLOURS[1]
        parts += [_text(LEFT - 8, y + 15, label, "end"),
                  '<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>' % (left, y + 4, right - left, ROW - 8, colour),
                  _text(WIDTH - RIGHT + 6, y + 15, short(ratio) + "x")]
        if goal:
            parts.append(_line(scale.at(goal), y + 1, scale.at(goal), y + ROW - 1, "black"))
    parts.append(_line(scale.at(1), TOP, scale.at(1), bottom, "black"))
    return _svg(bottom + 30, parts)


def growth(title, unit, lines, what):
    """lines: {name: [(size, value)...]}."""
    points = [point for line in lines.values() for point in line if point[1] > 0]
    if not points:
        return _svg(TOP, [_text(10, 20, title, size=14)])
    across = Scale([x for x, _ in points], MARGIN, WIDTH - 160)
    up = Scale([y for _, y in points], HEIGHT - MARGIN, TOP)
    parts = [_text(10, 20, "%s, %s" % (title, unit), size=14)]
    for tick in across.ticks():
        parts += [_line(across.at(tick), TOP, across.at(tick), HEIGHT - MARGIN),
                  _text(across.at(tick), HEIGHT - MARGIN + 18, short(tick), "middle")]
    for tick in up.ticks():
        parts += [_line(MARGIN, up.at(tick), WIDTH - 160, up.at(tick)), _text(MARGIN - 8, up.at(tick) + 4, short(tick), "end")]
    parts.append(_text((MARGIN + WIDTH - 160) / 2, HEIGHT - MARGIN + 40, what, "middle"))
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = [(across.at(x), up.at(y)) for x, y in line if y > 0]
        if not line:
            continue
        parts.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (
            colour, " ".join("%.1f,%.1f" % point for point in line)))
        parts += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x, y, colour) for x, y in line]
        parts.append('<g fill="%s">%s</g>' % (colour, _text(line[-1][0] + 8, line[-1][1] + 4, name)))
    return _svg(HEIGHT, parts)
