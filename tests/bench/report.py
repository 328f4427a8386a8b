# SPDX-License-Identifier: Apache-2.0
"""What was promised, and how the figures compare with it."""

import dataclasses

import measure

US, FLOOR = "bulkhead", "floor"


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is timed: `who` does `verb` (run, c+s+d) with a config, with or without cgroups."""
    config: str
    cgroups: bool
    verb: str
    who: str

    def __str__(self):
        return f"{self.config} {'cgroups' if self.cgroups else 'no cgroups'} {self.verb} {self.who}"


@dataclasses.dataclass(frozen=True)
class Target:
    """`over` takes at most `limit` times what `under` takes, in "wall" or "cpu" time."""
    over: Cell
    under: Cell
    limit: float
    what: str = "wall"

    def __str__(self):
        return f"{self.over} / {self.under.config} {self.under.who}, {self.what}"


RATIOS = [
    Target(Cell("A", True, "run", US), Cell("A", True, "run", "runc"), 0.25),
    Target(Cell("A", True, "c+s+d", US), Cell("A", True, "c+s+d", "runc"), 0.25),
    Target(Cell("A", False, "run", US), Cell("A", False, "run", FLOOR), 2.0),
    Target(Cell("B", True, "run", US), Cell("A", True, "run", US), 1.3),
    Target(Cell("B", True, "c+s+d", US), Cell("A", True, "c+s+d", US), 1.3),
    *(Target(Cell(config, True, verb, US), Cell(config, True, verb, "crun"), 1.0, what)
      for config in "AB" for verb in ("run", "c+s+d") for what in ("wall", "cpu")),
]
# name, what it is in the figures of the runtime, limit, unit of the report and its size
COUNTS = [
    ("peak memory of run, config A", lambda f: f["peak_kib"]["run"], 1.6 * 1024, "KiB"),
    ("system calls of run, config A", lambda f: f["syscalls"]["run"], 450, ""),
    ("binary, stripped", lambda f: f["binary"]["stripped"] / 1024, 2048, "KiB"),
    ("shared libraries needed (0 = static)", lambda f: 0 if f["binary"]["static"] else 1, 0, ""),
]


def table(rows, right):
    """Lines of a table; column numbers in `right` are aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.rjust(w) if i in right else c.ljust(w)
                      for i, (c, w) in enumerate(zip(row, widths))).rstrip() for row in rows]


def times_table(cells):
    rows = [("config", "cgroups", "verb", "who", "min", "p50", "p95", "CPU", "runs", "others")]
    for cell in sorted(cells, key=lambda c: (c.config, not c.cgroups, c.verb != "run", c.who)):
        s = measure.summary(cells[cell])
        busy = sum(b.foreign for b in cells[cell]) / len(cells[cell])
        rows.append((cell.config, "yes" if cell.cgroups else "no", cell.verb, cell.who,
                     *(f"{s[k]:.2f}" for k in ("min", "p50", "p95", "cpu")), str(s["runs"]), f"{busy:.2f}"))
    return table(rows, range(4, 10))


def figures_table(figures):
    rows = [("who", "run", "create", "start", "delete", "run", "create", "start", "delete", "KiB", "static")]
    for who, f in figures.items():
        rows.append((who, *(str(f[kind].get(verb, "-")) for kind in ("peak_kib", "syscalls")
                            for verb in ("run", "create", "start", "delete")),
                     f"{f['binary']['stripped'] / 1024:.0f}", "yes" if f["binary"]["static"] else "no"))
    return table(rows, range(1, 10))


def verdicts(cells, figures):
    """One dict a target: name, value, low, high, of_minima, of_cpu, limit, met (None = could not be measured)."""
    found = []
    for target in RATIOS:
        entry = {"name": str(target), "limit": target.limit, "unit": "", "value": None, "met": None}
        if target.over in cells and target.under in cells:
            entry |= measure.ratio(cells[target.over], cells[target.under], target.what)
            entry["met"] = entry["value"] <= target.limit
        found.append(entry)
    for name, value_of, limit, unit in COUNTS:
        entry = {"name": name, "limit": limit, "unit": unit, "value": None, "met": None}
        if US in figures:
            value = value_of(figures[US])
            entry |= {"value": value, "met": value <= limit}
        found.append(entry)
    return found


def verdicts_table(found):
    word = {True: "met", False: "MISSED", None: "not measured"}
    rows = [("target", "value", "of rounds", "of minima", "of CPU", "limit", "")]
    for v in found:
        digits = 0 if v["limit"] > 10 or v["limit"] == 0 else 3 if v["limit"] < 1 else 2
        show = lambda key: f"{v[key]:.{digits}f}" if v.get(key) is not None else "-"
        spread = f"{v['low']:.2f} to {v['high']:.2f}" if "low" in v else ""
        rows.append((v["name"], show("value"), spread, *(show(k) if k in v else "" for k in ("of_minima", "of_cpu")),
                     f"<= {v['limit']:.{digits}f} {v['unit']}".rstrip(), word[v["met"]]))
    return table(rows, (1, 3, 4))
