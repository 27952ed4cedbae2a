"""`einsum`: products of tensors and sums over their axes, said in letters.

Owns `einsum` and its subscripts. Imports the op records. Invariant: whatever is wrong with the
subscripts is found before a node is built, and said with the operand it is about.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from graphc.functions.pairs import Term, contracted
from graphc.functions.refusal import refused
from graphc.ir.build import ops, reshape
from graphc.ir.diagnostics import AttributeValueError, GraphError, ShapeError
from graphc.ir.graph import Node
from graphc.promotion import as_node, common
from graphc.public import public
from graphc.tensor import Tensor

ELLIPSIS = "..."
"""Stands for all axes that have no letter. Counted from the last, they are "...0", "...1", ..."""


@public
def einsum(*operands: Any, optimize: object = True) -> Tensor:
    """Einstein's sum: `einsum("ij,jk->ik", x, y)` is the matrix product.

    Each axis of an operand has a letter; axes of one letter are one, of equal size (or 1, which
    repeats). The result has the axes after `->` and is summed over all others; without `->`, those
    whose letter occurs once, in alphabetical order. A letter that an operand has twice is its
    diagonal, `...` stands for axes without letters, which broadcast. Also, with numbers from 0 to
    51 for letters: `einsum(x, [0, 1], y, [1, 2], [0, 2])`.

    Any number of operands is multiplied in pairs, each by one batched matrix product, in the order
    of least scalar products: the best of all orders for up to eight operands, above that chosen
    greedily. `optimize` is there for NumPy's sake and changes nothing.

    Raises `AttributeValueError` for subscripts that are none, for an unknown letter after `->`
    and for another number of operands, and `ShapeError` for axes and sizes that do not fit.

    >>> import graphc as gc
    >>> x, y = gc.input("x", (5, 2, 3)), gc.input("y", (3, 4))
    >>> gc.einsum("...ij,jk->...ik", x, y).shape
    (5, 2, 4)
    """
    subscripts, given = _as_text(operands)
    nodes = [as_node(operand) for operand in given]
    inputs, output = _parsed(subscripts, nodes)
    _check_sizes(inputs, nodes)
    converted = common(given)
    terms = [_diagonal(node, labels) for node, labels in zip(converted, inputs, strict=True)]
    return Tensor(contracted(_without_units(terms, output), output))


def _as_text(operands: tuple[Any, ...]) -> tuple[str, Sequence[Any]]:
    """The subscripts and the operands, of which lists of numbers are made letters."""
    if operands and isinstance(operands[0], str):
        return operands[0], operands[1:]
    if len(operands) < 2:
        raise AttributeValueError(
            'einsum takes subscripts and operands, as in einsum("ij,jk->ik", x, y)'
        )
    count = len(operands) // 2
    inputs = ",".join(_letters(labels) for labels in operands[1 : 2 * count : 2])
    output = "->" + _letters(operands[-1]) if len(operands) % 2 else ""
    return inputs + output, operands[0 : 2 * count : 2]


def _letters(labels: Any) -> str:
    """Numbers as NumPy counts letters: A to Z, then a to z, so that both sort alike."""
    letters = string.ascii_uppercase + string.ascii_lowercase
    try:
        return "".join(ELLIPSIS if label is ... else letters[_index(label)] for label in labels)
    except (TypeError, IndexError):
        raise AttributeValueError(
            f"einsum takes lists of numbers from 0 to 51 and ... as labels, got {labels!r}"
        ) from None


def _index(label: Any) -> int:
    if label < 0:
        raise IndexError(label)
    return int(label)


def _parsed(
    subscripts: str, nodes: Sequence[Node]
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """For each operand the labels of its axes, and those of the result."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = [_symbols(part, subscripts) for part in left.split(",")]
    if len(parts) != len(nodes):
        raise AttributeValueError(
            f"einsum {subscripts!r} is about {len(parts)} operands, got {len(nodes)}"
        )
    inputs = [_labelled(symbols, nodes, place) for place, symbols in enumerate(parts)]
    rank = max(sum(label.startswith(ELLIPSIS) for label in labels) for labels in inputs)
    spread = tuple(f"{ELLIPSIS}{place}" for place in range(rank - 1, -1, -1))
    if arrow:
        return inputs, _stated(_symbols(right, subscripts), inputs, spread, subscripts)
    counts = Counter(symbol for symbols in parts for symbol in symbols if symbol != ELLIPSIS)
    return inputs, (*spread, *sorted(symbol for symbol, count in counts.items() if count == 1))


