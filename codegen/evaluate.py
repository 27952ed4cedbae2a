"""Evaluating graph values inside a loop nest.

Owns `Evaluator`: given a node and the index at which it is wanted, it writes the loads and
arithmetic that compute it there, for one element or a vector of neighbours, following access maps
through the ops that only move data. Imports `ir` and the emitter. Invariants: a load reads only
elements whose lane is active and whose index is in bounds; nothing recurses; what does not vary
in a loop is written ahead of it, by the emitter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from graphc.codegen.calls import lowered
from graphc.codegen.coordinates import Axis, Buffer, Index, Indices, affine_index
from graphc.codegen.emit import Function
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.standing import Standing
from graphc.codegen.values import Value, constant, index
from graphc.codegen.writer import Loop
from graphc.ir.access import broadcast_map, operand_maps
from graphc.ir.graph import Node
from graphc.ir.op import AccessMap, Affine, Family, Indirect
from graphc.ir.scalar import Comparison
from graphc.ir.types import DType, Shape, bool_, int64, uint64

Key = tuple[Node, Indices, "Value | None"]
"""A value wanted: the node, where, and which lanes are active (None: all)."""


class Evaluator:
    """Writes into `function` the values of nodes at indices.

    `buffers` says where stored nodes lie; a node in it is loaded, any other is computed from its
    operands. `lane_axis` is the axis along which a vector of `lanes` neighbours is computed at
    once (None: one element at a time).
    """

    def __init__(
        self,
        function: Function,
        buffers: Mapping[Node, Buffer],
        lane_axis: Axis | None = None,
        lanes: int = 1,
    ) -> None:
        self.function = function
        self.scalars = VectorScalars(function)
        self.buffers = dict(buffers)
        self.lanes = lanes
        self.standing = Standing(function, lane_axis, lanes)
        self._known: dict[Key, Value] = {}
        self._helpers: dict[object, Value] = {}
        self._bound: dict[Node | tuple[Node, Indices], Value] = {}

    # Where the code stands

    def set_axis(self, axis: Axis, value: Value) -> None:
        """Say where on `axis` the code written from here on stands (a scalar i64)."""
        self.standing.move(axis, value)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Code that may not run each time, or that repeats: what is computed or bound in it is
        forgotten after it."""
        state = self._known, self._helpers, self._bound, self.standing, self.buffers
        self._known, self._helpers = dict(self._known), dict(self._helpers)
        self._bound, self.buffers = dict(self._bound), dict(self.buffers)
        self.standing = self.standing.copy()
        yield
        self._known, self._helpers, self._bound, self.standing, self.buffers = state

    @contextmanager
    def loop(
        self, axis: Axis, start: int, stop: int, step: int, carried: Sequence[Value] = ()
    ) -> Iterator[Loop]:
        """Loop over part of an axis."""
        with (
            self.function.loop(index(start), index(stop), step, carried, axis.name) as loop,
            self.scope(),
        ):
            self.set_axis(axis, loop.counter)
            yield loop

    @contextmanager
    def vectors_of(self, lanes: int) -> Iterator[None]:
        """Code, in a scope of its own, that computes so many neighbours at once."""
        usual, self.lanes = self.lanes, lanes
        yield
        self.lanes = usual

    def bind(self, node: Node, value: Value) -> None:
        """`node` has this value here, at whatever index it is asked for."""
        self._bound[node] = value

    def bind_at(self, node: Node, at: Indices, value: Value) -> None:
        """`node` has this value at exactly this index."""
        self._bound[node, _element(node, at)] = value

    # Values

    def value(self, node: Node, at: Indices, mask: Value | None = None) -> Value:
        """The value of `node` at an index.

        A vector of `lanes` if it varies along the lane axis, else a scalar. With a mask only the
        active lanes are read; the others hold some number.
        """
        goal = (node, at, mask)
        stack = [goal]
        while stack:
            missing = [need for need in self._needs(stack[-1]) if self._lookup(need) is None]
            if missing:
                stack += missing
                continue
            key = stack.pop()
            if self._lookup(key) is None:
                self._known[key] = self._compute(key)
        return self._get(goal)

    def address(self, buffer: Buffer, at: Indices, dtype: DType) -> Value:
        """Where the element at an index lies; the first, where the index moves with the lanes."""
        base, _ = self._offset(buffer.strides, at)
        return self.function.offset(buffer.address, dtype, base)

    def store(self, buffer: Buffer, at: Indices, value: Value, mask: Value | None = None) -> None:
        """Store a value at an index of a buffer; a scalar is repeated over the lanes if the
        index moves along the lane axis."""
        base, step = self._offset(buffer.strides, at)
        if step not in (0, 1) or base.lanes > 1:
            vector = self.function.splat(value, self.lanes)
            where = self._along_lanes(base, step)
            addresses = self.function.offset(buffer.address, value.dtype, where)
            active = self.function.splat(mask or constant(True, bool_), self.lanes)
            self.function.scatter(vector, addresses, active)
            return
        address = self.function.offset(buffer.address, value.dtype, base)
        if step == 0 or self.lanes == 1:
            # All lanes go to one place: the first is what is wanted of a vector.
            single = self.function.extract(value, 0) if value.lanes > 1 else value
            self.function.store(single, address)
            return
        vector = self.function.splat(value, self.lanes)
        if mask is None:
            self.function.store(vector, address)
        else:
            self.function.store_masked(vector, address, mask)

    def index_value(self, at: Index) -> Value:
        """An index as an i64: a vector if it moves along the lane axis."""
        base, step = self._offset((1,), (at,))
        return self._along_lanes(base, step)

    # Steps of the evaluation

    def _lookup(self, key: Key) -> Value | None:
        node, at, _ = key
        for bound in (node, (node, _element(node, at))):
            if bound in self._bound:
                return self._bound[bound]
        return self._known.get(key)

    def _get(self, key: Key) -> Value:
        value = self._lookup(key)
        if value is None:
            raise KeyError(f"{key[0]!r} has not been computed")
        return value

    def _needs(self, key: Key) -> list[Key]:
        """Other values that must be known before this one can be computed.

        Where the index of one operand is itself a value, that value is asked for first.
        """
        node, _, _ = key
        if self._lookup(key) is not None or node in self.buffers:
            return []
        if node.op.family is Family.SOURCE:
            return []
        return [need for need in self._operand_keys(key) if need is not None]

    def _operand_keys(self, key: Key) -> list[Key | None]:
        """Per operand the value wanted of it; None where there is none (out of bounds for all
        of the loop, or only used as an index)."""
        node, at, mask = key
        if node.op.family is Family.ELEMENTWISE:
            return [(operand, _broadcast(operand, node, at), mask) for operand in node.operands]
        maps = operand_maps(node)
        if maps is None:
            raise ValueError(f"{node!r} can be neither loaded nor computed here")
        keys: list[Key | None] = []
        for operand, mapping in zip(node.operands, maps, strict=True):
            if mapping is None:
                keys.append(None)
                continue
            sources = [self._index_key(key, e) for e in mapping if isinstance(e, Indirect)]
            unknown = [source for source in sources if self._lookup(source) is None]
            if unknown:
                return list(unknown)
            at = self._mapped(key, mapping, operand.shape)
            active = mask
            if node.op.fill is not None:
                if operand.type.size == 0 or _never_inside(at, operand.shape):
                    keys.append(None)
                    continue
                inside = self._inside(at, operand.shape)
                active = self._both(mask, inside)
            keys.append((operand, at, active))
        return keys

    def _compute(self, key: Key) -> Value:
        node, at, mask = key
        if node in self.buffers:
            return self._load(node, at, mask)
        if node.op.family is Family.SOURCE:
            return self._source(node, at)
        keys = self._operand_keys(key)
        if node.op.fill is not None:
            return self._first_inside(node, keys)
        values = [self._get(operand) for operand in keys if operand is not None]
        if node.op.lower is None:
            return values[0]
        name = self.function.names.get(node, "%_")
        where = f"  # {node.loc}" if node.loc else ""
        self.function.comment(f"{name} = {node.op.name}{where}")
        return lowered(self.scalars, node, values)

    def _source(self, node: Node, at: Indices) -> Value:
        """A value that needs no operand: a scalar constant, or a position (iota)."""
        if node.op.position is not None:
            axis = node.op.position(node.attrs)
            return self.scalars.cast(self.index_value(at[axis]), node.dtype)
        if node.op.value is None:
            raise ValueError(f"{node!r} has no buffer")
        return constant(node.op.value(node.attrs).item(), node.dtype)

    def _first_inside(self, node: Node, keys: Sequence[Key | None]) -> Value:
        """The operand in whose bounds the index lies, else the fill."""
        assert node.op.fill is not None
        result = constant(node.op.fill(node.attrs), node.dtype)
        for key in reversed(keys):
            if key is None:
                continue
            value, inside = self._get(key), self._inside(key[1], key[0].shape)
            result = value if inside is None else self.scalars.select(inside, value, result)
        return result

    def _index_key(self, key: Key, entry: Indirect) -> Key:
        """The value that an indirect access takes its index from."""
        node, at, mask = key
        source = node.operands[entry.operand]
        shift = len(at) - len(source.shape)
        where = tuple(
            Index() if size == 1 else at[axis + shift] for axis, size in enumerate(source.shape)
        )
        return source, where, mask

    def _mapped(self, key: Key, mapping: AccessMap, shape: Shape) -> Indices:
        """The operand's index for the node's."""
        result = []
        for entry, size in zip(mapping, shape, strict=True):
            if isinstance(entry, Indirect):
                number = self._wrapped(self._index_key(key, entry), size)
                result.append(Index((), 0, ((number, 1),)))
            else:
                result.append(affine_index(entry, key[1]))
        return tuple(result)

    def _wrapped(self, source: Key, size: int) -> Value:
        """An index taken from data: negative counts from the end, out of range is clamped."""

        def compute() -> Value:
            b, number = self.scalars, self._get(source)
            if number.dtype is uint64:
                # A cast would make what is beyond i64 negative.
                number = b.minimum(number, constant(2**63 - 1, uint64))
            wide, zero = b.cast(number, int64), constant(0, int64)
            from_end = b.add(wide, constant(size, int64))
            wide = b.select(b.compare("lt", wide, zero), from_end, wide)
            return b.minimum(b.maximum(wide, zero), constant(size - 1, int64))

        return self._once((source, size), compute)

    def _inside(self, at: Indices, shape: Shape) -> Value | None:
        """Whether an index lies in a tensor's bounds; None if it always does.

        An index read from data is clamped to the axis it indexes, which a pad or a join that is
        read through may not fill.
        """
        inside: Value | None = None
        for entry, size in zip(at, shape, strict=True):
            low, high = entry.bounds()
            if low < 0 or entry.dynamic:
                inside = self._both(inside, self._limit(entry, "ge", 0))
            if high >= size or entry.dynamic:
                inside = self._both(inside, self._limit(entry, "lt", size))
        return inside

    def _limit(self, entry: Index, how: Comparison, limit: int) -> Value:
        def compute() -> Value:
            return self.scalars.compare(how, self.index_value(entry), constant(limit, int64))

        return self._once((entry, how, limit), compute)

    def _both(self, x: Value | None, y: Value | None) -> Value | None:
        if x is None or y is None:
            return x or y
        return self._once((x, y), lambda: self.scalars.logical_and(x, y))

    def _once(self, key: object, compute: Callable[[], Value]) -> Value:
        """Written the first time it is needed in a scope; so equal masks are one value."""
        if key not in self._helpers:
            self._helpers[key] = compute()
        return self._helpers[key]

    # Addresses

    def _offset(self, strides: Sequence[int], at: Indices) -> tuple[Value, int]:
        """The linear position of an index: a value, and the step from lane to lane.

        The value is a scalar unless part of the index was itself read from memory in lanes.
        """
        factors: dict[Axis, int] = {}
        position = 0
        total = index(0)
        for stride, entry in zip(strides, at, strict=True):
            position += stride * entry.offset
            for axis, factor in entry.terms:
                factors[axis] = factors.get(axis, 0) + stride * factor
            for value, factor in entry.dynamic:
                scaled = self.scalars.mul(value, constant(stride * factor, int64))
                total = self.scalars.add(total, scaled)
        factors = self.standing.grouped(factors)
        step = factors.get(self.standing.lane_axis, 0) if self.standing.lane_axis else 0
        for axis, factor in factors.items():
            if factor:
                here = self._scaled(axis, factor)
                total = self.scalars.add(total, here) if total.ref != "0" else here
        if position:
            total = self.scalars.add(total, index(position))
        return total, step if self.lanes > 1 else 0

    def _scaled(self, axis: Axis, factor: int) -> Value:
        position = self._once(("position", axis), lambda: self.standing.position(axis))
        if position.lanes == 1:
            return self.function.scale_index(position, factor)
        return self.scalars.mul(position, constant(factor, int64))

    def _along_lanes(self, base: Value, step: int) -> Value:
        if step == 0:
            return base
        lanes = self.function.lane_numbers(self.lanes)
        return self.scalars.add(base, self.scalars.mul(lanes, index(step)))

    def _load(self, node: Node, at: Indices, mask: Value | None) -> Value:
        buffer, function = self.buffers[node], self.function
        read_only = not buffer.written
        base, step = self._offset(buffer.strides, at)
        if step == 1 and base.lanes == 1:
            address = function.offset(buffer.address, node.dtype, base)
            if mask is None:
                return function.load(address, node.dtype, self.lanes, read_only=read_only)
            active = function.splat(mask, self.lanes)
            return function.load_masked(address, node.dtype, active, read_only=read_only)
        where = self._along_lanes(base, step)
        if where.lanes == 1:
            if mask is not None:
                # Inactive, an element is read that is there: the buffer is not empty.
                there = index(buffer.origin)
                where = function.select(function.any_lane(mask), where, there)
            address = function.offset(buffer.address, node.dtype, where)
            return function.load(address, node.dtype, read_only=read_only)
        addresses = function.offset(buffer.address, node.dtype, where)
        active = function.splat(mask or constant(True, bool_), self.lanes)
        return function.gather(addresses, node.dtype, active, read_only=read_only)


def _broadcast(operand: Node, node: Node, at: Indices) -> Indices:
    """Where an operand is read for an index of an elementwise node."""
    if operand.shape == node.shape:
        return at
    mapping = broadcast_map(operand.shape, node.shape)
    return tuple(affine_index(entry, at) for entry in mapping if isinstance(entry, Affine))


def _element(node: Node, at: Indices) -> Indices:
    """The index, with 0 on axes of size 1: however it was reached, there is one element."""
    if 1 not in node.shape:
        return at
    return tuple(
        Index() if size == 1 else entry for entry, size in zip(at, node.shape, strict=True)
    )


def _never_inside(at: Indices, shape: Shape) -> bool:
    return any(
        not entry.dynamic and (entry.bounds()[1] < 0 or entry.bounds()[0] >= size)
        for entry, size in zip(at, shape, strict=True)
    )
