"""Interleaved rounds: everybody has a turn in each round, in a turning order.

A machine drifts: other work, heat, caches. Contenders measured one after the other
drift apart for no reason of their own; contenders measured in turns drift together.

A round is several short turns of each, and its value is their median. A single turn
can be twice as slow or as fast as the next for reasons that have nothing to do with
it: the caches, the scheduler, the neighbours of a virtual machine.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from .report import Samples

T = TypeVar("T")

TURNS = 5


def interleave(
    rounds: int, contenders: Mapping[str, Callable[[], T]]
) -> dict[str, list[T]]:
    """Gives what each contender gave, turn by turn, but for a first that doesn't count.

    :return: `rounds` times `TURNS` results for each; `by_round` makes rounds of them.
    """
    names = list(contenders)
    results: dict[str, list[T]] = {name: [] for name in names}
    for turn in contenders.values():
        turn()
    for number in range(rounds * TURNS):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(contenders[name]())
    return results


def shuffled(
    rounds: int, contenders: Mapping[str, Callable[[], T]], *, warm_up: bool = True
) -> dict[str, list[T]]:
    """The same with one turn of each in a round, and an order drawn anew for each.

    For turns that are long, and of which the one before may disturb the next.

    :param warm_up: whether there is a first turn that doesn't count.
    """
    order = list(contenders)
    results: dict[str, list[T]] = {name: [] for name in order}
    if warm_up:
        for turn in contenders.values():
            turn()
    draw = random.Random(rounds)
    for _ in range(rounds):
        draw.shuffle(order)
        for name in order:
            results[name].append(contenders[name]())
    return results


def by_round(results: Sequence[T], figure: Callable[[T], float]) -> Samples:
    """One figure of each result, the median of each round's turns."""
    figures = [figure(result) for result in results]
    starts = range(0, len(figures), TURNS)
    return Samples(statistics.median(figures[i : i + TURNS]) for i in starts)
