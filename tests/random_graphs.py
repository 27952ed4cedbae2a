"""Random graphs of every op there is, drawn by Hypothesis.

Owns `cases` and `drawn_cases`. What an op takes is read from its record: operands are found among
the values made before or made from the record's samples, attributes are drawn by their types, and
type inference says what fits. Invariant: nothing here names an op that is tested, so a new record
is drawn too.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from graphc.ir.build import OPS, cast, constant, ops, scalar, zeros_like
from graphc.ir.diagnostics import GradientError, GraphError
from graphc.ir.graph import Attrs, Graph, Node, Update, topological
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops.bundle import items
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.types import (
    ALL_DTYPES,
    DTYPES_BY_NAME,
    DType,
    Shape,
    TensorType,
    TupleType,
    bfloat16,
    float16,
    float32,
    float64,
)
from tests.random_bodies import BODIES

SIZES = (1, 2, 3, 4, 5, 8, 16, 17, 33, 65, 0)
"""Sizes of axes: around the widths of vectors and tiles."""

LARGEST_SIZE = 6000
MOST_STEPS, MOST_INNER_STEPS = 20, 4
MOST_DEPTH = 2
MOST_OUTPUTS = 8
TRIES = 6

DRAWN = tuple(
    op
    for op in OPS.values()
    if op.operands
    and op.family is not Family.ITEM
    and not op.foreign
    and op is not OPS["stop_gradient"]
)
"""Every op that has operands; `item` is made for each result of an op that has several. The
derivative of `stop_gradient` is meant to be another than that of its values."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Derivatives:
    """Of a scalar `loss`: its `gradients` with respect to `wrt`, and its `tangent` when these move
    along `directions`. `second` are gradients of what is made of the gradients."""

    loss: Node
    wrt: list[Node]
    gradients: list[Node]
    directions: list[Node]
    tangent: Node
    second: list[Node]

    @property
    def outputs(self) -> list[Node]:
        return [self.loss, *self.gradients, self.tangent, *self.second]


@dataclass(frozen=True)
class Case:
    """A graph, and a value for each of its inputs and parameters.

    It prints none of them: operands of operands of operands are long.
    """

    graph: Graph = field(repr=False)
    arrays: dict[str, Array] = field(repr=False)
    derivatives: Derivatives | None = field(repr=False)


