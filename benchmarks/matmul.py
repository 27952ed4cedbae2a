"""Matrix products: speed against the core's own peak, and beside NumPy's.

The peak is that of independent fused multiply-adds on registers, measured by the same script. Every
result is checked before it is timed; calls are repeated in native code, as a compiled step does.
Times are those of one thread on its processor, so that other programs do not count, and each is the
median of many runs. From the top of the repository:

    python -m benchmarks.matmul [--json FILE] [--dtype f32|f64] [M,N,K[:FORM] ...]

FORM is two letters, one an operand: N as it is, T stored transposed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from threadpoolctl import threadpool_limits

from graphc.codegen.backend import compile_text, target_machine
from graphc.codegen.contraction import emit_contraction, scratch_bytes
from graphc.codegen.coordinates import Buffer
from graphc.codegen.emit import Module
from graphc.codegen.operand import matmul_contraction
from graphc.codegen.target import host_target
from graphc.codegen.tiling import ContractionSchedule, schedule_contraction
from graphc.codegen.values import POINTER, Value, constant, index
from graphc.ir.build import ops
from graphc.ir.graph import Node
from graphc.ir.types import (
    DTYPES_BY_NAME,
    DType,
    Shape,
    TensorType,
    int64,
    row_major_strides,
)

Array = np.ndarray[Any, Any]

SQUARE = [(size, size, size) for size in (64, 96, 128, 256, 512, 768, 1024)]
ODD = [(1000, 333, 777), (2048, 512, 2048), (127, 129, 1000)]
SMALL = [(8, 8, 8), (13, 13, 13), (32, 32, 32), (64, 64, 10), (64, 10, 64), (32, 10, 128)]
VECTORS = [(1, 64, 64), (64, 1, 64), (1, 1000, 1000), (1000, 1, 1000), (1, 1, 4096)]
FORMS = ("NN", "TN", "NT", "TT")

RUNS = 15
RUN_SECONDS = 0.01


@dataclass
class Measurement:
    """One product; speeds in GFLOP/s."""

    m: int
    n: int
    k: int
    form: str
    dtype: str
    speed: float
    percent_of_peak: float
    numpy_speed: float
    emit_ms: float
    llvm_ms: float
    schedule: str


@dataclass
class Compiled:
    """`repeat(count)` runs a product in native code on arrays that are kept here."""

    repeat: Callable[[int], object]
    left: Array
    right: Array
    result: Array
    schedule: ContractionSchedule
    emit_ms: float
    llvm_ms: float
    kept: tuple[object, ...]


def aligned(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """An array that begins at a cache line, as graphc's own buffers do."""
    size = int(np.prod(shape)) * dtype.itemsize
    block = np.zeros(size + 64, np.uint8)
    first = -block.ctypes.data % 64
    return block[first : first + size].view(dtype).reshape(shape)


def load(module: Module, name: str, *arguments: Any) -> tuple[Callable[..., Any], object]:
    """Compile a module and return one of its functions, and what keeps it alive."""
    compiled = compile_text(module.text(), host_target())
    empty = llvm.parse_assembly("", llvm.create_context())
    engine = llvm.create_mcjit_compiler(empty, target_machine(host_target()))
    engine.add_object_file(llvm.ObjectFileRef.from_data(compiled.object_bytes))
    engine.finalize_object()
    return ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name)), engine


def measure_peak(dtype: DType) -> float:
    """GFLOP/s of fused multiply-adds that wait for nothing."""
    chains, rounds = 24, 100_000
    lanes = host_target().lanes(dtype.bytes)
    module = Module()
    buffer = Value("%buffer", POINTER)
    function = module.function("peak", [buffer], "void")
    factor = function.load(buffer, dtype, lanes)
    starts = [
        function.binary("fmul", factor, constant(chain + 2, dtype, lanes))
        for chain in range(chains)
    ]
    with function.loop(index(0), index(rounds), 1, starts) as loop:
        loop.next = [function.fma(factor, factor, value) for value in loop.carried]
    for chain, value in enumerate(loop.results):
        function.store(value, function.offset(buffer, dtype, index(chain * lanes)))
    function.raw("ret void")
    run, engine = load(module, "peak", ctypes.c_void_p)
    array = aligned((chains * lanes,), dtype.numpy)
    seconds = median_seconds(lambda count: [run(array.ctypes.data) for _ in range(count)])
    del engine
    return 2 * lanes * chains * rounds / seconds / 1e9


def stored_operand(name: str, shape: Shape, letter: str, dtype: DType) -> tuple[Node, Node]:
    """An input as it is stored, and the matrix that it is read as."""
    stored_shape = shape if letter == "N" else shape[::-1]
    stored = ops.input(name=name, type=TensorType(dtype, stored_shape))
    return stored, stored if letter == "N" else ops.transpose(stored, perm=(1, 0))


