"""`python -m benchmarks.healthy --seeds 200`: measure how often spikecheck warns about healthy networks."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable

from .sweep import LEARNED, PROCESSES, STARTS, Outcome, outcomes, upper_bound


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.healthy", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="number of seeds (default: 200)")
    parser.add_argument("--first", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument(
        "--processes", type=int, default=PROCESSES, help=f"number of worker processes (default: {PROCESSES})"
    )
    parser.add_argument("--all", action="store_true", help="also show runs that did not learn")
    return parser.parse_args(arguments)


def line(outcome: Outcome) -> str:
    """Format one run as a line, followed by a line per alarm."""
    words = " ".join(f"{name}={value}" for name, value in outcome.words.items())
    learned = "healthy" if outcome.healthy else outcome.raised or "not counted"
    losses = f"loss {outcome.first:.3g} to {outcome.last:.3g}, constant {outcome.constant:.3g}"
    alarms = [f"    {a.when} {a.severity} {a.check} {a.text}" for a in outcome.alarms]
    return "\n".join([f"{outcome.seed}: {learned}; {losses}; {outcome.seconds:.0f} s; {words}", *alarms])


def summary(results: Iterable[Outcome]) -> str:
    """Summarize how many runs learned, which checks warned, and the bound on the false warning rate."""
    every = list(results)
    healthy = [outcome for outcome in every if outcome.healthy]
    alarmed = [outcome for outcome in healthy if outcome.alarms]
    counts = Counter(check for outcome in alarmed for check in {alarm.check for alarm in outcome.alarms})
    return "\n".join(
        [
            f"{len(every)} runs, {len(healthy)} healthy (last loss below {LEARNED} times that of the best constant "
            f"prediction, first cross-entropy below {STARTS:g} times it)",
            f"{len(alarmed)} of these with a false warning: {len(alarmed) / max(1, len(healthy)):.1%}, at most "
            f"{upper_bound(len(alarmed), len(healthy)):.1%} with 95% confidence",
            *(f"  {check}: {count}" for check, count in counts.most_common()),
        ]
    )


def main(arguments: list[str]) -> int:
    """Run and print the benchmark; return 1 if a healthy network got a warning."""
    options = parse_arguments(arguments)
    results: list[Outcome] = []
    for outcome in outcomes(range(options.first, options.first + options.seeds), options.processes):
        results.append(outcome)
        if options.all or (outcome.healthy and outcome.alarms) or outcome.raised:
            print(line(outcome), flush=True)  # noqa: T201 - a program's own output
    print(summary(results))  # noqa: T201
    return int(any(outcome.healthy and outcome.alarms for outcome in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