def _symbols(part: str, subscripts: str) -> list[str]:
    """Letters, and the ellipsis as one symbol."""
    before, dots, after = part.partition(ELLIPSIS)
    symbols = [*before, *([dots] if dots else []), *after]
    for symbol in symbols:
        if symbol != ELLIPSIS and symbol not in string.ascii_letters:
            raise AttributeValueError(
                f"einsum subscripts {subscripts!r} have {symbol!r} where a letter should be",
                help="write letters, one ... an operand, commas between operands, and one ->",
            )
    return symbols


def _labelled(symbols: list[str], nodes: Sequence[Node], place: int) -> tuple[str, ...]:
    """A label for each axis of an operand."""
    node = nodes[place]
    spread = len(node.shape) - (len(symbols) - (ELLIPSIS in symbols))
    if spread < 0 or (spread and ELLIPSIS not in symbols):
        error = ShapeError(
            f"einsum has {''.join(symbols)!r} for an operand of {len(node.shape)} axes",
            operand=place,
            help="give each axis a letter, or write ... for the rest" if spread > 0 else "",
        )
        raise refused(error, *nodes)
    labels: list[str] = []
    for symbol in symbols:
        if symbol == ELLIPSIS:
            labels += [f"{ELLIPSIS}{axis}" for axis in range(spread - 1, -1, -1)]
        else:
            labels.append(symbol)
    return tuple(labels)


def _stated(
    symbols: list[str],
    inputs: Sequence[tuple[str, ...]],
    spread: tuple[str, ...],
    subscripts: str,
) -> tuple[str, ...]:
    """The labels of the result as they stand after `->`."""
    known = {label for labels in inputs for label in labels}
    for symbol, count in Counter(symbols).items():
        if symbol != ELLIPSIS and symbol not in known:
            raise AttributeValueError(
                f"einsum {subscripts!r} has {symbol!r} in its result, which no operand has"
            )
        if count > 1:
            raise AttributeValueError(f"einsum {subscripts!r} has {symbol!r} twice in its result")
    if spread and ELLIPSIS not in symbols:
        raise AttributeValueError(
            f"einsum {subscripts!r} has ... in an operand but not in its result",
            help="write ... after -> too, or give letters to the axes that are to be summed",
        )
    return tuple(_spelled(symbols, spread))


def _spelled(symbols: list[str], spread: tuple[str, ...]) -> Iterable[str]:
    for symbol in symbols:
        yield from spread if symbol == ELLIPSIS else (symbol,)


def _check_sizes(inputs: Sequence[tuple[str, ...]], nodes: Sequence[Node]) -> None:
    """Axes of one label have one size, or size 1 in operands that do not have it twice."""
    seen: dict[str, tuple[int, int]] = {}
    for place, (labels, node) in enumerate(zip(inputs, nodes, strict=True)):
        own: dict[str, int] = {}
        for label, size in zip(labels, node.shape, strict=True):
            if own.setdefault(label, size) != size:
                error: GraphError = ShapeError(
                    f"einsum takes the diagonal of axes {label!r}, which have sizes "
                    f"{own[label]} and {size}",
                    operand=place,
                )
                raise refused(error, *nodes)
            before, holder = seen.setdefault(label, (size, place))
            if before == 1:
                seen[label] = (size, place)
            elif size not in (1, before):
                name = label if label.isalpha() else ELLIPSIS
                error = ShapeError(
                    f"einsum label {name!r} has sizes {before} and {size}",
                    operand=place,
                    detail=f"(size {size} at {name!r}), but {{{holder}}} has {before} there",
                )
                raise refused(error, *nodes)


def _diagonal(node: Node, labels: tuple[str, ...]) -> Term:
    """An operand as a term: of axes with the same label, their diagonal."""
    while len(set(labels)) < len(labels):
        label = next(label for label, count in Counter(labels).items() if count > 1)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        node = ops.diagonal(node, offset=0, axis1=first, axis2=second)
        rest = tuple(each for axis, each in enumerate(labels) if axis not in (first, second))
        labels = (*rest, label)
    return Term(node, labels)


def _without_units(terms: Sequence[Term], output: tuple[str, ...]) -> list[Term]:
    """Terms without their axes of size 1 where another term has that label; the first keeps what
    has size 1 in all of them."""
    largest: dict[str, int] = {}
    for term in terms:
        for label, size in term.sizes.items():
            largest[label] = size if largest.get(label, 1) == 1 else largest[label]
    placed: set[str] = set()
    result = []
    for term in terms:
        kept = [
            label
            for label, size in term.sizes.items()
            if size == largest[label] and (size != 1 or (label in output and label not in placed))
        ]
        placed.update(kept)
        shape = tuple(term.sizes[label] for label in kept)
        result.append(Term(reshape(term.node, shape), tuple(kept)))
    return result
