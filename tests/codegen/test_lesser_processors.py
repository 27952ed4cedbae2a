"""Rounding, wide elements and masks on processors that lack instructions for them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.target import host_target
from graphc.ir.interpreter import interpret
from graphc.ir.ops import OPS
from graphc.ir.types import FLOATS, DType, float32, float64, int8
from tests.codegen.running import graph_of, run_compiled, tensor
from tests.codegen.test_ops import graph_of_samples

VALUES = [0.0, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5, 8388607.5, 4503599627370495.5, 2.0**53, 1e30]
SPECIAL = [5e-324, 1e-30, np.inf, np.nan]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_it_is_that_of_the_instructions(dtype: DType, tmp_path: Path) -> None:
    """The baseline of x86-64 has none; nor is a library called."""
    numbers = np.array([*VALUES, *SPECIAL], dtype.numpy)
    given = np.concatenate([numbers, -numbers])
    x = gc.input("x", given.shape, dtype)
    outputs = (gc.floor(x), gc.ceil(x), gc.trunc(x), gc.rint(x))
    gc.export(tmp_path / "net", name="net", f=gc.compile([x], outputs))
    undefined = subprocess.run(
        ["nm", "-u", tmp_path / "net" / "net.o"], capture_output=True, text=True, check=True
    )
    assert not undefined.stdout
    for got, function in zip(
        gc.load(tmp_path / "net").f(given), (np.floor, np.ceil, np.trunc, np.rint), strict=True
    ):
        np.testing.assert_array_equal(got, function(given))
        finite = ~np.isnan(given)
        np.testing.assert_array_equal(np.signbit(got)[finite], np.signbit(given)[finite])


@pytest.mark.parametrize(
    ("target", "cpu"), [("thumbv6m-none-eabi", "cortex-m0"), ("thumbv7em-none-eabihf", "cortex-m4")]
)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_extremes_without_instructions(target: str, cpu: str, dtype: DType, tmp_path: Path) -> None:
    """Only what toolchains bring is called, and LLVM does not give up."""
    x, y = gc.input("x", (5, 3), dtype), gc.input("y", (5, 3), dtype)
    step = gc.compile([x, y], (gc.maximum(x, y), gc.minimum(x, y), x.max(axis=0), y.argmin(axis=1)))
    gc.export(tmp_path / "net", name="net", target=target, cpu=cpu, f=step)
    undefined = subprocess.run(
        ["nm", "-u", tmp_path / "net" / "net.o"], capture_output=True, text=True, check=True
    )
    assert all(name.startswith("__aeabi_") for name in undefined.stdout.replace("U", "").split())


def test_arithmetic_without_a_floating_point_unit(tmp_path: Path) -> None:
    """It is called by the names that the platform's toolchains have for it, and no others."""
    x, n = gc.input("x", 5), gc.input("n", 5, gc.int32)
    step = gc.compile([x, n], (x * x + 1) / (x - n))
    gc.export(tmp_path / "net", name="net", target="thumbv6m-none-eabi", cpu="cortex-m0", f=step)
    undefined = subprocess.run(
        ["nm", "-u", tmp_path / "net" / "net.o"], capture_output=True, text=True, check=True
    )
    names = undefined.stdout.replace("U", "").split()
    assert "__aeabi_fadd" in names
    assert all(name.startswith("__aeabi_") for name in names)
    header = (tmp_path / "net" / "net.h").read_text()
    assert "compiler's runtime library" in header
    assert all(name in header for name in names)


@pytest.mark.parametrize("target", ["riscv64-unknown-linux-gnu", "thumbv7em-none-eabi"])
def test_elements_wider_than_a_register(target: str, tmp_path: Path) -> None:
    x, n = gc.input("x", 13, gc.float64), gc.input("n", 13, gc.int64)
    step = gc.compile([x, n], ((x * 2).sum(), x + n, n // 3))
    gc.export(tmp_path / "net", name="net", target=target, f=step)
    assert (tmp_path / "net" / "net.o").exists()


def test_a_convolution_without_vectors(tmp_path: Path) -> None:
    """Its edges are loaded where there are elements, one by one."""
    images = gc.input("images", (4, 1, 12, 12))
    layer = gc.nn.Conv2d(8, 3)
    loss = (layer(images) ** 2).mean()
    step = gc.compile([images], loss, gc.optim.Adam(0.01).updates(loss, layer.params))
    target = "thumbv7em-none-eabihf"
    gc.export(tmp_path / "net", name="net", target=target, cpu="cortex-m4", train=step)
    assert (tmp_path / "net" / "net.o").exists()


@pytest.mark.parametrize("dtype", [float32, int8], ids=str)
def test_products_without_vectors(dtype: DType) -> None:
    """Parts of their operands are copied one element after the other."""
    graph, arrays, _ = graph_of_samples(OPS["contract"], dtype)
    plain = replace(host_target(), vector_bits=32)
    expected = interpret(graph, arrays).outputs
    for name, found in run_compiled(graph, arrays, target=plain).outputs.items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op", ["fmod", "remainder", "floor_divide"])
def test_remainders_of_the_largest_numbers(op: str) -> None:
    """Without an instruction that multiplies and adds, they cannot be split."""
    plain = replace(host_target(), missing=("fma.f32", "fma.f64"))
    x, y = tensor("x", (6,), float64), tensor("y", (6,), float64)
    graph = graph_of(OPS[op](x, y), inputs=(x, y))
    dividends = np.array([1.7e308, -1.7e308, 1.79e308, 2.0**1023, 1e308, -3e307])
    for divisor in (1.3e308, 3e307, 7.0, 1e-3, 2.0**1000, 5e-324):
        arrays = {"x": dividends, "y": np.full(6, divisor)}
        with np.errstate(over="ignore"):
            expected = interpret(graph, arrays).outputs["out0"]
        found = run_compiled(graph, arrays, target=plain).outputs["out0"]
        np.testing.assert_array_equal(found, expected, str(divisor))
