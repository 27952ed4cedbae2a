"""`check_grad`: derivatives against differences of the function itself.

Owns `check_grad`. Imports `autodiff`, `numerical` and `tracing`. Invariant: everything is
computed in f64 by compiled code, and every tolerance is relative to the derivative at hand, so
that a function of tiny values is checked as well as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphc.autodiff.operands import name_of, returned_by
from graphc.autodiff.sweeps import backward, forward
from graphc.ir.build import cast, constant
from graphc.ir.diagnostics import DerivativeError, GradientError
from graphc.ir.graph import Node
from graphc.ir.types import float64
from graphc.numerical import Array, directional
from graphc.public import at_user_line
from graphc.tensor import Tensor
from graphc.tracing import argument_names, as_array, trace
from graphc.trees import flatten

Build = Callable[[list[Tensor]], list[Node]]
"""From a tensor for each leaf of the arguments to the nodes of what is differentiated."""

_FLOOR = 1e-9
"""What an element may be off, relative to the largest: rounding makes small ones of large ones."""

_DETECTED = 1e-3
"""A relative mistake that must not go unnoticed."""

_ROUNDING = 1e-13
"""Relative error that rounding alone may leave."""

_ROUGH = 1e-6
"""Error of a difference, relative to the values, that a smooth function does not have."""


@dataclass(frozen=True)
class _Point:
    """Where a function is checked: values for all leaves, of which `moving` are differentiated."""

    function: str
    names: list[str]
    leaves: list[Any]
    moving: list[int]
    rtol: float
    most: int
    rng: np.random.Generator
    size: float = 0.0
    """Of the values that what is checked was derived from: it is off by their rounding."""

    def moved(self, directions: dict[int, Array], step: float) -> list[Any]:
        return [
            leaf + step * directions[position] if position in directions else leaf
            for position, leaf in enumerate(self.leaves)
        ]

    def variables(self, tensors: list[Tensor]) -> list[Node]:
        """Those of the leaves that are differentiated for."""
        return [tensors[position].node for position in self.moving]

    def random(self, arrays: Sequence[Array]) -> list[Array]:
        """Normal weights of the arrays' shapes, none of them close to zero; 1 for one scalar."""
        if len(arrays) == 1 and not arrays[0].shape:
            return [np.ones(())]
        drawn = [np.asarray(self.rng.normal(size=array.shape)) for array in arrays]
        return [weights + np.copysign(0.5, weights) for weights in drawn]


@at_user_line
def check_grad(
    f: Callable[..., Any],
    inputs: Any,
    *,
    order: int = 1,
    modes: Sequence[str] = ("reverse", "forward"),
    rtol: float = 1e-5,
    max_elements: int = 200,
    seed: int = 0,
) -> None:
    """Compare the derivatives of a function of tensors with differences of its values.

    `inputs` is an array or a tuple of one for each argument, nested as `f` takes them. Floats are
    taken as f64 and differentiated for; integers and booleans are given as they are. `f` returns
    one tensor or nested ones of any shape. At `order` 2 the gradient is checked as well, both
    modes over reverse mode.

    For an input of more than `max_elements` elements that many of them, chosen by `seed`, are
    checked one by one; a mistake elsewhere still shows, for reverse mode must agree with forward
    mode, and that with a difference along a direction in which all elements move. A derivative may
    be off by `rtol` of itself, 1e-9 of the largest, and the error of the difference.

    Raises `DerivativeError`, which names the tensor, the index and both values, where they differ,
    and where the function is not finite or too rough nearby to tell.

    >>> import graphc as gc
    >>> gc.check_grad(lambda x, w: gc.tanh(x @ w), (np.ones((2, 3)), np.eye(3)), order=2)
    """
    if order not in (1, 2):
        raise GradientError(f"check_grad checks order 1 or 2, got {order!r}")
    if not modes or set(modes) - {"reverse", "forward"}:
        raise GradientError(f"modes are 'reverse' and 'forward', got {modes!r}")
    point, build = _prepared(f, inputs, rtol, max_elements, seed)
    outputs = _check(point, build, modes, "derivative")
    if order == 2:
        weights = point.random(outputs)

        def gradients(tensors: list[Tensor]) -> list[Node]:
            seeds = [constant(part) for part in weights]
            return backward(build(tensors), seeds, point.variables(tensors))

        point = replace(point, size=_dot(weights, outputs)[1])
        _check(point, gradients, modes, "second derivative")


