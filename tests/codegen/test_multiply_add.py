"""The multiply-add of processors that have no instruction for it."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from benchmarks.accuracy import REFERENCES, Compiled, compile_function, errors, samples
from graphc.codegen.backend import compile_text, target_machine
from graphc.codegen.emit import Module
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.target import host_target
from graphc.codegen.values import POINTER, Value
from graphc.ir.types import FLOATS, DType, float32, float64
from tests.codegen.test_vector_math import MOST_ULP

MISSING = tuple(
    f"{name}.{dtype}" for name in ("fma", "floor", "ceil", "trunc", "roundeven") for dtype in FLOATS
)
LACKING = replace(host_target(), missing=MISSING)
LANES = 4
Array = np.ndarray[Any, Any]

each_dtype = pytest.mark.parametrize("dtype", FLOATS, ids=str)


@cache
def compiled(dtype: DType, has_fma: bool) -> tuple[Any, Any, str]:
    """A native function of the addresses of x, y, z and the result, four elements each."""
    module = Module(missing=() if has_fma else MISSING)
    places = [Value(f"%p{i}", POINTER) for i in range(4)]
    function = module.function("multiply_add", places, "void")
    operands = [function.load(place, dtype, LANES) for place in places[:3]]
    function.store(VectorScalars(function).fma(*operands), places[3])
    function.raw("ret void")
    code = compile_text(module.text(), host_target())
    engine = llvm.create_mcjit_compiler(
        llvm.parse_assembly("", llvm.create_context()), target_machine(host_target())
    )
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_bytes))
    engine.finalize_object()
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(
        engine.get_function_address("multiply_add")
    )
    return run, engine, module.text()


def both(dtype: DType, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """With the instruction for it, and without."""
    results = []
    for has_fma in (True, False):
        run, _, _ = compiled(dtype, has_fma)
        result = np.empty_like(x)
        for i in range(0, x.size, LANES):
            run(*(array[i:].ctypes.data for array in (x, y, z, result)))
        results.append(result)
    return results[0], results[1]


def operands(dtype: DType, exponents: int) -> tuple[Array, Array, Array]:
    """Factors of many magnitudes; half of the terms cancel most of the product."""
    rng = np.random.default_rng(5)
    x, y = (
        np.ldexp(rng.standard_normal(40_000), rng.integers(-exponents, exponents, 40_000))
        for _ in range(2)
    )
    x, y = x.astype(dtype.numpy), y.astype(dtype.numpy)
    place = 2.0**-23 if dtype is float32 else 2.0**-52
    near = (-x * y * (1 + rng.integers(-3, 4, x.size) * place)).astype(x.dtype)
    far = np.ldexp(rng.standard_normal(x.size), rng.integers(-exponents, exponents, x.size))
    return x, y, np.where(rng.random(x.size) < 0.5, near, far.astype(x.dtype))


@each_dtype
def test_it_rounds_once(dtype: DType) -> None:
    expected, got = both(dtype, *operands(dtype, 20))
    spacing = np.spacing(np.abs(expected))
    # In f64 the last rounding is of a sum that has been rounded, to twice the precision.
    assert (np.abs(got - expected) <= spacing).all()
    assert (got == expected).mean() > 0.999


@each_dtype
def test_the_error_of_a_product_is_exact(dtype: DType) -> None:
    x, y, _ = operands(dtype, 20)
    expected, got = both(dtype, x, y, -(x * y))
    np.testing.assert_array_equal(got, expected)


@each_dtype
def test_special_values(dtype: DType) -> None:
    inf, nan = np.inf, np.nan
    big = float(np.nextafter(np.array(inf, dtype.numpy), np.array(0, dtype.numpy)))
    rows = [
        (inf, 1, 1), (inf, 0, 1), (1, 1, inf), (inf, 1, -inf), (nan, 1, 1), (1, nan, 1),
        (1, 1, nan), (big, 2, 0), (big, 0.5, 1), (big, -1, big), (big, 1, 0), (0, -1, 0),
        (-0.0, 1, -0.0), (1, 1, -1), (big, 2, -inf), (1e-30, 1e-30, 1e-30),
    ]  # fmt: skip
    x, y, z = (np.array(column, dtype.numpy) for column in zip(*rows, strict=True))
    expected, got = both(dtype, x, y, z)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


def test_no_library_is_called() -> None:
    for dtype in (float32, float64):
        assert "llvm.fma" not in compiled(dtype, False)[2]


@cache
def lacking(name: str, dtype: DType) -> Compiled:
    return compile_function(name, dtype, target=LACKING)


@each_dtype
@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_functions_keep_their_accuracy(name: str, dtype: DType) -> None:
    with np.errstate(all="ignore"):
        points = samples(name, dtype, 6_000)
    assert float(errors(lacking(name, dtype), *points).max()) <= MOST_ULP.get(name, 2)


def test_a_polynomial_in_doubles_is_short() -> None:
    """The many instructions of a multiply-add are written once for each width of vectors."""
    sizes = {}
    for terms in (4, 24):
        module = Module(missing=MISSING)
        places = [Value(f"%p{i}", POINTER) for i in range(2)]
        function = module.function("polynomial", places, "void")
        scalars = VectorScalars(function)
        x = function.load(places[0], float64, LANES)
        total = x
        for _ in range(terms):
            total = scalars.fma(total, x, scalars.const(0.5, float64))
        function.store(total, places[1])
        function.raw("ret void")
        assert module.text().count("fastcc <4 x double> @multiply_add.0(") == terms + 1
        sizes[terms] = len(compile_text(module.text(), LACKING).object_bytes)
    assert sizes[24] - sizes[4] < 20 * 150