@dataclass
class Growth:
    """The values of a graph that is being drawn."""

    draw: Draw
    rng: np.random.Generator
    dtype: DType
    sizes: Sequence[int]
    leaves: list[Node] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    depth: int = 0

    def integer(self, most: int) -> int:
        return int(self.draw(st.integers(0, most))) if most > 0 else 0

    def one_of(self, choices: Sequence[Any]) -> Any:
        """A choice; the last ones are the simplest, as they are nearest in the graph."""
        return choices[-1 - self.integer(len(choices) - 1)]

    def chance(self, of: int) -> bool:
        """True once in `of`."""
        return self.integer(of - 1) == of - 1

    def shape(self) -> Shape:
        rank = self.integer(3)
        drawn = tuple(self.sizes[self.integer(len(self.sizes) - 1)] for _ in range(rank))
        while math.prod(drawn) > LARGEST_SIZE // 4:
            drawn = drawn[1:]
        return drawn

    def add(self, node: Node) -> None:
        """Keep a value, or each of several results, if it is not too large."""
        results = items(node) if isinstance(node.type, TupleType) else (node,)
        self.nodes += [result for result in results if result.type.size <= LARGEST_SIZE]

    def leaf(self, array: Array) -> Node:
        """An input, parameter or constant that has this value."""
        kind = 3 if self.depth else self.integer(3)
        type_ = TensorType(DType.of(array.dtype), array.shape)
        if kind == 3:
            return constant(array)
        make = ops.param if kind == 2 else ops.input
        node = make(name=f"{'w' if kind == 2 else 'x'}{len(self.leaves)}", type=type_)
        self.leaves.append(node)
        self.arrays[node.name] = array
        # An index that is an input must be in range; one that is computed is brought there.
        return ops.copy(node) if type_.dtype.is_integer and not self.chance(4) else node

    def plain_leaf(self, dtype: DType) -> None:
        shape = self.shape()
        value: Array
        if dtype.is_float:
            value = self.rng.uniform(-2, 2, shape)
        else:
            value = self.rng.integers(0 if dtype.kind != "int" else -3, 4, shape)
        self.add(self.leaf(np.asarray(value).astype(dtype.numpy)))

    def weights(self, node: Node) -> Node:
        """A constant for each element of a value."""
        array = self.rng.uniform(0.2, 1, node.shape)
        return constant(np.asarray(array).astype(node.dtype.numpy))

    def ends(self) -> list[Node]:
        """Values that no other is computed from, as far as they are not too many."""
        used = {operand for node in topological(self.nodes) for operand in node.operands}
        ends = [node for node in self.nodes if node not in used and node not in self.leaves]
        return ends[-MOST_OUTPUTS:] or [self.one_of(self.nodes)]

    def step(self) -> None:
        """Add the result of an op, if one is found that takes what there is."""
        op = self.one_of(DRAWN)
        if op.attrs in BODIES:
            node = self.with_body(op)
        elif op.presumed or self.chance(3):
            node = self.from_sample(op)
        else:
            node = self.freely(op)
        if node is not None:
            self.add(node)

    def with_body(self, op: Op) -> Node | None:
        if self.depth == MOST_DEPTH or not self.nodes:
            return None
        operands, attrs = BODIES[op.attrs](self)
        return op.build(operands, attrs)

    def inner(self, leaves: Sequence[Node]) -> Growth:
        """Values of a nested graph, grown from these inner inputs by a few steps."""
        growth = replace(self, leaves=[], nodes=list(leaves), arrays={}, depth=self.depth + 1)
        if not leaves:
            growth.nodes.append(constant(self.rng.uniform(-2, 2, self.shape())))
        for _ in range(self.integer(MOST_INNER_STEPS)):
            growth.step()
        return growth

    def freely(self, op: Op) -> Node | None:
        """An op on values that are there, with attributes of its own or of a sample."""
        good = [sample for sample in op.samples if sample.refuse is None]
        borrowed = bool(good and fields(op.attrs)) and self.integer(1) == 1
        for _ in range(TRIES):
            operands = self.operands(op)
            if not operands:
                return None
            attrs: Attrs | None
            if borrowed:
                attrs = op.attrs(**self.one_of(good).attrs)
            else:
                attrs = self.attributes(op.attrs, operands)
            if attrs is not None:
                try:
                    return op.build(operands, attrs)
                except GraphError:
                    continue
        return None

    def operands(self, op: Op) -> list[Node]:
        """Values for each operand: the first of a dtype that the op takes, others rather of the
        dtype and shape of one before."""
        wanted = [n for n in self.nodes if not op.dtypes or n.dtype.arithmetic in op.dtypes]
        if not wanted:
            return []
        chosen = [self.one_of(wanted)]
        variadic = op.operands[-1].startswith("*")
        count = len(op.operands) + self.integer(2) if variadic else len(op.operands)
        while len(chosen) < count:
            like = self.one_of(chosen)
            groups = [
                [n for n in self.nodes if n.type == like.type],
                [n for n in self.nodes if n.dtype == like.dtype],
                [n for n in self.nodes if n.dtype.is_integer],
                self.nodes,
            ]
            chosen.append(self.one_of(groups[self.integer(3)] or self.nodes))
        return chosen

    def attributes(self, kind: type[Attrs], operands: Sequence[Node]) -> Attrs | None:
        hints = get_type_hints(kind)
        found: dict[str, Any] = {}
        for item in fields(kind):
            if item.default is not MISSING and self.integer(1):
                continue
            strategy = self.strategy(hints[item.name], operands)
            if strategy is None:
                return None
            found[item.name] = self.draw(strategy)
        return kind(**found)

    def strategy(self, hint: Any, operands: Sequence[Node]) -> st.SearchStrategy[Any] | None:
        """What an attribute of this type may be, given the operands; None if nothing is known."""
        if hint is bool:
            return st.booleans()
        if hint is int:
            return st.integers(-1, max(operands[0].type.rank, 4))
        if hint is DType:
            return st.sampled_from(ALL_DTYPES)
        if get_origin(hint) is Literal:
            return st.sampled_from(get_args(hint))
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return st.sampled_from(list(hint))
        if hint == tuple[int, ...]:
            return numbers(operands, self.nodes)
        if float in get_args(hint):
            return st.sampled_from([0, 1, -1.5])
        return None

    def from_sample(self, op: Op) -> Node | None:
        """An op as one of its samples has it, on values of the sample or on others of its types."""
        good = [sample for sample in op.samples if sample.refuse is None]
        if not good:
            return None
        sample: Sample = self.one_of(good)
        dtypes = op.tested_dtypes
        dtype = self.dtype if self.dtype in dtypes else self.one_of(dtypes)
        arrays = sample.arrays(self.rng, dtype)
        if max((array.size for array in arrays), default=0) > LARGEST_SIZE:
            return None
        operands = [
            constant(array) if i in op.presumed else self.operand_like(array)
            for i, array in enumerate(arrays)
        ]
        try:
            return op(*operands, **sample.attrs)
        except GraphError:
            return None

    def operand_like(self, array: Array) -> Node:
        type_ = TensorType(DType.of(array.dtype), array.shape)
        alike = [node for node in self.nodes if node.dtype == type_.dtype and node.type.size]
        if alike and type_.size and self.integer(1):
            return fitted(self.one_of(alike), type_.shape)
        return self.leaf(array)


