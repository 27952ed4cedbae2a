"""What routines compute with, on LLVM values: numbers, arrays, variables, lanes.

Owns `Number`, `Array`, `Variable` and `Lanes`; `codegen.routine_builder` makes them. Imports
`ir.types` and the emitter. Invariant: a vector at the end of a row touches only the lanes that are
inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphc.codegen.values import Value, constant, index
from graphc.ir.types import DType, Shape, TensorType, bool_

if TYPE_CHECKING:
    from graphc.codegen.routine_builder import LoopWriter


@dataclass(frozen=True, eq=False)
class Number:
    """A value with operators; Python numbers take its dtype."""

    builder: LoopWriter
    value: Value

    @property
    def dtype(self) -> DType:
        return self.value.dtype

    def __add__(self, other: Number | float) -> Number:
        return self._with("add", other)

    def __sub__(self, other: Number | float) -> Number:
        return self._with("sub", other)

    def __mul__(self, other: Number | float) -> Number:
        return self._with("mul", other)

    def __truediv__(self, other: Number | float) -> Number:
        return self._with("div", other)

    def __floordiv__(self, other: Number | float) -> Number:
        return self._with("div", other)

    def __mod__(self, other: Number | float) -> Number:
        return self - self // other * other

    def __radd__(self, other: float) -> Number:
        return self._with("add", other)

    def __rsub__(self, other: float) -> Number:
        return self._constant(other) - self

    def __rmul__(self, other: float) -> Number:
        return self._with("mul", other)

    def __rtruediv__(self, other: float) -> Number:
        return self._constant(other) / self

    def __neg__(self) -> Number:
        return self.builder.neg(self)

    def __and__(self, other: Number | float) -> Number:
        return self._integer("and", other)

    def __or__(self, other: Number | float) -> Number:
        return self._integer("or", other)

    def __xor__(self, other: Number | float) -> Number:
        return self._integer("xor", other)

    def __lshift__(self, other: Number | float) -> Number:
        return self._integer("shl", other)

    def __rshift__(self, other: Number | float) -> Number:
        return self._integer("ashr" if self.dtype.kind == "int" else "lshr", other)

    def __invert__(self) -> Number:
        return self ^ (True if self.dtype is bool_ else -1)

    def __lt__(self, other: Number | float) -> Number:
        return self._compared("lt", other)

    def __le__(self, other: Number | float) -> Number:
        return self._compared("le", other)

    def __gt__(self, other: Number | float) -> Number:
        return self._compared("gt", other)

    def __ge__(self, other: Number | float) -> Number:
        return self._compared("ge", other)

    def eq(self, other: Number | float) -> Number:
        return self._compared("eq", other)

    def ne(self, other: Number | float) -> Number:
        return self._compared("ne", other)

    def astype(self, dtype: DType) -> Number:
        return Number(self.builder, self.builder.scalars.cast(self.value, dtype))

    def _with(self, name: str, other: Number | float) -> Number:
        operation = getattr(self.builder.scalars, name)
        return Number(self.builder, operation(self.value, self._operand(other)))

    def _integer(self, opcode: str, other: Number | float) -> Number:
        result = self.builder.scalars.integer(opcode, self.value, self._operand(other))
        return Number(self.builder, result)

    def _compared(self, how: Any, other: Number | float) -> Number:
        result = self.builder.scalars.compare(how, self.value, self._operand(other))
        return Number(self.builder, result)

    def _constant(self, number: float) -> Number:
        return self.builder.number(number, self.dtype)

    def _operand(self, other: Number | float) -> Value:
        return other.value if isinstance(other, Number) else constant(other, self.dtype)


@dataclass(frozen=True, eq=False)
class Lanes:
    """Neighbouring indices from `start`; those outside of `mask` are not to be touched."""

    start: Value
    count: int
    mask: Value | None

    def __add__(self, other: int) -> Lanes:
        raise TypeError("lanes are an index as they stand; shift the array's other indices")


@dataclass(frozen=True, eq=False)
class Array:
    """A tensor in memory. It is told apart whether this kernel writes it: what it only reads may
    be loaded ahead of loops."""

    builder: LoopWriter
    type: TensorType
    address: Value
    strides: tuple[int, ...]
    written: bool

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    def __getitem__(self, place: Any) -> Number:
        return Number(self.builder, self._load(place))

    def __setitem__(self, place: Any, value: Number | float | tuple[Number, ...]) -> None:
        if isinstance(value, tuple):
            entries = place if isinstance(place, tuple) else (place,)
            if any(number.dtype is not self.dtype for number in value):
                raise TypeError(f"numbers of other dtypes stored in an array of {self.type}")
            self._store_row(entries, [number.value for number in value])
            return
        self._store(place, value.value if isinstance(value, Number) else None, value)

    def at(self, i: Number | int) -> Array:
        """The part of the array at an index of axis 0."""
        function = self.builder.function
        here = i.value if isinstance(i, Number) else index(i)
        offset = function.scale_index(here, self.strides[0])
        address = function.offset(self.address, self.dtype, offset)
        part = self.type.with_shape(self.shape[1:])
        return Array(self.builder, part, address, self.strides[1:], self.written)

    def varies(self, axis: int) -> bool:
        """False where all along an axis one element is read, which was broadcast to it."""
        return self.strides[axis] != 0

    def rows(self, size: int) -> Array:
        """The last axis as rows of a size; what fills no row is left out."""
        *lead, last = self.shape
        *strides, step = self.strides
        whole = self.type.with_shape((*lead, last // size, size))
        return Array(self.builder, whole, self.address, (*strides, step * size, step), self.written)

    def _load(self, place: Any) -> Value:
        function, read_only = self.builder.function, not self.written
        position, lanes, step = self._position(place)
        if lanes is None or step == 0:
            address = function.offset(self.address, self.dtype, position)
            return function.load(address, self.dtype, read_only=read_only)
        if step == 1:
            address = function.offset(self.address, self.dtype, position)
            if lanes.mask is None:
                return function.load(address, self.dtype, lanes.count, read_only=read_only)
            return function.load_masked(address, self.dtype, lanes.mask, read_only=read_only)
        addresses = self._spread(position, lanes, step)
        mask = lanes.mask or function.splat(constant(True, bool_), lanes.count)
        return function.gather(addresses, self.dtype, mask, read_only=read_only)

    def _store(self, place: Any, value: Value | None, number: Any) -> None:
        function = self.builder.function
        value = constant(number, self.dtype) if value is None else value
        if value.dtype is not self.dtype:
            raise TypeError(f"a {value.dtype} stored in an array of {self.type}")
        position, lanes, step = self._position(place)
        if lanes is None:
            function.store(value, function.offset(self.address, self.dtype, position))
            return
        value = function.splat(value, lanes.count)
        if step == 1:
            address = function.offset(self.address, self.dtype, position)
            if lanes.mask is None:
                function.store(value, address)
            else:
                function.store_masked(value, address, lanes.mask)
            return
        for lane in range(lanes.count):
            self._store_lane(function.extract(value, lane), position, lanes, lane, step)

    def _store_row(self, entries: tuple[Any, ...], values: list[Value]) -> None:
        """Values along the last axis; those of neighbouring rows that lie in memory one after the
        other are one vector."""
        size = len(values)
        lanes = entries[-1] if entries and isinstance(entries[-1], Lanes) else None
        packed = self.strides[-2:] == (size, 1) and size.bit_count() == 1
        if lanes is None or lanes.count == 1 or not packed:
            for j, value in enumerate(values):
                self._store((*entries, j), value, None)
            return
        function = self.builder.function
        values = [function.splat(value, lanes.count) for value in values]
        while len(values) > 1:
            half = len(values) // 2
            values = [self._interleaved(values[j], values[j + half]) for j in range(half)]
        position, _, _ = self._position((*entries[:-1], Number(self.builder, lanes.start), 0))
        address = function.offset(self.address, self.dtype, position)
        if lanes.mask is None:
            function.store(values[0], address)
        else:
            places = [k // size for k in range(lanes.count * size)]
            mask = function.shuffle(lanes.mask, lanes.mask, places)
            function.store_masked(values[0], address, mask)

    def _interleaved(self, x: Value, y: Value) -> Value:
        """Lanes of two vectors by turns."""
        picks = [lane + side * x.lanes for lane in range(x.lanes) for side in (0, 1)]
        return self.builder.function.shuffle(x, y, picks)

    def _store_lane(
        self, value: Value, position: Value, lanes: Lanes, lane: int, step: int
    ) -> None:
        function = self.builder.function
        here = function.add_index(position, index(lane * step))
        address = function.offset(self.address, self.dtype, here)
        if lanes.mask is None:
            function.store(value, address)
            return
        with function.when(function.extract(lanes.mask, lane)):
            function.store(value, address)

    def _position(self, place: Any) -> tuple[Value, Lanes | None, int]:
        """Where an index is from the array's start, and how far apart its lanes are."""
        function = self.builder.function
        entries = place if isinstance(place, tuple) else (place,)
        if len(entries) != len(self.strides):
            raise IndexError(f"{len(entries)} indices for {self.type}")
        position, lanes, step = index(0), None, 0
        for entry, stride in zip(entries, self.strides, strict=True):
            if isinstance(entry, Lanes):
                if entry.count > 1:
                    lanes, step = entry, step + stride
                here = entry.start
            else:
                here = entry.value if isinstance(entry, Number) else index(entry)
            position = function.add_index(position, function.scale_index(here, stride))
        return position, lanes, step

    def _spread(self, position: Value, lanes: Lanes, step: int) -> Value:
        function, scalars = self.builder.function, self.builder.scalars
        numbers = function.lane_numbers(lanes.count)
        offsets = scalars.add(position, scalars.mul(numbers, index(step)))
        return function.offset(self.address, self.dtype, offsets)


@dataclass(frozen=True, eq=False)
class Variable:
    """A number kept in a stack slot, which LLVM makes a register."""

    builder: LoopWriter
    slot: Value
    dtype: DType

    def get(self) -> Number:
        return Number(self.builder, self.builder.function.load(self.slot, self.dtype))

    def set(self, value: Number | float) -> None:
        number = value.value if isinstance(value, Number) else constant(value, self.dtype)
        if number.dtype is not self.dtype:
            raise TypeError(f"a {number.dtype} set to a variable of {self.dtype}")
        self.builder.function.store(number, self.slot)
