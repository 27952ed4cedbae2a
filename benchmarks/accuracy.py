"""Vector math: the largest and mean errors in ULP, and the time an element takes.

Single precision is held against double, double against the 64-bit mantissa of x86 extended
precision. By default inputs are strided over all bit patterns; `--all` takes each of the 2**32
single-precision inputs of functions of one argument (minutes a function). Times are those of one
thread on data in cache, the best of many runs. From the top of the repository:

    python -m benchmarks.accuracy [--all] [--dtype f32|f64] [--lanes N] [--avx2] [F ...]
"""

from __future__ import annotations

import argparse
import ctypes
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from scipy import special as of_doubles
from tqdm import tqdm  # type: ignore[import-untyped]

from graphc.codegen.backend import compile_text, target_machine
from graphc.codegen.emit import Module
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.target import Target, host_target
from graphc.codegen.values import POINTER, Value, index
from graphc.ir import special_functions
from graphc.ir.types import DTYPES_BY_NAME, DType, float32, int64
from graphc.runtime.buffers import aligned_copy

Array = np.ndarray[Any, Any]

CHUNK = 1 << 20
TIMED_ELEMENTS, TIMED_ROUNDS, TIMINGS = 2048, 128, 100


def _sigmoid(x: Array) -> Array:
    power = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, power, 1) / (1 + power))


def _erf(x: Array) -> Array:
    """erf, in extended precision by the series exp(-x**2) * sum of 2**n x**(2n+1) / (2n+1)!!.

    All terms have one sign, so nothing cancels (NIST Digital Library of Mathematical Functions,
    7.6.2). Beyond 7 it is 1 to far more digits than are needed.
    """
    if x.dtype == np.float64:
        return np.asarray(of_doubles.erf(x))
    bounded = np.clip(x, -7, 7)
    square = bounded * bounded
    term, total = bounded.copy(), bounded.copy()
    for n in range(1, 250):
        term *= 2 * square / (2 * n + 1)
        total += term
    # pi in two parts: a Python float holds only the first.
    pi = np.longdouble(np.pi) + np.longdouble(1.2246467991473532e-16)
    return np.asarray(2 / np.sqrt(pi) * np.exp(-square) * total)


def _special(name: str, of_double: Callable[..., Array]) -> Callable[[Array], Array]:
    """A function that SciPy has in double precision, with our own in extended precision."""
    extended = getattr(special_functions, name)
    return lambda x: np.asarray(of_double(x) if x.dtype == np.float64 else extended(x))


