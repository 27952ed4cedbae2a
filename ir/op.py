"""The op record: everything graphc knows about one operation, said once.

Owns `Op` and what a record is made of. The DSL, the printer, the parser, the verifier, the
folder, both modes of differentiation, the code generator, the docs and the generated tests all
read records; no other module keeps a list of op names. Calling a record builds a node.
Invariant: type inference runs in `Op.__call__` and nowhere else is a new node made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from graphc.ir.diagnostics import DTypeError, GraphError
from graphc.ir.graph import Attrs, Node
from graphc.ir.location import current_provenance
from graphc.ir.scalar import ScalarBuilder, Value
from graphc.ir.types import DType, TensorType, float32

Array = np.ndarray[Any, Any]


class Family(Enum):
    """What kind of loop an op is; the code generator decides by family, never by name."""

    SOURCE = "source"
    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    CONTRACTION = "contraction"
    LAYOUT = "layout"
    ROUTINE = "routine"
    ITEM = "item"


@dataclass(frozen=True)
class Affine:
    """Operand index = the sum of scale * (output index on axis) over `terms`, + `offset`.

    Each term is an (axis, scale); axes ascend and no scale is 0, so that equal maps are equal.
    """

    terms: tuple[tuple[int, int], ...] = ()
    offset: int = 0

    @staticmethod
    def along(axis: int, scale: int = 1, offset: int = 0) -> Affine:
        """`scale` * (output index on `axis`) + `offset`."""
        return Affine(((axis, scale),), offset)


@dataclass(frozen=True)
class Indirect:
    """Operand index = the integer value of another operand at the same output index."""

    operand: int


AccessMap = tuple[Affine | Indirect, ...]
"""For each axis of an operand, where on it an output element reads."""


@dataclass(frozen=True)
class Monoid:
    """How a reduction combines elements. The state is a tuple of scalars, so that argmax can
    carry a value and its index.

    `identity(dtype)` gives the Python numbers of the empty state, `state(dtype)` their dtypes,
    `lift(b, x, index)` the state of one element (`index` is an i64 position along the reduced
    axes, row-major), `combine(b, left, right)` the state of two disjoint sets of elements, whatever
    their order (up to rounding), `result(b, state)` the reduced value.
    """

    identity: Callable[[DType], tuple[float | int, ...]]
    state: Callable[[DType], tuple[DType, ...]]
    lift: Callable[[ScalarBuilder, Value, Value], tuple[Value, ...]]
    combine: Callable[[ScalarBuilder, tuple[Value, ...], tuple[Value, ...]], tuple[Value, ...]]
    result: Callable[[ScalarBuilder, tuple[Value, ...]], Value]


class NoGradient(Enum):
    """Said explicitly by ops that have no derivative."""

    NO_GRADIENT = "no gradient"


NO_GRADIENT = NoGradient.NO_GRADIENT


@dataclass(frozen=True)
class OfResults:
    """The derivative rule of an op with several results.

    As a VJP `rule(node, adjoints, wanted)` gives, from one adjoint a result (None is zero), one
    adjoint an operand, as far as `wanted`; as a JVP `rule(node, tangents)` gives, from one tangent
    an operand, one tangent a result.
    """

    rule: Callable[..., Sequence[Node | None]]


@dataclass(frozen=True)
class ForwardOnly:
    """Stands for the VJP of an op that has a JVP alone: reverse mode raises, for this `reason`."""

    reason: str
    help: str


VJP = Callable[[Node, Node, int], "Node | None"]
"""vjp(node, g, i): the adjoint that output adjoint `g` contributes to operand `i`."""

JVP = Callable[[Node, Sequence["Node | None"]], "Node | None"]
"""jvp(node, tangents): the output tangent; a None tangent is zero."""

Batch = Callable[[Node, Sequence[Node], Sequence[bool]], Node]
"""batch(node, operands, batched): the results of `node` for every example of a batch, stacked on
axis 0. `operands` take the place of the node's own; those that are `batched` have the batch on
axis 0, before the axes that the node's operand has. At least one of them is."""


Routine = Callable[..., None]
"""routine(b, attrs, *arrays): the loops that compute a result, written with a `RoutineBuilder`."""


def item_index(node: Node) -> int:
    """Which of its operand's results an item is."""
    index: int = vars(node.attrs)["index"]
    return index