def _prepared(
    f: Callable[..., Any], inputs: Any, rtol: float, most: int, seed: int
) -> tuple[_Point, Build]:
    given, tree = flatten(tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,))
    names = argument_names(f, tree)
    leaves = [np.asarray(as_array(leaf, name)) for leaf, name in zip(given, names, strict=True)]
    leaves = [leaf if leaf.dtype.kind in "iub" else leaf.astype(np.float64) for leaf in leaves]
    moving = [i for i, leaf in enumerate(leaves) if leaf.dtype == np.float64]
    if not moving:
        raise GradientError("check_grad got no floats to differentiate for")

    def build(tensors: list[Tensor]) -> list[Node]:
        returned, _ = returned_by(f, f(*tree.build(tensors)))
        return [cast(node, float64) for node in returned]

    rng = np.random.default_rng(seed)
    return _Point(name_of(f), names, leaves, moving, rtol, most, rng), build


def _check(point: _Point, build: Build, modes: Sequence[str], what: str) -> list[Array]:
    """Check all `modes`; the values of what is differentiated."""
    value = _compiled(point, build, "value")
    outputs = value(point.leaves)
    weights = point.random(outputs)
    along = point.random([point.leaves[position] for position in point.moving])

    def adjoints(tensors: list[Tensor]) -> list[Node]:
        seeds = [constant(part) for part in weights]
        return backward(build(tensors), seeds, point.variables(tensors))

    def tangents(tensors: list[Tensor]) -> list[Node]:
        directions = [constant(part) for part in along]
        return forward(build(tensors), point.variables(tensors), directions)

    by_output = _compiled(point, tangents, "tangents")(point.leaves) if "forward" in modes else []
    by_input = _compiled(point, adjoints, "adjoints")(point.leaves) if "reverse" in modes else []
    if by_output:
        _check_forward(point, value, along, by_output, what)
    if by_input:
        _check_reverse(point, value, weights, by_input, what)
    if by_input and by_output:
        products = _dot(weights, by_output), _dot(along, by_input)
        size = max(_dot(weights, outputs)[1], point.size)
        _check_same_product(point, *products, size, what)
    return outputs


def _compiled(point: _Point, build: Build, name: str) -> Callable[[list[Any]], list[Array]]:
    """What `build` makes, as a function of the leaves."""

    def function(tensors: list[Tensor]) -> list[Tensor]:
        return [Tensor(node) for node in build(tensors)]

    traced = trace(function, point.leaves, point.names, f"{name}_of_{point.function}")
    return lambda leaves: [np.asarray(array) for array in traced(leaves)]


def _check_forward(
    point: _Point, value: Callable[[list[Any]], list[Array]], along: list[Array],
    tangents: list[Array], what: str,
) -> None:  # fmt: skip
    """Every output's tangent along one direction in which all inputs move."""
    outputs = value(point.leaves)
    directions = dict(zip(point.moving, along, strict=True))
    for output, tangent in enumerate(tangents):
        expected, error = _difference(point, _part(value, output), directions)
        label = "" if len(tangents) == 1 else f" {output}"
        title = f"the {what} of {point.function}, forward mode, at output{label}"
        size = float(np.max(np.abs(outputs[output]), initial=point.size))
        _compare(point, title, tangent, (expected, error), np.arange(tangent.size), size)