def emit_product(product: Node, inputs: Sequence[Node]) -> tuple[Module, ContractionSchedule, int]:
    """A module whose function `repeat` runs a product many times, and the scratch it needs."""
    module = Module()
    parameters = [Value(f"%p{i}", POINTER) for i in range(4)]
    kernel = module.function("kernel", parameters, "internal void")
    buffers = {
        node: Buffer(address, row_major_strides(node.shape), node is product)
        for node, address in zip((*inputs, product), parameters, strict=False)
    }
    contraction = replace(
        matmul_contraction(product),
        stores=((product, buffers[product]),),
        scratch=parameters[3],
    )
    schedule = schedule_contraction(contraction, buffers, host_target())
    emit_contraction(kernel, contraction, buffers, schedule)
    kernel.raw("ret void")
    count = Value("%count", int64)
    repeat = module.function("repeat", [*parameters, count], "void")
    with repeat.loop(index(0), count, 1):
        repeat.call(kernel, parameters)
    repeat.raw("ret void")
    return module, schedule, scratch_bytes(contraction, schedule)


def compile_product(m: int, n: int, k: int, form: str, dtype: DType) -> Compiled:
    a, left = stored_operand("a", (m, k), form[0], dtype)
    b, right = stored_operand("b", (k, n), form[1], dtype)
    product = ops.matmul(left, right)
    started = time.thread_time()
    module, schedule, size = emit_product(product, (a, b))
    module.text()
    emitted = time.thread_time()
    run, engine = load(module, "repeat", *[ctypes.c_void_p] * 4, ctypes.c_int64)
    compiled = time.thread_time()
    generator = np.random.default_rng(0)
    arrays = [aligned(node.shape, dtype.numpy) for node in (a, b, product)]
    for array in arrays[:2]:
        array[...] = generator.standard_normal(array.shape)
    scratch = aligned((size,), np.dtype(np.uint8))
    addresses = [array.ctypes.data for array in (*arrays, scratch)]
    return Compiled(
        repeat=lambda count: run(*addresses, count),
        left=arrays[0] if form[0] == "N" else arrays[0].T,
        right=arrays[1] if form[1] == "N" else arrays[1].T,
        result=arrays[2],
        schedule=schedule,
        emit_ms=1e3 * (emitted - started),
        llvm_ms=1e3 * (compiled - emitted),
        kept=(engine, scratch, arrays),
    )


def check(product: Compiled) -> None:
    """Raise unless the result is right."""
    product.repeat(1)
    exact = product.left.astype(np.longdouble) @ product.right.astype(np.longdouble)
    scale = np.abs(product.left).max() * np.abs(product.right).max() * product.left.shape[1]
    error = float(np.abs(product.result - exact).max() / scale)
    if error > 4 * np.finfo(product.result.dtype).eps:
        raise SystemExit(f"wrong result: relative error {error:.1e}")


def median_seconds(repeat: Callable[[int], object]) -> float:
    """Processor seconds of one repetition: the median over runs of many."""
    repeat(1)
    started = time.thread_time()
    repeat(3)
    once = max((time.thread_time() - started) / 3, 1e-9)
    count = max(int(RUN_SECONDS / once), 1)
    seconds = []
    for _ in range(RUNS):
        started = time.thread_time()
        repeat(count)
        seconds.append((time.thread_time() - started) / count)
    return statistics.median(seconds)


def measure(m: int, n: int, k: int, form: str, dtype: DType, peak: float) -> Measurement:
    product = compile_product(m, n, k, form, dtype)
    check(product)
    gigaflop = 2e-9 * m * n * k
    speed = gigaflop / median_seconds(product.repeat)
    out = np.empty((m, n), dtype.numpy)

    def numpy_repeat(count: int) -> None:
        for _ in range(count):
            np.matmul(product.left, product.right, out=out)

    return Measurement(
        m=m,
        n=n,
        k=k,
        form=form,
        dtype=dtype.name,
        speed=speed,
        percent_of_peak=100 * speed / peak,
        numpy_speed=gigaflop / median_seconds(numpy_repeat),
        emit_ms=product.emit_ms,
        llvm_ms=product.llvm_ms,
        schedule=str(product.schedule),
    )


def parse_size(text: str) -> tuple[int, int, int, str]:
    sizes, _, form = text.partition(":")
    m, n, k = map(int, sizes.split(","))
    return m, n, k, form or "NN"


def default_sizes() -> list[tuple[int, int, int, str]]:
    sizes = [(*size, form) for size in SQUARE + ODD for form in FORMS]
    return sizes + [(*size, "NN") for size in SMALL + VECTORS]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=parse_size, metavar="M,N,K[:FORM]")
    parser.add_argument("--dtype", default="f32", choices=("f32", "f64"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements, too")
    arguments = parser.parse_args()
    dtype = DTYPES_BY_NAME[arguments.dtype]
    with threadpool_limits(1):
        peak = measure_peak(dtype)
        say(f"peak of {dtype} multiply-adds on one core: {peak:.1f} GFLOP/s")
        say(f"{'m':>5} {'n':>5} {'k':>5} form  GFLOP/s  of peak    NumPy   emit  LLVM ms")
        results = []
        for m, n, k, form in arguments.sizes or default_sizes():
            result = measure(m, n, k, form, dtype, peak)
            results.append(result)
            say(
                f"{m:5} {n:5} {k:5}   {form} {result.speed:8.1f} {result.percent_of_peak:6.1f} %"
                f" {result.numpy_speed:8.1f} {result.emit_ms:6.1f} {result.llvm_ms:8.1f}"
            )
    if arguments.json:
        report = {"peak": peak, "products": [asdict(result) for result in results]}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