@dataclass(frozen=True)
class Sample:
    """Operands (and attributes) on which an op is tested, at every shape and dtype it takes.

    `arrays(rng, dtype)` makes the operands. `refuse` names the error class that these operands
    must raise instead of a result. `differentiable` is false where the derivative does not exist
    or is not finite; everywhere else it is compared with differences of the reference.
    """

    arrays: Callable[[np.random.Generator, DType], tuple[Array, ...]]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    refuse: type[GraphError] | None = None
    label: str = ""
    differentiable: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """One operation.

    `operands` names them in order; a name that begins with `*` takes any number. `attrs` is the
    op's attribute class. `infer(types, attrs)` gives the result type or raises a `GraphError`;
    `reference(*arrays, **attrs)` is the meaning, in NumPy. `dtypes` are those the first operand
    may have; an op that takes f32 takes what is stored in 16 bits as well, and computes in f32.
    `stored` says that it moves or converts elements as they are stored and does no arithmetic, so
    that 16-bit floats need not become f32. `sample_dtypes` are those its samples are made at,
    where they differ from `dtypes`. `cost` counts scalar operations an element (0: free, 1: an
    add, about 10: an exp). `ulp` is how far compiled code may be from the reference, counted in the
    last place of each element, or with `normwise` of the largest. `analytic`
    says that the reference also takes complex numbers, so that its derivative can be had by a
    complex step. `presumed` are the operands that must be what `doc` says (a table that ascends,
    factors of another operand): nothing is promised of the result for others.

    An elementwise op gives `lower(b, *values)` (with its attributes as keywords, if it has any);
    a reduction its `monoid`; a layout op `access(node)`: per operand the map from an output index
    to the operand's index, None for an operand that only serves as an `Indirect` index, and None
    in all when the move is no such map (a general reshape: its result is a view of a stored
    value). Where `fill` is given a mapped index may fall outside: an output element is read from
    the first operand in whose bounds it lies, and is `fill(attrs)` if there is none. A source that
    is known at compile time gives its `value(attrs)` (constant) or the axis along which it counts,
    `position(attrs)` (iota). A routine is a program of loops of its own,
    `routine(b, attrs, *arrays)`, on its operands, results and `scratch(node)` arrays; its result
    may be written over operand number `in_place`. An op with several results has a `TupleType`;
    its derivative rules are `OfResults`. An op that computes with indices says in `indexed(node)`
    which operands they are and the size of the axis that each counts along; those of a layout op
    are in its maps.

    A `foreign` op is about a function from outside: it wants its operands without gaps, may fail,
    and is never run while a program is compiled.

    `batch(node, operands, batched)` does the op's work for a whole batch; an op without it, unless
    it is a source, cannot be vectorised.
    """

    name: str
    family: Family
    operands: tuple[str, ...]
    infer: Callable[[Sequence[TensorType], Any], TensorType]
    reference: Callable[..., Any]
    vjp: VJP | OfResults | ForwardOnly | NoGradient
    jvp: JVP | OfResults | NoGradient
    doc: str
    attrs: type[Attrs] = Attrs
    dtypes: tuple[DType, ...] = ()
    stored: bool = False
    cost: int = 1
    commutative: bool = False
    analytic: bool = False
    ulp: float = 0.0
    normwise: bool = False
    presumed: tuple[int, ...] = ()
    numpy: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    sample_dtypes: tuple[DType, ...] = ()
    # What the code generator reads, by family.
    lower: Callable[..., Value] | None = None
    monoid: Monoid | None = None
    access: Callable[[Node], tuple[AccessMap | None, ...] | None] | None = None
    fill: Callable[[Any], float | int] | None = None
    value: Callable[[Any], Array] | None = None
    position: Callable[[Any], int] | None = None
    routine: Routine | None = None
    scratch: Callable[[Node], tuple[TensorType, ...]] | None = None
    in_place: int | None = None
    indexed: Callable[[Node], tuple[tuple[int, int], ...]] | None = None
    foreign: bool = False
    # What the batch pass reads.
    batch: Batch | None = None

    def __call__(self, *operands: Node, name: str = "", **attrs: Any) -> Node:
        """Build a node; its location and origin are the current provenance's."""
        return self.build(operands, self.attrs(**attrs), name)

    def build(self, operands: Sequence[Node], attrs: Attrs, name: str = "") -> Node:
        """Build a node from operands and ready attributes.

        Raises a `GraphError` that names the operand at fault and the user's line.
        """
        origin = current_provenance()
        try:
            self._check_operands(operands)
            result = self.infer([operand.type for operand in operands], attrs)
        except GraphError as error:
            error.locate(origin.loc, operands)
            raise
        return Node(self, tuple(operands), attrs, result, origin.loc, origin.origin, name)

    def _check_operands(self, operands: Sequence[Node]) -> None:
        variadic = bool(self.operands) and self.operands[-1].startswith("*")
        if len(operands) != len(self.operands) and not (variadic and operands):
            raise GraphError(
                f"{self.name} takes {len(self.operands)} operands, got {len(operands)}"
            )
        if self.dtypes and operands and operands[0].dtype.arithmetic not in self.dtypes:
            expected = " ".join(dtype.name for dtype in self.dtypes)
            raise DTypeError(
                f"{self.name} takes {expected}", operand=0, help="convert it with .astype(...)"
            )

    @property
    def tested_dtypes(self) -> tuple[DType, ...]:
        """The dtypes that its samples are made at."""
        return self.sample_dtypes or self.dtypes or (float32,)

    def __repr__(self) -> str:
        return f"<op {self.name}>"
