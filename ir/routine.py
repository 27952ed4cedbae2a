"""The language that routines are written in: loops over arrays, on scalars and short vectors.

Owns the protocols that an op record's `routine` is written against; the code generator implements
them. Imports `ir.graph` and `ir.types`. Invariant: a routine touches elements by index only, inside
the shapes of its arrays; what an index is computed from must keep it there.

A routine reads like the textbook's loops:

    def _cholesky(b, attrs, a, l):
        for the lower triangle:
            with b.loop(n) as j:
                ...
                l[j, j] = b.sqrt(a[j, j] - total)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from graphc.ir.graph import Graph
from graphc.ir.types import DType, Shape, TensorType

Number = Any
"""A number while a routine is written: has `+ - * / % // & | ^ ~ << >>`, the comparisons
`< <= > >=`, `.eq`, `.ne` and `.astype(dtype)`; Python numbers take the other operand's dtype.
`//` and `%` round down. A bool has `& | ~`."""

Index = Any
"""A number of dtype i64, a Python int, or the `Lanes` of `RoutineBuilder.lanes`."""


class ArrayView(Protocol):
    """An operand, result or scratch array. `x[i, j]` loads, `x[i, j] = number` stores."""

    @property
    def shape(self) -> Shape: ...
    @property
    def dtype(self) -> DType: ...
    @property
    def type(self) -> TensorType: ...
    def at(self, i: Index) -> ArrayView:
        """The part at an index of axis 0."""

    def rows(self, size: int) -> ArrayView:
        """The last axis as rows of a size; what fills no row is left out."""

    def varies(self, axis: int) -> bool:
        """False where all along an axis one element is read, which was broadcast to it."""

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Number: ...
    def __setitem__(
        self, index: Index | tuple[Index, ...], value: Number | float | tuple[Number, ...]
    ) -> None:
        """Several numbers are stored along the last axis, which has no index then."""


class Variable(Protocol):
    """A number that changes while the routine runs."""

    def get(self) -> Number: ...
    def set(self, value: Number | float) -> None: ...


class RoutineBuilder(Protocol):
    """Loops, conditions, variables; and every function of `ScalarBuilder` as a method on numbers
    (`b.sqrt(x)`, `b.maximum(x, y)`, `b.select(condition, x, y)`, `b.fma(x, y, z)`, ...)."""

    def __getattr__(self, name: str) -> Callable[..., Number]: ...

    def number(self, value: float | int | bool, dtype: DType) -> Number:
        """A constant."""

    def variable(self, value: Number) -> Variable:
        """A variable of the number's dtype that begins with it."""

    def loop(
        self, start: Index, stop: Index | None = None, *, backward: bool = False
    ) -> AbstractContextManager[Number]:
        """Run the block for each i from `start` up to `stop` (from 0 up to `start`, if alone), or
        from the last down to the first."""

    def each(self, *sizes: int) -> AbstractContextManager[tuple[Index, ...]]:
        """Run the block for each index of a shape, the last axis fastest."""

    def when(self, condition: Number) -> AbstractContextManager[None]:
        """Run the block if a condition holds."""

    def repeat(self) -> AbstractContextManager[Callable[[Number], None]]:
        """Run the block again and again; what it gives leaves the block unless a condition holds:
        `with b.repeat() as leave_unless: leave_unless(i < n); ...`."""

    def copy(self, source: ArrayView, target: ArrayView) -> None:
        """Copy all elements of one array to another of the same shape."""

    def run(
        self,
        graph: Graph,
        inputs: Sequence[ArrayView],
        params: Sequence[ArrayView],
        outputs: Sequence[ArrayView],
    ) -> None:
        """Run a nested graph once: it reads `inputs`, updates `params`, writes `outputs`."""

    def call(self, where: ArrayView, *arrays: ArrayView) -> None:
        """Call a function from outside on the addresses of arrays, all of them without gaps.
        `where` says where it is; if it fails, the step ends here."""

    def lanes(self, start: Index, stop: Index, dtype: DType, body: Callable[[Index], None]) -> None:
        """Run `body(i)` for each i from `start` up to `stop`, several at once: `i` stands for
        neighbours, `x[.., i]` for as many numbers. The rounds must not depend on each other, and
        in the body are neither loops nor conditions. `dtype` is the widest dtype computed with.
        """

    def position(self, lanes: Index) -> Number:
        """The numbers of the neighbours themselves, i64."""

    def sum(
        self, start: Index, stop: Index, dtype: DType, term: Callable[[Index], Number]
    ) -> Number:
        """The sum of `term(i)`, of `dtype`, for each i as in `lanes`."""
