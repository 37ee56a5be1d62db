"""What a run of a program takes, and what two programs take that do the same in turn."""

import contextlib
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from .processes import wait_until
from .programs import peak_memory


@dataclass
class Cost:
    """Processor seconds (user and system) of the process, seconds by the clock, and the most bytes it had resident."""

    cpu: float
    wall: float
    resident: int
    output: str = ""


def run(command, environment=None):
    """Runs a program to its end and says what it took."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [str(word) for word in command], env={**os.environ, **(environment or {})}, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        resident = peak_until_end(process.pid)
        wall = time.monotonic() - began
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
        if process.returncode:
            sys.exit(f"bench: {command[0]} failed with {process.returncode}:\n{text[-2000:]}")
        return Cost(usage.ru_utime + usage.ru_stime, wall, resident, text)


def peak_until_end(pid, timeout=math.inf):
    """Waits for the end of a process, which is still to be reaped then: the most bytes it had resident, or None when it
    did not end in time. Not by wait4, whose figure includes what this process was before it became that program."""
    resident = 0

    def has_ended():
        nonlocal resident
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        with contextlib.suppress(ProcessLookupError):
            resident = max(resident, peak_memory(pid))
        return False

    return resident if wait_until(has_ended, timeout, interval=0.02) else None


class Pair:
    """What two programs took that ran in turn. Each run is compared with the other program's next to it, so that a machine
    that becomes slower meanwhile does so for both."""

    def __init__(self):
        self.ours, self.others = [], []

    def ratios(self, name):
        return [getattr(a, name) / getattr(b, name) for a, b in zip(self.ours, self.others, strict=True)]

    def median(self, name):
        """Of ours, and of the other's."""
        return tuple(statistics.median(getattr(cost, name) for cost in costs) for costs in [self.ours, self.others])

    def ratio(self, name):
        """The median, and in brackets the least and the greatest."""
        ratios = self.ratios(name)
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def compared(ours, other, runs, after=lambda: None):
    """Runs two programs in turn, `runs` times each, and each of them once before that for the caches of the machine. Who
    goes first changes each time: the second finds the stores as the first has left them. `after` tidies up."""
    pair = Pair()
    for number in range(-1, runs):
        programs = [(ours, pair.ours), (other, pair.others)]
        for program, costs in programs if number % 2 else reversed(programs):
            # What the one before has written is not written at this one's expense.
            os.sync()
            cost = program()
            after()
            if number >= 0:
                costs.append(cost)
    return pair
