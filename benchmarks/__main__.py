"""The one command: `python -m benchmarks [case ...] [--quick]`, from the root.

Runs the cases by name (all of them without a name), prints each page as it is done
and writes it with its picture into `benchmarks/results/`; a quick run writes into
`benchmarks/results/quick/`, which is not kept. Ends with the goals of all that ran;
the exit code is 1 if one was missed, so that a script can tell.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from .cases import CASES
from .report import Goal, describe_run, goal_table
from .scale import FULL, QUICK

RESULTS = Path(__file__).with_name("results")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("cases", nargs="*", metavar="case", help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="small sizes, 3 rounds")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison")
    parser.add_argument("--clients", type=int, help="idle streams to hold")
    parser.add_argument("--out", type=Path, help="where the pages go")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {unknown}; there are {list(CASES)}")
    return arguments


def main() -> int:
    """Runs what was asked for."""
    # A terminated run must end its servers too: let every `finally` have its say.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _arguments()
    scale = QUICK if arguments.quick else FULL
    if arguments.rounds:
        scale = replace(scale, rounds=arguments.rounds)
    if arguments.clients:
        scale = replace(scale, idle_clients=arguments.clients)
    folder = arguments.out or (RESULTS / "quick" if arguments.quick else RESULTS)
    goals: list[Goal] = []
    for name in arguments.cases or CASES:
        run = describe_run(scale.quick, os.getloadavg()[0])
        begin = time.monotonic()
        print(f"... {name}", file=sys.stderr, flush=True)
        report = CASES[name](scale)
        report.write(folder, run)
        seconds = time.monotonic() - begin
        print(f"{report.markdown(run)}\n({name} took {seconds:.0f} s)\n", flush=True)
        goals += report.goals
    if goals:
        page = goal_table(goals).markdown()
        print(page, flush=True)
        if set(arguments.cases or CASES) == set(CASES):
            run = describe_run(scale.quick, os.getloadavg()[0])
            (folder / "summary.md").write_text(f"# Goals\n\n{page}\n\n{run}\n")
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
