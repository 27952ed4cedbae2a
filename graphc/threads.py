"""How many threads a step is compiled for.

Owns `check_threads` and `chosen_threads`. Imports `config`, and the target when it is asked for a
number. Invariant: the number changes how fast a step is, and not a bit of what it computes.
"""

from __future__ import annotations

import operator

from graphc import config
from graphc.ir.diagnostics import AttributeValueError
from graphc.runtime.artifact import MOST_THREADS


def check_threads(threads: int | None) -> int | None:
    """`threads` itself. Raises `AttributeValueError` unless it is None or a possible number."""
    if threads is None:
        return None
    try:
        number = 0 if isinstance(threads, bool) else operator.index(threads)
    except TypeError:
        number = 0
    if not 1 <= number <= MOST_THREADS:
        raise AttributeValueError(
            f"threads must be a whole number from 1 to {MOST_THREADS}, got {threads!r}",
            help="leave it out for one thread on each core that this process may use",
        )
    return number


def chosen_threads(threads: int | None) -> int:
    """The number given; without one that of `GRAPHC_THREADS`, and without that the cores that this
    process may use."""
    threads = check_threads(threads) or config.THREADS.number(MOST_THREADS)
    if threads:
        return threads
    from graphc.codegen.target import host_target

    return min(host_target().cores, MOST_THREADS)
