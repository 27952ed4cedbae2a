"""Nothing leaks, nothing dangles, and any number of threads may call."""

from __future__ import annotations

import gc
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.errors import CallError
from graphc.runtime.executable import Executable
from tests.runtime.programs import LONG, accumulate, add, gather, through_workspace

X = np.array([1, 2, 3, 4], np.float32)
CALLS = 100_000


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def refusing(call: Callable[[], object]) -> Callable[[], object]:
    def refused() -> None:
        with pytest.raises(CallError):
            call()

    return refused


def check_no_leak(calls: dict[Callable[[], object], int], objects: list[object]) -> None:
    """Each of the calls, as often as said, takes no memory and keeps no reference."""
    for call in calls:
        for _ in range(1000):
            call()
    gc.collect()
    counts = [sys.getrefcount(thing) for thing in objects]
    for call, times in calls.items():
        before = resident_bytes()
        for _ in range(times):
            call()
        assert resident_bytes() - before < 1 << 20
    gc.collect()
    assert [sys.getrefcount(thing) for thing in objects] == counts


@pytest.mark.parametrize("work", [0, LONG])
def test_calls_leave_nothing_behind(work: int) -> None:
    step = add(work_nanoseconds=work)
    scalar = add("f64", "")
    model = accumulate(ParameterStorage(np.zeros(4, np.float32)), work_nanoseconds=work)
    out = np.empty(4, np.float32)
    check_no_leak(
        {
            lambda: step(X, X): CALLS,
            lambda: step(X, X, out=out): CALLS,
            lambda: scalar(1.0, 2.0): CALLS,
            lambda: model(X): CALLS,
            lambda: step(y=X, x=X): CALLS // 10,
        },
        [X, np.dtype(np.float32), np.dtype(np.float64), out, step.__call__],
    )


def test_errors_leave_nothing_behind() -> None:
    step = add()
    picker = gather(ParameterStorage(np.arange(5, dtype=np.float32)))
    labels = np.array([0, 9, 1])
    out = np.empty(3, np.float32)
    wrong = X.astype(np.float64)
    failures: list[Callable[[], object]] = [
        lambda: step(X, wrong),
        lambda: step(X),
        lambda: step(X, X, out=X),
        lambda: picker(labels),
        lambda: picker(labels, out=out),
        lambda: picker(labels=labels),
    ]
    check_no_leak(
        {refusing(failure): CALLS // 10 for failure in failures},
        [X, wrong, labels, out, np.dtype(np.float32), np.dtype(np.int64)],
    )


@pytest.mark.parametrize("work", [0, LONG])
def test_a_finalizer_in_a_cycle_may_still_call(work: int) -> None:
    results = []

    class Trainer:
        def __init__(self) -> None:
            self.step = add(work_nanoseconds=work)
            self.itself = self

        def __del__(self) -> None:
            results.append(self.step(X, X))

    for _ in range(3):
        Trainer()
        gc.collect()
    assert_array_equal(results, [X + X] * 3)


def test_loading_and_dropping_gives_the_memory_back() -> None:
    artifact = add().artifact

    def load_and_drop() -> None:
        assert_array_equal(Executable(artifact, {})(X, X), X + X)

    for _ in range(30):
        load_and_drop()
    before = resident_bytes()
    for _ in range(300):
        load_and_drop()
    assert resident_bytes() - before < 4 << 20


def test_a_parameter_outlives_the_caller_that_made_it() -> None:
    step = accumulate(ParameterStorage(np.zeros(4, np.float32)))
    gc.collect()
    filler = [np.ones(4, np.float32) for _ in range(1000)]
    assert_array_equal(step(X)[0], X)
    assert len(filler) == 1000


def test_many_threads_call_one_executable() -> None:
    size, threads, rounds = 5000, 8, 200
    step = through_workspace(size)
    wrong: list[int] = []
    start = threading.Barrier(threads)

    def call(number: int) -> None:
        x = np.full(size, number, np.float64)
        start.wait()
        for _ in range(rounds):
            total, copy = step(x)
            if total != number * size or not (copy == number).all():
                wrong.append(number)

    workers = [threading.Thread(target=call, args=(k,)) for k in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


@pytest.mark.parametrize("work", [0, LONG])
def test_no_update_is_lost_between_threads(work: int) -> None:
    storage = ParameterStorage(np.zeros(4, np.float32))
    step = accumulate(storage, work_nanoseconds=work)
    one = np.ones(4, np.float32)

    def call() -> None:
        for _ in range(2000):
            step(one)
            step.snapshot()

    workers = [threading.Thread(target=call) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert_array_equal(storage.value, np.full(4, 8000))
