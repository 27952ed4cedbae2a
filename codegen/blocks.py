"""Reductions whose tasks share the reduced axis.

Owns `emit_phase`. Imports loops and sharing. Such a kernel runs in phases, one for each of its
sweeps and one for what follows: a phase begins by combining what the blocks of the sweeps before it
have accumulated. Invariant: how an axis is cut, and the order in which blocks are combined, do not
depend on the number of tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphc.codegen.coordinates import Axis, Buffer, Index
from graphc.codegen.emit import Function
from graphc.codegen.folds import Folds
from graphc.codegen.loop_nest import LoopNest, Sweep
from graphc.codegen.loops import LoopWriter, Stretch
from graphc.codegen.sharing import Accumulator, BlockLayout, Share, Sharing
from graphc.codegen.values import Value, index
from graphc.ir.graph import Node
from graphc.ir.types import DType, int8


def phases(nest: LoopNest) -> int:
    """How many phases a nest has whose reduced axis is shared."""
    return len(nest.sweeps) + (1 if nest.stores else 0)


def emit_phase(
    function: Function,
    nest: LoopNest,
    buffers: Mapping[Node, Buffer],
    scratch: Value,
    sharing: Sharing,
    share: Share,
    phase: int,
) -> None:
    """Write one task's part of a phase; what follows the sweeps is one task."""
    _PhaseWriter(function, nest, buffers, scratch, sharing, share, phase).write()


class _PhaseWriter(LoopWriter):
    def __init__(
        self,
        function: Function,
        nest: LoopNest,
        buffers: Mapping[Node, Buffer],
        scratch: Value,
        sharing: Sharing,
        share: Share,
        phase: int,
    ) -> None:
        super().__init__(function, nest, buffers, scratch)
        self.evaluator = self.rows[0].evaluator
        self.scratch = scratch
        self.sharing = sharing
        self.share = share
        self.phase = phase
        self.layout = BlockLayout(nest, sharing)
        self.block = Axis("block", self.layout.blocks)

    def _point(self, mask: Value | None, carried: Sequence[Value]) -> list[Value]:
        sweeps = self.nest.sweeps
        for sweep in sweeps[: self.phase]:
            folds = self._folds(sweep)
            self._finish(sweep, folds, self._combined(folds))
        if self.phase < len(sweeps):
            self._blocks(sweeps[self.phase], mask)
        else:
            self._store(self.nest.stores, mask)
        return list(carried)

    def _blocks(self, sweep: Sweep, mask: Value | None) -> None:
        """Sweep this task's blocks; the last task takes what is behind the whole ones, too."""
        function, size, units = self.function, self.layout.size, self.sharing.units
        first, end = self.share.bounds(function, units)
        with function.loop(first, end, 1, (), "block", always_runs=True) as loop:
            start = function.scale_index(loop.counter, size)
            self._sweep_block(sweep, mask, loop.counter, start, size)
        if self.layout.rest:
            with function.when(self.share.is_last(function), "last"):
                start = index(units * size)
                self._sweep_block(sweep, mask, index(units), start, self.layout.rest)

    def _sweep_block(
        self,
        sweep: Sweep,
        mask: Value | None,
        number: Value,
        start: Value,
        size: int,
    ) -> None:
        with self.evaluator.scope():
            self.evaluator.set_axis(self.block, number)
            self.stretch = Stretch(self.sharing.loop, start, size)
            folds = self._folds(sweep)
            swept = self._swept(sweep, folds, mask)
            self.stretch = None
            for value, (address, _) in zip(swept, self._places(folds), strict=True):
                self.function.store(value, address)

    def _combined(self, folds: Folds) -> list[Value]:
        """What all blocks have accumulated, taken together in their order."""
        function = self.function
        with (
            function.loop(
                index(0), index(self.layout.blocks), 1, folds.identity(), "combine"
            ) as loop,
            self.evaluator.scope(),
        ):
            self.evaluator.set_axis(self.block, loop.counter)
            part = [
                function.load(address, dtype, folds.lanes) for address, dtype in self._places(folds)
            ]
            loop.next = folds.joined(loop.carried, part)
        return loop.results

    def _places(self, folds: Folds) -> Iterator[tuple[Value, DType]]:
        """Address and type of each accumulator here, in the order in which they are carried."""
        layout = self.layout
        for fold in folds.folds:
            steps = [(self.block, layout.points), *self._points()]
            terms = tuple((axis, stride * layout.width) for axis, stride in steps)
            for part, dtype in enumerate(fold.dtypes):
                place = layout.places[Accumulator(fold.node, part)]
                base = self.function.offset(self.scratch, int8, index(place))
                address = self.evaluator.address(Buffer(base, (1,)), (Index(terms),), dtype)
                yield address, dtype

    def _points(self) -> list[tuple[Axis, int]]:
        """The parallel loops with the distance of their points."""
        return [(self.nest.axes[i], stride) for i, stride in self.layout.strides.items()]
