"""Clocks around the kernels of a step that is profiled.

Owns `Clocks`, which writes them, and the order in which kernels have their places in the table of
`PROFILE_SYMBOL`. Imports `codegen` and `runtime.artifact`. Invariant: what is written adds to the
table and changes nothing else; a step without clocks has no trace of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphc.codegen.emit import Function
from graphc.codegen.plan import KernelPlan, StepPlan
from graphc.codegen.target import Target
from graphc.codegen.values import POINTER, Value, index
from graphc.ir.types import int64
from graphc.runtime.artifact import PROFILE_SYMBOL
from graphc.runtime.platforms import system

_HEAD = 2
"""Words of the table ahead of those of the kernels, two for each."""

_LINUX, _DARWIN = 1, 6
"""The values of CLOCK_MONOTONIC."""


def every_kernel(plan: StepPlan) -> Iterator[tuple[StepPlan, KernelPlan]]:
    """The kernels of a step and those of its nested graphs, each once: a graph's before those of
    the graphs in it."""
    pending, seen = [plan], set()
    while pending:
        step = pending.pop(0)
        if id(step) not in seen:
            seen.add(id(step))
            yield from ((step, kernel) for kernel in step.kernels)
            pending += step.nested


class Clocks:
    """Writes, into the functions of one step, readings of a counter of constant frequency.

    On x86 it is the time stamp counter, elsewhere the monotonic clock of POSIX in nanoseconds.
    """

    def __init__(self, plan: StepPlan, target: Target) -> None:
        self._numbers = {id(kernel): n for n, (_, kernel) in enumerate(every_kernel(plan))}
        self._target = target

    @contextmanager
    def whole(self, function: Function) -> Iterator[None]:
        """Around the whole step: the clock before and after is kept as it is."""
        function.store(self._now(function), self._word(function, 0))
        yield
        function.store(self._now(function), self._word(function, 1))

    @contextmanager
    def around(self, function: Function, kernel: KernelPlan) -> Iterator[None]:
        """Around the calls of a kernel, which is one run of it."""
        word = _HEAD + 2 * self._numbers[id(kernel)]
        start = self._now(function)
        yield
        ticks = function.binary("sub", self._now(function), start)
        for place, amount in ((word, index(1)), (word + 1, ticks)):
            address = self._word(function, place)
            total = function.binary("add", function.load(address, int64), amount)
            function.store(total, address)

    def _now(self, function: Function) -> Value:
        if self._target.is_x86:
            function.module.declare("declare i64 @llvm.readcyclecounter()")
            return function.emit("call i64 @llvm.readcyclecounter()", int64)
        function.module.declare("declare i32 @clock_gettime(i32, ptr)")
        time = function.stack_slots(int64, 2)
        monotonic = _DARWIN if system(self._target.triple) == "darwin" else _LINUX
        function.raw(f"call i32 @clock_gettime(i32 {monotonic}, {time.typed})")
        seconds = function.load(time, int64)
        nanoseconds = function.load(function.offset(time, int64, index(1)), int64)
        return function.binary(
            "add", function.binary("mul", seconds, index(1_000_000_000)), nanoseconds
        )

    def _word(self, function: Function, number: int) -> Value:
        words = _HEAD + 2 * len(self._numbers)
        function.module.define_global(f"@{PROFILE_SYMBOL} = external global [{words} x i64]")
        return function.offset(Value(f"@{PROFILE_SYMBOL}", POINTER), int64, index(number))
