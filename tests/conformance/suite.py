# SPDX-License-Identifier: Apache-2.0
"""What the runners of others' suites have in common: where a suite is, what its tests are expected to say, TAP.

A file NAME.expected has a line for each test that does not simply pass: VERDICT TEST | REASON.
"""

import fcntl
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# What a test of each verdict may end with. `may` depends on the machine or on chance; `race` is tried a few times.
ACCEPTED = {"pass": {"pass"}, "race": {"pass"}, "fail": {"fail"}, "may": {"pass", "fail"}, "empty": {"empty"}}
# Nothing that a test leaves outlives it; catatonit reaps at once what has lost its parent.
ALONE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "catatonit",
         "--"]


def find(name):
    """The suite that `./dev setup` has built from tests/tools/NAME, and the program under test; ends where there is none.

    Others who run it on this machine are waited for, until the process ends: the names of cgroups are the suite's own.
    """
    suite = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "bulkhead/tools" / name
    runtime = os.environ.get("BULKHEAD", "")
    if not os.access(runtime, os.X_OK):
        sys.exit(f"tests/conformance/{name}: BULKHEAD must name the binary to test")
    if not suite.is_dir():
        print(f"1..1\nok 1 - {name} # SKIP needs the suite, which ./dev setup builds where there is Go")
        sys.exit(0)
    fcntl.flock(os.open(suite, os.O_RDONLY), fcntl.LOCK_EX)
    return suite, os.path.realpath(runtime)


class Report:
    """TAP of one suite, judged by what is expected of it."""

    def __init__(self, name):
        self.name, self.count, self.good, self.met = name, 0, True, set()
        lines = (HERE / f"{name}.expected").read_text().splitlines()
        words = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
        self.table = {test: (verdict, reason) for verdict, rest in words for test, reason in [rest.rsplit(" | ", 1)]}

    def verdict(self, test):
        return self.table.get(test, ("pass", ""))[0]

    def add(self, test, outcome, said):
        """A test's outcome (pass, fail, empty, or "skip REASON"), and the lines that it said."""
        verdict, reason = self.table.get(test, ("pass", ""))
        self.count += 1
        self.met.add(test)
        title = f"{self.count} - {self.name} {test}"
        if outcome.startswith("skip "):
            print(f"ok {title} # SKIP the suite: {outcome.removeprefix('skip ')}")
        elif outcome not in ACCEPTED[verdict]:
            self.good = False
            print(f"not ok {title}", f"# {outcome}, where {verdict} is expected: {reason}", sep="\n")
            print(*(f"# {line}" for line in said[-40:]), sep="\n")
        elif outcome == "pass":
            print(f"ok {title}")
        else:
            print(f"ok {title} # SKIP limit of suite or machine: {reason}")
        sys.stdout.flush()

    def end(self, whole):
        """The plan, and if the WHOLE suite has run, what was expected of tests that there are not; the exit status."""
        if whole and set(self.table) - self.met:
            self.good = False
            print(f"not ok {self.count + 1} - {self.name} has not: {', '.join(sorted(set(self.table) - self.met))}")
            self.count += 1
        print(f"1..{self.count}")
        return 0 if self.good else 1