def _check_reverse(
    point: _Point, value: Callable[[list[Any]], list[Array]], weights: list[Array],
    adjoints: list[Array], what: str,
) -> None:  # fmt: skip
    """The adjoint of every input, element by element (of some, where there are many)."""
    size = max(_dot(weights, value(point.leaves))[1], point.size)

    def weighted(leaves: list[Any]) -> Array:
        return np.asarray(_dot(weights, value(leaves))[0])

    for position, adjoint in zip(point.moving, adjoints, strict=True):
        chosen = np.arange(adjoint.size)
        if adjoint.size > point.most:
            chosen = np.sort(point.rng.choice(adjoint.size, point.most, replace=False))
        expected, error = np.zeros(chosen.size), np.zeros(chosen.size)
        for row, element in enumerate(chosen):
            unit = np.zeros(adjoint.size)
            unit[element] = 1.0
            directions = {position: unit.reshape(adjoint.shape)}
            expected[row], error[row] = _difference(point, weighted, directions)
        title = f"the {what} of {point.function}, reverse mode, by {point.names[position]}"
        _compare(point, title, adjoint, (expected, error), chosen, size)


def _difference(
    point: _Point, function: Callable[[list[Any]], Array], directions: dict[int, Array]
) -> tuple[Array, Array]:
    """The numerical derivative of a function of the leaves, and its error."""
    return directional(lambda step: function(point.moved(directions, step)), point.size)


def _part(value: Callable[[list[Any]], list[Array]], output: int) -> Callable[[list[Any]], Array]:
    return lambda leaves: value(leaves)[output]


def _compare(
    point: _Point, title: str, found: Array, differences: tuple[Array, Array],
    chosen: np.ndarray[Any, Any], size: float,
) -> None:  # fmt: skip
    """Raise for the element that is furthest off; `chosen` are those of `found` to look at.

    `differences` are the numerical derivatives and their errors, `size` that of the values.
    """
    given = found.ravel()[chosen]
    wanted, error = (part.ravel() for part in differences)
    if not given.size:
        return
    scale = float(np.max(np.abs(wanted)))
    if not np.all(np.isfinite(error)):
        raise _untellable(title)
    allowed = point.rtol * np.abs(wanted) + _FLOOR * scale + 8 * error
    apart = np.abs(given - wanted)
    worst = int(np.argmax(np.where(np.isfinite(given), apart - allowed, np.inf)))
    index = np.unravel_index(int(chosen[worst]), found.shape)
    place = f"{title}[{', '.join(map(str, index))}]" if index else title
    if not apart[worst] <= allowed[worst]:
        raise DerivativeError(
            f"{place} is {given[worst]:.9g}, but differences of the function give "
            f"{wanted[worst]:.9g}",
            help="one of the derivative rules on the way is wrong; or there is no derivative here",
        )
    if np.any(error > np.maximum(_DETECTED * scale, _ROUGH * size)):
        raise _untellable(title)


def _untellable(title: str) -> DerivativeError:
    return DerivativeError(
        f"{title} cannot be checked: the function is not finite or too rough nearby",
        help="choose inputs away from where it jumps, has a kink or overflows",
    )


def _check_same_product(
    point: _Point, forward: tuple[float, float], reverse: tuple[float, float], size: float,
    what: str,
) -> None:  # fmt: skip
    """The two ways to compute seed * Jacobian * direction; each with the size of its terms.

    `size` is that of the values: where all derivatives cancel, rounding of that size is left.
    """
    apart, scale = abs(forward[0] - reverse[0]), forward[1] + reverse[1]
    if not apart <= _FLOOR * scale + _ROUNDING * size:
        raise DerivativeError(
            f"the {what} of {point.function} differs between modes: seed * Jacobian * direction "
            f"is {forward[0]!r} in forward mode and {reverse[0]!r} in reverse mode",
            help="one of the derivative rules on the way is wrong in one of its modes",
        )


def _dot(xs: Sequence[Array], ys: Sequence[Array]) -> tuple[float, float]:
    """The sum of products, and the sum of their magnitudes."""
    products = [x * y for x, y in zip(xs, ys, strict=True)]
    return (
        float(sum(np.sum(product) for product in products)),
        float(sum(np.sum(np.abs(product)) for product in products)),
    )
