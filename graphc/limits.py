"""What the machine can do: multiply-adds on registers, and memory read, copied or updated.

Owns the kernels that measure it, emitted as any other kernel is. Imports `codegen`. Invariant: a
kernel does nothing but what it measures, on each of as many threads as the program beside it may
use.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from graphc.codegen.backend import compile_text, target_machine
from graphc.codegen.emit import Function, Module
from graphc.codegen.target import host_target
from graphc.codegen.values import POINTER, Value, constant, index
from graphc.ir.types import DType, float32, float64, int64
from graphc.runtime.buffers import aligned_empty

CHAINS, ROUNDS = 24, 20_000
"""Enough independent multiply-adds to hide their latency; as many fit into registers."""

UNROLL = 8
MEMORY_BYTES = 1 << 27
"""Of an array for each thread: larger than caches are."""


@dataclass(frozen=True)
class Limit:
    """A kernel, and how much it does in a call: operations or bytes."""

    run: Callable[[], object]
    amount: float


Arrays = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Two arrays for each thread, as memory is measured on."""


def memory_arrays(threads: int, size: int) -> Arrays:
    """Arrays of so many bytes, filled."""

    def filled() -> NDArray[np.float32]:
        array = aligned_empty((size // float32.bytes,), np.float32)
        array[:] = 1
        return array

    return [(filled(), filled()) for _ in range(threads)]


def limits(kind: str, threads: int, arrays: Arrays | None = None) -> list[Limit]:
    """What measures a kind of `Work`, on these arrays if it is memory; the fastest is the limit."""
    if kind == "peak":
        return [_peak(float32, threads)]
    if kind == "peak of f64":
        return [_peak(float64, threads)]
    arrays = arrays or memory_arrays(threads, MEMORY_BYTES)
    if kind == "read bandwidth":
        return [_memory(_emit_read, 1, arrays)]
    return [_memory(_emit_copy, 2, arrays), _memory(_emit_update, 2, arrays)]


def _peak(dtype: DType, threads: int) -> Limit:
    lanes = host_target().lanes(dtype.bytes)
    run = _loaded(lambda function, pointers, _: _emit_peak(function, pointers[0], dtype, lanes))
    arrays = [aligned_empty((CHAINS * lanes,), dtype.numpy) for _ in range(threads)]
    for array in arrays:
        array[:] = 0.5
    calls = [_bound(run, array, array, 0) for array in arrays]
    return Limit(_together(calls), 2.0 * lanes * CHAINS * ROUNDS * threads)


def _memory(emit: _Emit, passes: int, arrays: Arrays) -> Limit:
    """A kernel over arrays of which it moves all bytes, `passes` times."""
    run = _loaded(emit)
    calls = [_bound(run, source, target, source.size) for source, target in arrays]
    return Limit(_together(calls), float(passes * sum(source.nbytes for source, _ in arrays)))


def _bound(run: Any, source: Any, target: Any, size: int) -> Callable[[], object]:
    """A call that keeps its arrays."""

    def call(arrays: tuple[Any, Any] = (source, target)) -> object:
        return run(arrays[0].ctypes.data, arrays[1].ctypes.data, size)

    return call


def _together(calls: list[Callable[[], object]]) -> Callable[[], object]:
    """All at the same time, each on a thread; native code holds no lock."""
    if len(calls) == 1:
        return calls[0]
    pool = ThreadPoolExecutor(len(calls))
    return lambda: [each.result() for each in [pool.submit(call) for call in calls]]


_Emit = Callable[[Function, list[Value], Value], None]


def _loaded(emit: _Emit) -> Any:
    """A native function of two arrays and their length, with what keeps it in memory."""
    module = Module()
    pointers, size = [Value("%source", POINTER), Value("%target", POINTER)], Value("%size", int64)
    function = module.function("limit", [*pointers, size], "void")
    emit(function, pointers, size)
    function.raw("ret void")
    compiled = compile_text(module.text(), host_target())
    empty = llvm.parse_assembly("", llvm.create_context())
    engine = llvm.create_mcjit_compiler(empty, target_machine(host_target()))
    engine.add_object_file(llvm.ObjectFileRef.from_data(compiled.object_bytes))
    engine.finalize_object()
    types = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    address = engine.get_function_address("limit")
    run = ctypes.CFUNCTYPE(None, *types)(address)
    _ENGINES.append(engine)
    return run


_ENGINES: list[Any] = []
"""Code is kept as long as the process that measures."""


def _emit_peak(function: Function, buffer: Value, dtype: DType, lanes: int) -> None:
    factor = function.load(buffer, dtype, lanes)
    starts = [function.binary("fmul", factor, constant(n + 2, dtype, lanes)) for n in range(CHAINS)]
    with function.loop(index(0), index(ROUNDS), 1, starts) as loop:
        loop.next = [function.fma(factor, factor, value) for value in loop.carried]
    for chain, value in enumerate(loop.results):
        function.store(value, function.offset(buffer, dtype, index(chain * lanes)))


def _emit_read(function: Function, pointers: list[Value], size: Value) -> None:
    lanes = host_target().lanes(float32.bytes)
    starts = [constant(0, float32, lanes)] * UNROLL
    with function.loop(index(0), size, lanes * UNROLL, starts) as loop:
        loaded = [_load(function, pointers[0], loop.counter, n, lanes) for n in range(UNROLL)]
        pairs = zip(loop.carried, loaded, strict=True)
        loop.next = [function.binary("fadd", total, value) for total, value in pairs]
    for place, value in enumerate(loop.results):
        function.store(value, function.offset(pointers[1], float32, index(place * lanes)))


def _emit_copy(function: Function, pointers: list[Value], size: Value) -> None:
    _emit_moved(function, pointers[0], pointers[1], size)


def _emit_update(function: Function, pointers: list[Value], size: Value) -> None:
    _emit_moved(function, pointers[0], pointers[0], size)


def _emit_moved(function: Function, source: Value, target: Value, size: Value) -> None:
    """The negated elements: a plain copy would become a call of the C library's."""
    lanes = host_target().lanes(float32.bytes)
    with function.loop(index(0), size, lanes * UNROLL) as loop:
        for place in range(UNROLL):
            value = _load(function, source, loop.counter, place, lanes)
            negated = function.binary("fmul", value, constant(-1, float32, lanes))
            start = function.offset(target, float32, loop.counter)
            function.store(negated, function.offset(start, float32, index(place * lanes)))


def _load(function: Function, base: Value, counter: Value, place: int, lanes: int) -> Value:
    start = function.offset(base, float32, counter)
    return function.load(function.offset(start, float32, index(place * lanes)), float32, lanes)
