"""`python -m benchmarks.healthy --seeds 200`: which check warns of which random healthy network, and how often."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable

from .sweep import LEARNED, PROCESSES, STARTS, Outcome, outcomes, upper_bound


def asked(arguments: list[str]) -> argparse.Namespace:
    """What is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.healthy", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--processes", type=int, default=PROCESSES, help=f"at a time (default: {PROCESSES})")
    parser.add_argument("--all", action="store_true", help="show what is said of runs that did not learn, too")
    return parser.parse_args(arguments)


def line(outcome: Outcome) -> str:
    """One run in a line, and each of its alarms in another."""
    words = " ".join(f"{name}={value}" for name, value in outcome.words.items())
    learned = "healthy" if outcome.healthy else outcome.raised or "left out"
    losses = f"loss {outcome.first:.3g} to {outcome.last:.3g}, constant {outcome.constant:.3g}"
    alarms = [f"    {a.when} {a.severity} {a.check} {a.text}" for a in outcome.alarms]
    return "\n".join([f"{outcome.seed}: {learned}; {losses}; {outcome.seconds:.0f} s; {words}", *alarms])


def summary(ran: Iterable[Outcome]) -> str:
    """How many learned, which checks warned of them, and what that says of the rate."""
    every = list(ran)
    healthy = [outcome for outcome in every if outcome.healthy]
    alarmed = [outcome for outcome in healthy if outcome.alarms]
    counts = Counter(check for outcome in alarmed for check in {alarm.check for alarm in outcome.alarms})
    return "\n".join(
        [
            f"{len(every)} runs, {len(healthy)} healthy (last loss below {LEARNED} of the best constant prediction's, "
            f"first cross-entropy below {STARTS:g} times it)",
            f"{len(alarmed)} of these were warned of: {len(alarmed) / max(1, len(healthy)):.1%}, and with a doubt of "
            f"5 % at most {upper_bound(len(alarmed), len(healthy)):.1%}",
            *(f"  {check}: {count}" for check, count in counts.most_common()),
        ]
    )


def main(arguments: list[str]) -> int:
    """Run, show, and say 1 where anything was said of a healthy network."""
    wanted = asked(arguments)
    ran: list[Outcome] = []
    for outcome in outcomes(range(wanted.first, wanted.first + wanted.seeds), wanted.processes):
        ran.append(outcome)
        if wanted.all or (outcome.healthy and outcome.alarms) or outcome.raised:
            print(line(outcome), flush=True)  # noqa: T201 - a program's own output
    print(summary(ran))  # noqa: T201
    return int(any(outcome.healthy and outcome.alarms for outcome in ran))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
