"""What was measured, as text, JSON and SVG. Knows nothing of how it was measured."""

import dataclasses
import json
import platform
import statistics
import subprocess
from xml.sax.saxutils import escape


def duration(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


class Sample:
    """The times of one contender, in seconds."""

    def __init__(self, values):
        self.values = values
        self.median = statistics.median(values)

    def text(self):
        return f"{duration(self.median):>10}  ({duration(min(self.values))} to {duration(max(self.values))})"


@dataclasses.dataclass
class Comparison:
    """Contenders at one work; the first is ksign, the goal is its ratio to the second."""

    title: str
    samples: dict
    goal: float | None

    def ratios(self):
        """How many times longer than ksign each of the others takes, by medians."""
        first, *others = self.samples
        return {name: self.samples[name].median / self.samples[first].median for name in others}

    def text(self):
        lines = [self.title]
        ratios = self.ratios()
        for index, (name, sample) in enumerate(self.samples.items()):
            ratio = f"{ratios[name]:7.2f} x" if index > 0 else " " * 9
            goal = f"  (goal: {self.goal:g} x)" if index == 1 and self.goal else ""
            lines.append(f"  {ratio}  {sample.text():38}  {name}{goal}")
        return "\n".join(lines)

    def data(self):
        return {"work": self.title, "goal": self.goal, "ratios": self.ratios(),
                "seconds": {name: sample.values for name, sample in self.samples.items()}}


@dataclasses.dataclass
class Figures:
    """Values by name, of one unit."""

    title: str
    unit: str
    values: dict

    def text(self):
        return "\n".join([self.title, *(f"  {value:9.2f} {self.unit}  {name}" for name, value in self.values.items())])

    def data(self):
        return {"work": self.title, "unit": self.unit, "values": self.values}


@dataclasses.dataclass
class Curves:
    """Seconds by a growing number, for each of several names."""

    title: str
    unit: str
    curves: dict

    def text(self):
        lines = [self.title]
        for name, points in self.curves.items():
            lines.append(f"  {name:8}" + "".join(f"  {at} {self.unit}: {duration(seconds)}" for at, seconds in points))
        return "\n".join(lines)

    def data(self):
        return {"work": self.title, "unit": self.unit, "curves": self.curves}


def machine(arguments):
    """What the figures are of."""
    version = subprocess.run([arguments.ksign, "--version"], check=True, capture_output=True, text=True).stdout.split("\n")[0]
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    processor = f"{len(models)} x {models[0]}" if models else platform.machine()
    return {"ksign": version, "modules": arguments.package, "rounds": arguments.rounds, "processor": processor}


def write(folder, about, results):
    folder.mkdir(parents=True, exist_ok=True)
    head = "\n".join(f"{name}: {value}" for name, value in about.items())
    (folder / "report.txt").write_text(head + "\n\n" + "\n".join(result.text() for result in results) + "\n")
    (folder / "report.json").write_text(json.dumps({**about, "results": [result.data() for result in results]}, indent=1) + "\n")
    (folder / "report.svg").write_text(svg(about, results))


# --- SVG --------------------------------------------------------------------------

WIDTH = 760
LABELS = 300
COLOURS = ("#1f6feb", "#8b949e", "#d29922", "#3fb950")


class Canvas:
    """Elements from the top down."""

    def __init__(self):
        self.elements = []
        self.height = 16

    def text(self, x, y, text, anchor="start", weight="normal", size=12):
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
                             f'font-size="{size}">{escape(text)}</text>')

    def bar(self, x, y, width, colour):
        self.elements.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="12" fill="{colour}"/>')

    def line(self, points, colour):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.elements.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')

    def finish(self):
        return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}" '
                          f'font-family="sans-serif" fill="#24292f">',
                          '<rect width="100%" height="100%" fill="#ffffff"/>', *self.elements, "</svg>\n"])


def draw_comparison(canvas, comparison):
    """A bar for each contender, as long as it takes; the longest fills the width."""
    longest = max(sample.median for sample in comparison.samples.values())
    canvas.text(8, canvas.height + 12, comparison.title, weight="bold")
    canvas.height += 20
    ratios = comparison.ratios()
    for index, (name, sample) in enumerate(comparison.samples.items()):
        width = (WIDTH - LABELS - 150) * sample.median / longest
        shown = name if len(name) <= 46 else name[:45] + "…"
        canvas.text(LABELS - 8, canvas.height + 10, shown, anchor="end", size=11)
        canvas.bar(LABELS, canvas.height, width, COLOURS[index % len(COLOURS)])
        ratio = f", {ratios[name]:.2f} times" if index > 0 else ""
        canvas.text(LABELS + width + 6, canvas.height + 10, duration(sample.median) + ratio, size=11)
        canvas.height += 17
    canvas.height += 10


def draw_curves(canvas, curves):
    """Both axes from zero, so that what is linear is a straight line from the corner."""
    height = 180
    right = max(at for points in curves.curves.values() for at, _ in points)
    top = max(seconds for points in curves.curves.values() for _, seconds in points)
    left, bottom = 80, canvas.height + 24 + height
    across = WIDTH - left - 120
    canvas.text(8, canvas.height + 12, curves.title, weight="bold")
    canvas.line([(left, canvas.height + 24), (left, bottom), (left + across, bottom)], "#57606a")
    canvas.text(left - 6, canvas.height + 32, duration(top), anchor="end", size=11)
    canvas.text(left + across, bottom + 14, f"{right} {curves.unit}", anchor="end", size=11)
    for index, (name, points) in enumerate(curves.curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        places = [(left + across * at / right, bottom - height * seconds / top) for at, seconds in points]
        canvas.line(places, colour)
        canvas.text(places[-1][0] + 6, places[-1][1] + 4, name, size=11)
    canvas.height = bottom + 30


def svg(about, results):
    canvas = Canvas()
    canvas.text(8, canvas.height + 4, f"{about['ksign']}, on {about['modules']}, {about['processor']}; less is better", size=11)
    canvas.height += 20
    for result in results:
        if isinstance(result, Comparison):
            draw_comparison(canvas, result)
        elif isinstance(result, Curves):
            draw_curves(canvas, result)
    return canvas.finish()
