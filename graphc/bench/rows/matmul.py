"""Matrix products, as they are stored or transposed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Program, Row, Sizes, Work
from graphc.bench.target import OfLimit, Speedup, Target


def _product(form: str) -> Callable[[Any, Any, Any], Any]:
    """`a @ b` of operands of which T are stored transposed."""

    def model(library: Any, params: Any, inputs: Any) -> Any:
        a, b = inputs["a"], inputs["b"]
        return (a.T if form[0] == "T" else a) @ (b.T if form[1] == "T" else b)

    return model


def _by_numpy(form: str) -> Callable[[Any, Data], Program]:
    def build(numpy: Any, data: Data) -> Program:
        a, b = data.inputs["a"], data.inputs["b"]
        left, right = a.T if form[0] == "T" else a, b.T if form[1] == "T" else b
        out = numpy.empty((left.shape[0], right.shape[1]), a.dtype)
        return Program(lambda: numpy.matmul(left, right, out=out), lambda out: {"value": out})

    return build


def _data(form: str, dtype: str) -> Callable[[Sizes, np.random.Generator], Data]:
    def make(sizes: Sizes, generator: np.random.Generator) -> Data:
        m, n, k = sizes["m"], sizes["n"], sizes["k"]
        shapes = {"a": (m, k)[:: -1 if form[0] == "T" else 1]}
        shapes["b"] = (k, n)[:: -1 if form[1] == "T" else 1]
        arrays = {s: generator.standard_normal(shape).astype(dtype) for s, shape in shapes.items()}
        return Data({}, arrays)

    return make


def _case(m: int, n: int, k: int, form: str, dtype: str, threads: int, *targets: Target) -> Case:
    product = _product(form)
    names = ("graphc", "jax", "torch", "pytensor")
    shape = f"{m}" if m == n == k else f"{m} x {n} x {k}"
    return Case(
        name=f"{dtype} {form} {shape}, {threads} thread{'s'[: threads - 1]}",
        sizes={"m": m, "n": n, "k": k},
        data=_data(form, dtype),
        builds=frameworks.function(dict.fromkeys(names, product)) | {"numpy": _by_numpy(form)},
        targets=targets,
        threads=threads,
        work=lambda s: Work(
            operations=2.0 * s["m"] * s["n"] * s["k"],
            kind="peak" if dtype == "float32" else "peak of f64",
        ),
        tolerance=1e-4 if dtype == "float32" else 1e-12,
    )


def _least(m: int, n: int, k: int) -> float:
    """The part of the peak that is aimed at."""
    smallest = min(m, n, k)
    if smallest < 100:
        return 0.6
    if smallest < 200:
        return 0.8
    return 0.9 if m == n == k else 0.85


_SHAPES = [(n, n, n) for n in (64, 128, 256, 512, 1024, 2048)]
_SHAPES += [(1000, 333, 777), (127, 129, 1000)]

_ONE = tuple(
    _case(*shape, form, dtype, 1, OfLimit(_least(*shape)))
    for shape in _SHAPES
    for dtype in ("float32", "float64")
    for form in ("NN", "TN", "NT")
)
_TWO = tuple(
    _case(*shape, form, dtype, 2, Speedup(1.85, "graphc, one thread"))
    for shape in [(512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (1000, 555, 777)]
    for dtype in ("float32", "float64")
    for form in ("NN", "TN", "NT")
)

ROW = Row("Matrix products", _ONE + _TWO)
