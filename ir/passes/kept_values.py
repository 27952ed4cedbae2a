"""What an order of kernels keeps in the workspace.

Owns `KeptValues`, the values that kernels make for one another, and `Growth`, which tells while an
order is being made what each kernel would free. Imports `ir` only. Invariant: a value is
kept from the kernel that makes it to the last that reads it, whatever the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graphc.ir.graph import Graph, Node
from graphc.ir.passes.grouping import Grouping, Kernel


@dataclass(frozen=True)
class KeptValues:
    """The bytes that each kernel makes, and the values that it reads; `readers` are the kernels
    that read a value. Values that have memory of their own, outputs and updates, are left out."""

    made: dict[Kernel, int]
    read: dict[Kernel, tuple[Node, ...]]
    readers: dict[Node, tuple[Kernel, ...]]

    @staticmethod
    def of(graph: Graph, grouping: Grouping) -> KeptValues:
        elsewhere = set(graph.roots)
        readers: dict[Node, dict[Kernel, None]] = {}
        for node, kernel in grouping.home.items():
            for each, _ in grouping.reads[node]:
                value = grouping.inlining.base(each)
                home = grouping.home.get(value)
                if home is not None and home is not kernel and value not in elsewhere:
                    readers.setdefault(value, {})[kernel] = None
        made = dict.fromkeys(grouping.kernels, 0)
        read: dict[Kernel, list[Node]] = {kernel: [] for kernel in grouping.kernels}
        for value, kernels in readers.items():
            made[grouping.home[value]] += value.type.bytes
            for kernel in kernels:
                read[kernel].append(value)
        return KeptValues(
            made,
            {kernel: tuple(values) for kernel, values in read.items()},
            {value: tuple(kernels) for value, kernels in readers.items()},
        )

    def peak(self, order: Iterable[Kernel]) -> int:
        """The most bytes kept at a time if kernels run in this order."""
        left = {value: len(kernels) for value, kernels in self.readers.items()}
        kept = most = 0
        for kernel in order:
            kept += self.made[kernel]
            most = max(most, kept)
            for value in self.read[kernel]:
                left[value] -= 1
                kept -= 0 if left[value] else value.type.bytes
        return most


class Growth:
    """By how much each kernel, if it ran now, would change what is kept."""

    def __init__(self, values: KeptValues) -> None:
        self._values = values
        self._waiting = {value: set(kernels) for value, kernels in values.readers.items()}
        self._bytes = dict(values.made)
        for value, kernels in self._waiting.items():
            self._freed_by_one(value, kernels)

    def sign(self, kernel: Kernel) -> int:
        """-1 if it frees more than it makes, 1 if less."""
        size = self._bytes[kernel]
        return (size > 0) - (size < 0)

    def ran(self, kernel: Kernel) -> Iterator[Kernel]:
        """Take note that a kernel has run; those of which the growth is less by that."""
        for value in self._values.read[kernel]:
            waiting = self._waiting[value]
            waiting.discard(kernel)
            last = self._freed_by_one(value, waiting)
            if last is not None:
                yield last

    def _freed_by_one(self, value: Node, waiting: set[Kernel]) -> Kernel | None:
        """The kernel that alone still reads a value, which it will free."""
        if len(waiting) != 1:
            return None
        (last,) = waiting
        self._bytes[last] -= value.type.bytes
        return last
