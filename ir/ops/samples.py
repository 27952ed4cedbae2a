"""Sample operands for the records.

Owns the shapes and values that ops are tested on. Imports `ir.op`. Invariant: every sample is a
function of a random generator and a dtype, so tests repeat exactly and nothing is built at import.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError, ShapeError
from graphc.ir.op import Array, Sample
from graphc.ir.types import DType, Shape, bool_, float32, float64, int32

SHAPES: tuple[Shape, ...] = ((), (0,), (1,), (3, 5), (17,), (67,), (2, 0, 3))
"""Scalar, empty, single, matrix, and lengths that no vector width divides."""

BROADCASTS: tuple[tuple[Shape, Shape], ...] = (
    ((5, 3), (3,)),
    ((4, 1), (1, 5)),
    ((), (7,)),
    ((2, 1, 3), (4, 1)),
    ((3, 1), (0,)),
)

Domain = tuple[float, float]
"""The interval that ordinary operands of an op are drawn from."""

EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 30.0, np.inf, -np.inf, np.nan)
"""Edge cases of floats; `float_edges` adds each dtype's extremes."""


def draw(rng: np.random.Generator, dtype: DType, shape: Shape, domain: Domain = (-4, 4)) -> Array:
    """Random elements of `domain`; of integers the whole ones the dtype has."""
    low, high = domain
    if dtype.kind == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.is_float:
        return rng.uniform(low, high, shape).astype(dtype.numpy)
    first = max(int(np.ceil(low)), 0) if dtype.kind == "uint" else int(np.ceil(low))
    return rng.integers(first, int(high) + 1, shape).astype(dtype.numpy)


def matrices_of_two_dtypes(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    """Two matrices whose product would be one, were they of one dtype."""
    other = int32 if dtype.is_float else float32
    return draw(rng, dtype, (2, 3)), np.ones((3, 2), other.numpy)


def drawn(
    shape: Shape, domain: Domain = (-2, 2)
) -> Callable[[np.random.Generator, DType], tuple[Array, ...]]:
    """One operand of a shape, as `Sample.arrays` wants it."""
    return lambda rng, dtype: (draw(rng, dtype, shape, domain),)


def edges_of(dtype: DType, floats: Sequence[float] = EDGES, extremes: bool = True) -> Array:
    """The edge cases of a dtype: zeros, ones, infinities, NaN, subnormals, largest, smallest."""
    if dtype.kind == "bool":
        return np.array([False, True])
    if dtype.is_integer:
        bounds = np.iinfo(str(dtype.numpy))
        chosen = {0, 1, bounds.min, bounds.min + 1, bounds.max - 1, bounds.max}
        return np.array(sorted(chosen), dtype.numpy)
    tiny, last_place = dtype.smallest_normal, 2.0 ** (1 - dtype.digits)
    largest = (2 - last_place) * (2 / tiny)
    far = [largest, -largest, tiny, -tiny, tiny * last_place]
    return np.array([*floats, *(far if extremes else [])], dtype.numpy)


def elementwise_samples(
    dtypes: Sequence[DType],
    *domains: Domain,
    floats: Sequence[float] = EDGES,
    extremes: bool = True,
    smooth: bool = True,
) -> tuple[Sample, ...]:
    """Samples of an op whose operands have one dtype: every shape, every pair of broadcast
    shapes, every combination of edge cases, and operands that must be refused."""
    arity = len(domains)

    def shaped(shapes: Sequence[Shape]) -> Sample:
        return Sample(
            lambda rng, dtype: tuple(
                draw(rng, dtype, shape, domain)
                for shape, domain in zip(shapes, domains, strict=True)
            ),
            label=" ".join(map(str, shapes)),
            differentiable=smooth,
        )

    def edges(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        grid = np.meshgrid(*[edges_of(dtype, floats, extremes)] * arity)
        return tuple(axis.ravel() for axis in grid)

    samples = [shaped([shape] * arity) for shape in SHAPES]
    if arity == 2:
        samples += [shaped(pair) for pair in BROADCASTS]
        samples += [refused_shapes((3,), (4,)), refused_pair()]
    samples.append(Sample(edges, label="edges", differentiable=False))
    samples += refused_dtypes(dtypes, arity)
    return tuple(samples)


def refused_shapes(*shapes: Shape) -> Sample:
    """Operands of one dtype whose shapes do not fit."""
    return Sample(
        lambda rng, dtype: tuple(draw(rng, dtype, shape) for shape in shapes),
        refuse=ShapeError,
        label="shapes " + " ".join(map(str, shapes)),
    )


def refused_pair(shape: Shape = (3,), /, **attrs: Any) -> Sample:
    """Two operands of different dtypes."""

    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        other = float64 if dtype == float32 else float32
        return draw(rng, dtype, shape), draw(rng, other, shape)

    return Sample(arrays, attrs, refuse=DTypeError, label="two dtypes")


def refused_dtypes(dtypes: Sequence[DType], arity: int, **attrs: Any) -> list[Sample]:
    """Operands of each of three dtypes, where an op does not take it."""

    def sample(wrong: DType) -> Sample:
        return Sample(
            lambda rng, dtype: (draw(rng, wrong, (3,)),) * arity,
            attrs,
            refuse=DTypeError,
            label=f"of {wrong}",
        )

    return [sample(wrong) for wrong in (bool_, int32, float32) if wrong not in dtypes]


def reduction_samples(*, empty: bool = True, flat: bool = False) -> tuple[Sample, ...]:
    """Samples of a reduction: every shape, single and several axes, kept and dropped.

    `empty` says whether nothing can be reduced; `flat` whether axes come one at a time or all.
    """
    samples = []
    for shape in ((), (1,), (17,), (67,), (3, 5), (5, 2, 3), (0,), (2, 0, 3), (4, 0)):
        rank = len(shape)
        for count in range(rank + 1):
            if flat and count not in (1, rank):
                continue
            for axes in itertools.combinations(range(rank), count):
                nothing = any(shape[axis] == 0 for axis in axes)
                samples.append(
                    Sample(
                        drawn(shape),
                        {"axes": axes, "keepdims": bool(count % 2)},
                        refuse=ShapeError if nothing and not empty else None,
                        label=f"{shape} over {axes}",
                    )
                )
    samples.append(
        Sample(
            lambda rng, dtype: (rng.permutation(edges_of(dtype)).reshape(1, -1),),
            {"axes": (1,)},
            label="edges",
            differentiable=False,
        )
    )
    return tuple(samples) + refused_axes()


def refused_axes() -> tuple[Sample, ...]:
    """Axes that a matrix does not have, or has but not so often."""
    return tuple(
        Sample(drawn((2, 3)), {"axes": axes}, refuse=AttributeValueError, label=f"over {axes}")
        for axes in ((2,), (-1,), (0, 0), (1, 0))
    )


class Deferred(Mapping[str, Any]):
    """Attributes that are built when they are first read: graphs need records, which are not
    there yet while they are made."""

    def __init__(self, build: Callable[[], dict[str, Any]]) -> None:
        self._build = cache(build)

    def __getitem__(self, name: str) -> Any:
        return self._build()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._build())

    def __len__(self) -> int:
        return len(self._build())


def shape_sample(
    shape: Shape, /, *, refuse: type[GraphError] | None = None, **attrs: object
) -> Sample:
    """One operand of this shape, with these attributes."""
    entries = " ".join(f"{name} {value}" for name, value in attrs.items())
    return Sample(drawn(shape), attrs, refuse=refuse, label=f"{shape} {entries}")