def fitted(node: Node, shape: Shape) -> Node:
    """The elements of `node`, as often as they are needed, in another shape."""
    if node.shape == shape:
        return node
    size = math.prod(shape)
    if node.type.size != size:
        flat = ops.reshape(node, shape=(1, node.type.size))
        times = -(-size // node.type.size)
        repeated = ops.broadcast_to(flat, shape=(times, node.type.size))
        node = ops.reshape(repeated, shape=(times * node.type.size,))
        node = ops.slice(node, start=(0,), step=(1,), shape=(size,))
    return ops.reshape(node, shape=shape)


def numbers(operands: Sequence[Node], nodes: Sequence[Node]) -> st.SearchStrategy[Any]:
    """Tuples of integers: axes, orders of axes, shapes, or a small number for each axis."""
    shape, rank = operands[0].shape, operands[0].type.rank
    axes = st.sets(st.integers(0, max(rank - 1, 0)), max_size=rank).map(lambda s: tuple(sorted(s)))
    small = st.lists(st.integers(0, 2), min_size=rank, max_size=rank).map(tuple)
    shapes = sorted({node.shape for node in nodes} | {shape, (1, *shape), (operands[0].type.size,)})
    return st.one_of(axes, st.permutations(range(rank)).map(tuple), small, st.sampled_from(shapes))


@st.composite
def cases(draw: Draw, most_steps: int = MOST_STEPS) -> Case:
    """A graph of random ops with several outputs, gradients and updates of its parameters."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    dtype = draw(st.sampled_from([float64, float32, float32, float16, bfloat16]))
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=3))
    growth = Growth(draw, rng, dtype, sizes)
    for _ in range(1 + growth.integer(2)):
        growth.plain_leaf(dtype)
    others = tuple(DTYPES_BY_NAME.values())
    for _ in range(growth.integer(2)):
        growth.plain_leaf(others[growth.integer(len(others) - 1)])
    for _ in range(1 + growth.integer(most_steps - 1)):
        growth.step()
    return finished(growth)


def finished(growth: Growth) -> Case:
    """The graph of some of the values, with derivatives of a loss that is made of them."""
    outputs = growth.ends()
    derivatives = differentiated(growth, outputs) if growth.integer(2) else None
    if derivatives is not None:
        outputs += derivatives.outputs
    params = [leaf for leaf in growth.leaves if leaf.op is OPS["param"]]
    updates = []
    for param in params:
        alike = [node for node in (*growth.nodes, *outputs) if node.type == param.type]
        if alike and not growth.chance(3):
            updates.append(Update(param, growth.one_of(alike)))
    names = tuple(f"out{i}" for i in range(len(outputs)))
    inputs = tuple(leaf for leaf in growth.leaves if leaf not in params)
    graph = Graph("g", inputs, tuple(params), tuple(outputs), names, tuple(updates))
    return Case(graph, growth.arrays, derivatives)


def differentiated(growth: Growth, outputs: Sequence[Node]) -> Derivatives | None:
    """Adjoints of a loss, and its tangent along a direction; None where a mode is refused."""
    floats = [node for node in outputs if node.dtype.is_float]
    wrt = [leaf for leaf in growth.leaves if leaf.dtype.is_float]
    inner = [n for n in growth.nodes if n.dtype.is_float and n.operands]
    if inner and growth.chance(2):
        wrt.append(growth.one_of(inner))
    if not (floats and wrt):
        return None
    loss = weighted(growth, floats)
    directions = [growth.weights(node) for node in wrt]
    try:
        found = adjoints([loss], [scalar(1, loss.dtype)], wrt)
        (moved,) = tangents([loss], wrt, directions)
        gradients = [zeros_like(x) if g is None else g for x, g in zip(wrt, found, strict=True)]
        second: list[Node] = []
        if growth.chance(3):
            again = weighted(growth, gradients)
            found = adjoints([again], [scalar(1, again.dtype)], wrt)
            second = [node for node in found if node is not None]
    except GradientError:
        return None
    tangent = zeros_like(loss) if moved is None else moved
    return Derivatives(loss, wrt, gradients, directions, tangent, second)


def weighted(growth: Growth, nodes: Sequence[Node]) -> Node:
    """A scalar that every element has its own influence on, through a function that is bounded."""
    total = scalar(0, growth.dtype)
    for node in nodes:
        terms = ops.mul(ops.atan(node), growth.weights(node))
        axes = tuple(range(node.type.rank))
        total = ops.add(total, cast(ops.sum(terms, axes=axes), growth.dtype))
    return total


@cache
def drawn_cases(count: int, number: int = 0) -> list[Case]:
    """The graphs that Hypothesis draws from a seed."""
    found: list[Case] = []

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(cases())
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found