REFERENCES: dict[str, Callable[..., Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "erf": _erf,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    "pow": np.power,
    "exp2": np.exp2,
    "log2": np.log2,
    "log10": np.log10,
    "cbrt": np.cbrt,
    "hypot": np.hypot,
    "erfc": _special("erfc", of_doubles.erfc),
    "erfinv": _special("erfinv", of_doubles.erfinv),
    "lgamma": _special("lgamma", of_doubles.gammaln),
    "digamma": _special("digamma", of_doubles.digamma),
}

LARGEST_TERM: dict[str, Callable[[Array], Array]] = {
    "lgamma": lambda x: np.where(x < -2, np.fmax(REFERENCES["lgamma"](-x), 1), 0),
    "digamma": lambda x: np.where(x < 0, np.fmax(REFERENCES["digamma"](1 - x), 2), 0),
}
"""Of functions with zeros at which they are differences of unequal terms: the larger one, in whose
last places errors are counted there."""

BINARY = ("atan2", "hypot", "pow")
"""The functions of two arguments."""

ORDINARY = {
    "exp": (-80.0, 80.0),
    "expm1": (-10.0, 10.0),
    "log": (0.01, 100.0),
    "log1p": (-0.9, 100.0),
    "tanh": (-5.0, 5.0),
    "sigmoid": (-10.0, 10.0),
    "erf": (-3.0, 3.0),
    "sin": (-100.0, 100.0),
    "cos": (-100.0, 100.0),
    "tan": (-100.0, 100.0),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "atan": (-5.0, 5.0),
    "sinh": (-10.0, 10.0),
    "cosh": (-10.0, 10.0),
    "asinh": (-10.0, 10.0),
    "acosh": (1.0, 10.0),
    "atanh": (-1.0, 1.0),
    "atan2": (-5.0, 5.0),
    "pow": (0.01, 10.0),
    "exp2": (-100.0, 100.0),
    "log2": (0.01, 100.0),
    "log10": (0.01, 100.0),
    "cbrt": (-100.0, 100.0),
    "hypot": (-10.0, 10.0),
    "erfc": (-3.0, 9.0),
    "erfinv": (-1.0, 1.0),
    "lgamma": (-10.0, 20.0),
    "digamma": (-10.0, 20.0),
}
"""Where functions are timed, and sampled more densely."""


def reference(name: str, *operands: Array) -> Array:
    """The function's values in the next wider format."""
    wider = np.float64 if operands[0].dtype == np.float32 else np.longdouble
    if np.finfo(wider).nmant < 2 * operands[0].dtype.itemsize + 11:
        raise SystemExit(f"no float format is wide enough to check {operands[0].dtype}")
    with np.errstate(all="ignore"):
        return REFERENCES[name](*(operand.astype(wider) for operand in operands))


def errors(compiled: Compiled, *operands: Array) -> Array:
    """What a vector function is off by, in units of the last place."""
    exact = reference(compiled.name, *operands)
    scale = None
    if compiled.name in LARGEST_TERM:
        with np.errstate(all="ignore"):
            term = LARGEST_TERM[compiled.name](operands[0].astype(exact.dtype))
        scale = np.fmax(np.abs(exact), np.abs(term))
    return ulp_errors(compiled(*operands), exact, scale)


def ulp_errors(got: Array, exact: Array, scale: Array | None = None) -> Array:
    """Distances in units of the last place of the exact value, or of `scale`; infinite if only one
    is NaN.

    Overflow counts as the power of two beyond the largest number, so that an infinity for a value
    just below the threshold is a small error.
    """
    info, wide = np.finfo(got.dtype), exact.dtype.type
    overflow = np.ldexp(wide(1), int(info.maxexp))
    nan = np.isnan(exact)
    expected = np.clip(np.where(nan, 0, exact), -overflow, overflow)
    with np.errstate(all="ignore"):
        size = expected if scale is None else np.where(np.isfinite(scale), scale, expected)
        _, exponent = np.frexp(size)
        exponent = np.where(size == 0, int(info.minexp), exponent - 1)
        last_place = np.clip(exponent, info.minexp, info.maxexp - 1) - info.nmant
        distance = np.abs(np.clip(got.astype(wide), -overflow, overflow) - expected)
        errors = np.where(nan, 0, np.ldexp(distance, -last_place))
    errors[nan != np.isnan(got)] = np.inf
    return np.asarray(errors, np.float64)


@dataclass
class Compiled:
    """A vector function as a loop over arrays."""

    name: str
    dtype: DType
    lanes: int
    assembly: str
    run: Callable[..., None]
    """Addresses of x, y and the results, number of elements, number of rounds."""
    kept: object

    def __call__(self, *operands: Array) -> Array:
        """The function of arrays of one length, which need not be a multiple of the lanes."""
        size = -(-operands[0].size // self.lanes) * self.lanes
        x, y = (np.zeros(size, self.dtype.numpy) for _ in range(2))
        for padded, operand in zip((x, y), operands, strict=False):
            padded[: operand.size] = operand
        result = np.empty_like(x)
        self.run(x.ctypes.data, y.ctypes.data, result.ctypes.data, size, 1)
        return result[: operands[0].size]

    def nanoseconds(self) -> float:
        """Best time per element over many runs on ordinary arguments."""
        generator = np.random.default_rng(0)
        low, high = ORDINARY[self.name]
        x = aligned_copy(generator.uniform(low, high, TIMED_ELEMENTS).astype(self.dtype.numpy))
        y = aligned_copy(generator.uniform(-3, 3, TIMED_ELEMENTS).astype(self.dtype.numpy))
        result = aligned_copy(x)
        addresses = [array.ctypes.data for array in (x, y, result)]
        best = float("inf")
        for _ in range(TIMINGS):
            started = time.process_time()
            self.run(*addresses, TIMED_ELEMENTS, TIMED_ROUNDS)
            best = min(best, time.process_time() - started)
        return 1e9 * best / (TIMED_ELEMENTS * TIMED_ROUNDS)


def without_avx512() -> Target:
    """This machine, of which only what AVX2 has is used."""
    host = host_target()
    features = re.sub(r"\+(avx512\w*)", r"-\1", host.features)
    return replace(host, features=features, vector_bits=256, vector_registers=16)


def compile_function(
    name: str, dtype: DType, lanes: int | None = None, target: Target | None = None
) -> Compiled:
    """A loop over arrays, `lanes` elements a round, repeated as often as asked for."""
    target = target or host_target()
    lanes = lanes or target.lanes(dtype.bytes)
    module = Module(has_avx512=target.has_avx512, missing=target.missing)
    parameters = [Value(f"%p{i}", POINTER) for i in range(3)]
    count, rounds = Value("%count", int64), Value("%rounds", int64)
    function = module.function("repeat", [*parameters, count, rounds], "void")
    builder = VectorScalars(function)
    with function.loop(index(0), rounds, 1), function.loop(index(0), count, lanes) as loop:
        x, y, result = (function.offset(base, dtype, loop.counter) for base in parameters)
        operands = [function.load(x, dtype, lanes)]
        if name in BINARY:
            operands.append(function.load(y, dtype, lanes))
        function.store(getattr(builder, name)(*operands), result)
    function.raw("ret void")
    compiled = compile_text(module.text(), target)
    empty = llvm.parse_assembly("", llvm.create_context())
    engine = llvm.create_mcjit_compiler(empty, target_machine(target))
    engine.add_object_file(llvm.ObjectFileRef.from_data(compiled.object_bytes))
    engine.finalize_object()
    types = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2
    run = ctypes.CFUNCTYPE(None, *types)(engine.get_function_address("repeat"))
    return Compiled(name, dtype, lanes, compiled.assembly_text, run, engine)


def bit_patterns(dtype: DType, first: int, count: int, stride: int) -> Array:
    """Floats whose bit patterns are `first`, `first + stride`, ..."""
    patterns = np.arange(count, dtype=np.uint64) * np.uint64(stride) + np.uint64(first)
    unsigned = np.uint32 if dtype is float32 else np.uint64
    return patterns.astype(unsigned).view(dtype.numpy)


def samples(name: str, dtype: DType, count: int) -> tuple[Array, ...]:
    """Arguments of every exponent and both signs, and as many from where the function varies."""
    generator = np.random.default_rng(len(name))
    stride = (1 << dtype.bits) // count
    strided = bit_patterns(dtype, int(generator.integers(stride)), count, stride)
    low, high = ORDINARY[name]
    if name == "pow":
        # Powers that reach both ends of the range, for bases of every exponent and for some near 1.
        bases = np.concatenate(
            [abs(strided), generator.uniform(0.5, 2, count)], dtype=dtype.numpy, casting="unsafe"
        )
        limit = 160 if dtype is float32 else 1100
        reach = generator.uniform(-limit, limit, bases.size) / np.log2(bases)
        x = [bases, strided, generator.uniform(low, high, count)]
        y = [reach, generator.permutation(strided), generator.uniform(-9, 9, count)]
        return tuple(np.concatenate(parts, dtype=dtype.numpy, casting="unsafe") for parts in (x, y))
    if name in BINARY:
        # Pairs of every exponent, pairs of one exponent, and pairs of ordinary numbers.
        x = [strided, strided, generator.uniform(low, high, count)]
        y = [generator.permutation(strided), strided * generator.uniform(-2, 2, strided.size)]
        y += [generator.uniform(low, high, count)]
        return tuple(np.concatenate(parts, dtype=dtype.numpy, casting="unsafe") for parts in (x, y))
    wide = 120 if dtype is float32 else 800
    parts = [strided, generator.uniform(low, high, count), generator.uniform(-1, 1, count)]
    parts += [generator.uniform(-wide, wide, count)]
    parts += [generator.integers(-1 << 20, 1 << 20, count // 8) * (np.pi / 2)]
    return (np.concatenate(parts, dtype=dtype.numpy, casting="unsafe"),)


def sampled(name: str, dtype: DType, count: int) -> Iterator[tuple[Array, ...]]:
    with np.errstate(all="ignore"):
        operands = samples(name, dtype, count)
    for start in range(0, operands[0].size, CHUNK):
        yield tuple(operand[start : start + CHUNK] for operand in operands)


def exhaustive(dtype: DType) -> Iterator[tuple[Array, ...]]:
    """Every bit pattern of a 32-bit format."""
    chunks = range(0, 1 << dtype.bits, CHUNK)
    for first in tqdm(chunks, desc="chunks", leave=False, disable=None):
        yield (bit_patterns(dtype, first, CHUNK, 1),)


@dataclass
class Report:
    """Errors over all inputs seen so far."""

    inputs: int = 0
    total: float = 0.0
    worst: float = 0.0
    at: tuple[float, ...] = ()

    def add(self, compiled: Compiled, operands: tuple[Array, ...]) -> None:
        found = errors(compiled, *operands)
        place = int(np.argmax(found))
        if found[place] > self.worst:
            self.worst = float(found[place])
            self.at = tuple(float(operand[place]) for operand in operands)
        self.inputs += found.size
        self.total += float(found[np.isfinite(found)].sum())


def measure(
    name: str, dtype: DType, lanes: int | None, target: Target, count: int, every: bool
) -> str:
    """One row of the table."""
    compiled = compile_function(name, dtype, lanes, target)
    report = Report()
    chunks = exhaustive(dtype) if every else sampled(name, dtype, count)
    for operands in chunks:
        report.add(compiled, operands)
    where = ", ".join(f"{x:.9g}" for x in report.at)
    return (
        f"{name:8} {dtype.name:5} {report.inputs:11} {report.worst:8.3f}"
        f" {report.total / report.inputs:8.3f} {compiled.nanoseconds():8.3f}   {where}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=", ".join(REFERENCES))
    parser.add_argument("--all", action="store_true", help="every single-precision input")
    parser.add_argument("--dtype", choices=("f32", "f64"), help="one format only")
    parser.add_argument("--lanes", type=int, help="elements of a vector (default: as it fits)")
    parser.add_argument("--avx2", action="store_true", help="without AVX-512, where there is one")
    parser.add_argument("--count", type=int, default=1 << 20, help="strided samples a function")
    arguments = parser.parse_args()
    dtypes = [arguments.dtype] if arguments.dtype else ["f32", "f64"]
    target = without_avx512() if arguments.avx2 else host_target()
    rows = [(name, d) for name in arguments.functions or REFERENCES for d in dtypes]
    sys.stdout.write("function dtype      inputs  max ULP mean ULP  ns/elem   worst at\n")
    for name, dtype_name in tqdm(rows, desc="functions", leave=False, disable=None):
        dtype = DTYPES_BY_NAME[dtype_name]
        every = arguments.all and dtype is float32 and name not in BINARY
        row = measure(name, dtype, arguments.lanes, target, arguments.count, every)
        tqdm.write(row, file=sys.stdout)


if __name__ == "__main__":
    main()
