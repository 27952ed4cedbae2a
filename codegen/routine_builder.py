"""The language of routines on LLVM values.

Owns `LoopWriter`, the code generator's `RoutineBuilder`. Imports `ir.graph`, `ir.types` and the
emitter. Invariant: every loop is written once, but for the rest of a row that no vector fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from graphc.codegen.emit import Function
from graphc.codegen.routine_values import Array, Lanes, Number, Variable
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import POINTER, Value, constant, index, is_number
from graphc.ir.graph import Graph
from graphc.ir.types import DType, int32, int64, row_major_strides


@dataclass(frozen=True)
class Callee:
    """The function of a nested graph, and how many addresses its table of buffers has; the last
    are those of its outputs."""

    function: Function
    buffers: int


class LoopWriter:
    """`RoutineBuilder` that writes instructions into a function."""

    def __init__(
        self,
        function: Function,
        vector_bytes: int,
        callees: Mapping[Graph, Callee],
        workspace: Value | None,
    ) -> None:
        self.function = function
        self.scalars = VectorScalars(function)
        self._vector_bytes = vector_bytes
        self._callees = callees
        self._workspace = workspace

    def __getattr__(self, name: str) -> Callable[..., Number]:
        operation = getattr(self.scalars, name)

        def method(*operands: Number | DType) -> Number:
            values = (each.value if isinstance(each, Number) else each for each in operands)
            return Number(self, operation(*values))

        return method

    def number(self, value: float | int | bool, dtype: DType) -> Number:
        return Number(self, constant(value, dtype))

    def variable(self, value: Number) -> Variable:
        variable = Variable(self, self.function.stack_slot(value.dtype), value.dtype)
        variable.set(value)
        return variable

    @contextmanager
    def loop(self, start: Any, stop: Any = None, *, backward: bool = False) -> Iterator[Number]:
        first, last = (index(0), _index(start)) if stop is None else (_index(start), _index(stop))
        with self.function.loop(first, last, 1) as loop:
            counter = Number(self, loop.counter)
            yield Number(self, first) + Number(self, last) - 1 - counter if backward else counter

    @contextmanager
    def each(self, *sizes: int) -> Iterator[tuple[Number | int, ...]]:
        with ExitStack() as stack:
            yield tuple(0 if n == 1 else stack.enter_context(self.loop(n)) for n in sizes)

    @contextmanager
    def when(self, condition: Number) -> Iterator[None]:
        with self.function.when(condition.value):
            yield

    def lanes(self, start: Any, stop: Any, dtype: DType, body: Callable[[Lanes], None]) -> None:
        first, last, count = _index(start), _index(stop), self._width(dtype)
        if count == 1:
            with self.function.loop(first, last, 1) as loop:
                body(Lanes(loop.counter, 1, None))
            return
        whole = self._whole(first, last, count)
        with self.function.loop(first, whole, count) as loop:
            body(Lanes(loop.counter, count, None))
        with self.function.when(self.function.compare("icmp slt", whole, last)):
            body(Lanes(whole, count, self._mask(whole, last, count)))

    def position(self, lanes: Lanes) -> Number:
        numbers = self.function.lane_numbers(lanes.count) if lanes.count > 1 else index(0)
        return Number(self, self.scalars.add(lanes.start, numbers))

    def sum(self, start: Any, stop: Any, dtype: DType, term: Callable[[Lanes], Number]) -> Number:
        first, last, count = _index(start), _index(stop), self._width(dtype)
        zero = constant(0, dtype, count)
        whole = self._whole(first, last, count)
        with self.function.loop(first, whole, count, [zero]) as loop:
            here = term(Lanes(loop.counter, count, None)).value
            loop.next = [self.scalars.add(loop.carried[0], here)]
        (total,) = loop.results
        if count > 1:
            mask = self._mask(whole, last, count)
            rest = self.function.splat(term(Lanes(whole, count, mask)).value, count)
            total = self.scalars.add(total, self.scalars.select(mask, rest, zero))
        return Number(self, self._across(total))

    def copy(self, source: Array, target: Array) -> None:
        """Copy all elements of one array to another of the same shape, unless they are one."""
        if (source.address, source.strides) == (target.address, target.strides):
            return
        *outer, last = target.shape or (1,)
        scalar = not target.shape
        with self.each(*outer) as place:
            if scalar:
                target[()] = source[()]
            else:
                self.lanes(
                    0,
                    last,
                    target.dtype,
                    lambda i: target.__setitem__((*place, i), source[(*place, i)]),
                )

    def run(
        self,
        graph: Graph,
        inputs: Sequence[Array],
        params: Sequence[Array],
        outputs: Sequence[Array],
    ) -> None:
        callee, function = self._callees[graph], self.function
        arrays = (*inputs, *params, *outputs)
        if len(arrays) != callee.buffers:
            raise TypeError(f"{len(arrays)} arrays given to @{graph.name}")
        table = function.slot(f"alloca [{max(len(arrays), 1)} x ptr]", POINTER)
        for position, array in enumerate(arrays):
            function.store(array.address, function.offset(table, POINTER, index(position)))
        workspace = self._workspace or Value("null", POINTER)
        function.call(callee.function, [table, workspace])

    def call(self, where: Array, *arrays: Array) -> None:
        for array in arrays:
            if array.strides != row_major_strides(array.shape):
                raise TypeError(f"an array of {array.type} with gaps given to a foreign function")
        function = self.function
        address = function.convert("inttoptr", where[0].value, POINTER)
        returned = function.call_address(address, [array.address for array in arrays])
        counted = function.convert("trunc", where[1].value, int32)
        function.leave_if(function.binary("and", returned, counted))

    @contextmanager
    def repeat(self) -> Iterator[Callable[[Number], None]]:
        with self.function.repeat() as leave_unless:
            yield lambda condition: leave_unless(condition.value)

    def _across(self, vector: Value) -> Value:
        """The sum of a vector's lanes, added pairwise."""
        while vector.lanes > 1:
            half = vector.lanes // 2
            low = self.function.shuffle(vector, vector, range(half))
            high = self.function.shuffle(vector, vector, range(half, vector.lanes))
            vector = self.scalars.add(low, high)
        return vector

    def _width(self, dtype: DType) -> int:
        return max(self._vector_bytes // dtype.bytes, 1)

    def _whole(self, first: Value, last: Value, count: int) -> Value:
        """The end of the whole vectors between two indices."""
        if is_number(first) and is_number(last):
            known = max(int(last.ref) - int(first.ref), 0)
            return index(int(first.ref) + known // count * count)
        span = self.function.binary("sub", last, first)
        span = self.function.intrinsic("smax", span, index(0))
        full = self.function.binary("and", span, index(-count))
        return self.function.add_index(first, full)

    def _mask(self, first: Value, last: Value, count: int) -> Value:
        numbers = self.scalars.add(first, self.function.lane_numbers(count))
        return self.scalars.compare("lt", numbers, last)


def _index(value: Any) -> Value:
    if isinstance(value, Number):
        if value.dtype is not int64:
            raise TypeError(f"an index of dtype {value.dtype}")
        return value.value
    return index(value)
