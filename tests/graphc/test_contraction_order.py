"""In which order contractions of several operands are computed, and as what."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.functions.pairs import Term, order_of_pairs
from graphc.ir.graph import topological


def inputs(shapes: Sequence[tuple[int, ...]]) -> list[gc.Tensor]:
    return [gc.input(f"x{i}", shape) for i, shape in enumerate(shapes)]


def products_of(result: gc.Tensor) -> list[Any]:
    return [node for node in topological([result.node]) if node.op.name == "matmul"]


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", ((3, 5), (5, 2))),
        ("ij,kj->ik", ((3, 5), (2, 5))),
        ("bij,bjk->bik", ((2, 3, 5), (2, 5, 4))),
        ("jk,ij->ik", ((5, 2), (3, 5))),
    ],
)
def test_a_pair_is_one_matrix_product_and_nothing_is_reshaped(subscripts: str, shapes: Any) -> None:
    result = gc.einsum(subscripts, *inputs(shapes))
    names = [node.op.name for node in topological([result.node])]
    assert names.count("matmul") == 1
    assert set(names) <= {"input", "matmul", "transpose"}


def test_what_one_operand_has_alone_is_summed_first() -> None:
    result = gc.einsum("ijx,jk->ik", *inputs(((3, 5, 100), (5, 2))))
    (product,) = products_of(result)
    assert product.operands[0].shape == (3, 5)


def test_order_of_three_matrices_is_the_cheaper_one() -> None:
    for shapes in (((2, 50), (50, 3), (3, 60)), ((60, 3), (3, 50), (50, 2))):
        result = gc.einsum("ij,jk,kl->il", *inputs(shapes))
        assert {node.type.size for node in products_of(result)} == {6, 120}


def cost(shapes: dict[str, tuple[int, ...]], steps: list[tuple[int, int]]) -> int:
    """Scalar products that an order takes, counted here once more."""
    sizes: dict[str, int] = {}
    for word, shape in shapes.items():
        sizes.update(zip(word, shape, strict=True))
    found = {index: set(word) for index, word in enumerate(shapes)}
    total = 0
    for step, (first, second) in enumerate(steps):
        union = found.pop(first) | found.pop(second)
        total += int(np.prod([sizes[letter] for letter in union]))
        rest = {letter for word in found.values() for letter in word}
        found[len(shapes) + step] = union & rest
    return total


def test_the_order_of_a_chain_is_the_best_of_all() -> None:
    rng = np.random.default_rng(3)
    for count in (3, 4, 5):
        letters = "abcdefgh"[: count + 1]
        sizes = rng.integers(2, 30, count + 1).tolist()
        shapes = {letters[i : i + 2]: tuple(sizes[i : i + 2]) for i in range(count)}
        terms = [Term(gc.zeros(shape).node, tuple(word)) for word, shape in shapes.items()]
        chosen = order_of_pairs(terms, letters[0] + letters[-1])
        assert cost(shapes, chosen) == min(cost(shapes, order) for order in orders(count))


def orders(count: int) -> list[list[tuple[int, int]]]:
    """All orders in which to multiply `count` terms in pairs."""
    found: list[list[tuple[int, int]]] = []
    pending: list[tuple[list[int], list[tuple[int, int]]]] = [(list(range(count)), [])]
    while pending:
        left, steps = pending.pop()
        if len(left) == 1:
            found.append(steps)
        for pair in itertools.combinations(left, 2):
            rest = [index for index in left if index not in pair]
            if len(left) > 1:
                pending.append(([*rest, count + len(steps)], [*steps, pair]))
    return found
