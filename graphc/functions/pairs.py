"""Products of labelled tensors, summed over labels: what every contraction is made of.

Owns `Term` and `contracted`. Imports the op records. Invariant: a label is one axis of a term and
one size everywhere; what several terms share and the result does not have is summed by a matrix
product, and what one term has alone is summed before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from graphc.ir.build import cast, ops, reshape, scalar
from graphc.ir.graph import Node
from graphc.ir.types import bool_, int32

MOST_OPTIMAL = 8
"""With more operands than this, pairs are chosen one after the other."""

Labels = frozenset[str]


@dataclass(frozen=True)
class Term:
    """A node and a label for each of its axes, all of them different."""

    node: Node
    labels: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip(self.labels, self.node.shape, strict=True))

    def arranged(self, labels: Sequence[str]) -> Node:
        """The node with its axes in another order."""
        perm = tuple(self.labels.index(label) for label in labels)
        return self.node if perm == tuple(range(len(perm))) else ops.transpose(self.node, perm=perm)

    def summed(self, kept: Collection[str]) -> Term:
        """Summed over the labels that are not in `kept`."""
        axes = tuple(axis for axis, label in enumerate(self.labels) if label not in kept)
        if not axes:
            return self
        rest = tuple(label for label in self.labels if label in kept)
        return Term(ops.sum(self.node, axes=axes), rest)


def contracted(terms: Sequence[Term], output: Sequence[str]) -> Node:
    """The product of all terms, of one dtype, summed over the labels that `output` lacks.

    Pairs are multiplied in the order of least scalar products, the best of all orders for up to
    eight terms and above that chosen greedily. Of bools the product is `and`, the sum `or`.
    """
    if terms[0].node.dtype is bool_:
        counts = [Term(cast(term.node, int32), term.labels) for term in terms]
        return ops.ne(contracted(counts, output), scalar(0, int32))
    found = [_alone(terms, index, output) for index in range(len(terms))]
    remaining = set(range(len(found)))
    for first, second in order_of_pairs(found, output):
        remaining -= {first, second}
        others = {label for index in remaining for label in found[index].labels}
        kept = [*output, *sorted(others - set(output))]
        remaining.add(len(found))
        found.append(product(found[first], found[second], kept))
    return found[-1].summed(output).arranged(output)


def _alone(terms: Sequence[Term], index: int, output: Sequence[str]) -> Term:
    """A term summed over what neither the output nor another term has."""
    others = {label for place, term in enumerate(terms) if place != index for label in term.labels}
    return terms[index].summed(others.union(output))


def product(x: Term, y: Term, kept: Sequence[str]) -> Term:
    """The product of two terms, summed over the labels of both that are not in `kept`."""
    shared = [label for label in x.labels if label in y.labels]
    rows = [label for label in x.labels if label not in shared]
    columns = [label for label in y.labels if label not in shared]
    if rows and columns and kept.index(columns[0]) < kept.index(rows[0]):
        return product(y, x, kept)
    batch = [label for label in shared if label in kept]
    inner = [label for label in shared if label not in kept]
    if not inner or not (rows or columns):
        return _multiplied(x, y, [label for label in kept if label in {*batch, *rows, *columns}])
    sizes = {**x.sizes, **y.sizes}

    def extent(labels: Sequence[str]) -> int:
        return math.prod(sizes[label] for label in labels)

    lead = tuple(sizes[label] for label in batch)
    left = reshape(x.arranged([*batch, *rows, *inner]), (*lead, extent(rows), extent(inner)))
    right = reshape(y.arranged([*batch, *inner, *columns]), (*lead, extent(inner), extent(columns)))
    labels = (*batch, *rows, *columns)
    return Term(reshape(ops.matmul(left, right), tuple(sizes[label] for label in labels)), labels)


def _multiplied(x: Term, y: Term, labels: list[str]) -> Term:
    """Element by element, then summed over what is not in `labels`."""
    sizes = {**x.sizes, **y.sizes}
    inner = [label for label in sizes if label not in labels]
    whole = (*labels, *inner)

    def spread(term: Term) -> Node:
        node = term.arranged([label for label in whole if label in term.labels])
        return reshape(node, tuple(sizes[label] if label in term.labels else 1 for label in whole))

    return Term(ops.mul(spread(x), spread(y)), whole).summed(labels)


def order_of_pairs(terms: Sequence[Term], output: Collection[str]) -> list[tuple[int, int]]:
    """Which two terms to multiply, step by step; the result of each step is the next term.

    The cost of a step is the product of the sizes of all labels of its two terms.
    """
    sizes: dict[str, int] = {}
    for term in terms:
        sizes.update(term.sizes)
    sets = [frozenset(term.labels) for term in terms]
    choose = _best_order if len(terms) <= MOST_OPTIMAL else _greedy_order
    return choose(sets, frozenset(output), sizes)


def _cost(labels: Labels, sizes: Mapping[str, int]) -> int:
    return math.prod(sizes[label] for label in labels)


def _best_order(
    sets: list[Labels], output: Labels, sizes: Mapping[str, int]
) -> list[tuple[int, int]]:
    """Over all ways to split every subset of terms in two, smaller subsets first."""
    count = len(sets)
    needed, best = {}, {}
    for members in sorted(range(1, 1 << count), key=int.bit_count):
        inside = [sets[i] for i in range(count) if members >> i & 1]
        outside = [sets[i] for i in range(count) if not members >> i & 1]
        needed[members] = frozenset().union(*inside) & output.union(*outside)
        if len(inside) == 1:
            best[members] = (0, 0)
            continue
        lowest, part = members & -members, (members - 1) & members
        options = []
        while part:
            if part & lowest:
                other = members ^ part
                step = _cost(needed[part] | needed[other], sizes)
                options.append((best[part][0] + best[other][0] + step, part))
            part = (part - 1) & members
        best[members] = min(options)
    return _steps(count, lambda members: best[members][1])


def _steps(count: int, part_of: Callable[[int], int]) -> list[tuple[int, int]]:
    """The pairs of a binary tree over subsets of terms, from its leaves up."""
    pending = [(1 << count) - 1]
    products = []
    while pending:
        members = pending.pop()
        if members & (members - 1):
            part = part_of(members)
            products.append(members)
            pending += [part, members ^ part]
    number = {1 << i: i for i in range(count)}
    steps = []
    for members in reversed(products):
        part = part_of(members)
        steps.append((number[part], number[members ^ part]))
        number[members] = len(number)
    return steps


def _greedy_order(
    sets: list[Labels], output: Labels, sizes: Mapping[str, int]
) -> list[tuple[int, int]]:
    """Always the pair whose product is smallest beside its operands, then the cheapest."""
    found = dict(enumerate(sets))
    steps: list[tuple[int, int]] = []
    while len(found) > 1:
        options = []
        for first, second in combinations(found, 2):
            others = [labels for index, labels in found.items() if index not in (first, second)]
            union = found[first] | found[second]
            result = union & output.union(*others)
            growth = _cost(result, sizes) - _cost(found[first], sizes) - _cost(found[second], sizes)
            options.append((growth, _cost(union, sizes), first, second, result))
        *_, first, second, result = min(options, key=lambda option: option[:4])
        del found[first], found[second]
        found[len(sets) + len(steps)] = result
        steps.append((first, second))
    return steps
