"""Compile one contraction and run it on guarded memory.

Owns the helpers of the contraction's tests. A contraction is compiled by itself, not through the
pipeline, so that a test can override any field of its schedule.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.testing import assert_allclose

from graphc.codegen.backend import compile_text, target_machine
from graphc.codegen.contraction import emit_contraction, phases
from graphc.codegen.coordinates import Buffer
from graphc.codegen.emit import Module
from graphc.codegen.merge_batch import merge_batch
from graphc.codegen.roles import matmul_contraction
from graphc.codegen.scratch_layout import scratch_bytes
from graphc.codegen.target import Target, host_target
from graphc.codegen.tiling import ContractionSchedule, schedule_contraction
from graphc.codegen.values import POINTER, Value
from graphc.ir.build import ops
from graphc.ir.graph import Node
from graphc.ir.types import DType, Shape, float32, float64, row_major_strides
from tests.codegen.running import GuardedBuffer

HOST = host_target()
Array = np.ndarray[Any, Any]


@dataclass
class Kernel:
    """A compiled contraction and what it was scheduled as."""

    address: int
    engine: llvm.ExecutionEngine
    schedule: ContractionSchedule
    scratch: int
    text: str


def compile_kernel(
    product: Node,
    inputs: Sequence[Node],
    stores: Sequence[Node],
    in_place: bool,
    target: Target = HOST,
    **changes: Any,
) -> Kernel:
    """A function of the addresses of inputs, stores and scratch; `in_place` stores the last value
    where the first input lies."""
    module = Module()
    own = list(stores[:-1] if in_place else stores)
    parameters = [Value(f"%p{i}", POINTER) for i in range(len(inputs) + len(own) + 1)]
    function = module.function("kernel", parameters, "void")
    addresses = dict(zip([*inputs, *own], parameters, strict=False))
    if in_place:
        addresses[stores[-1]] = addresses[inputs[0]]
    buffers = {
        node: Buffer(address, row_major_strides(node.shape), address in parameters[len(inputs) :])
        for node, address in addresses.items()
    }
    if in_place:
        buffers[inputs[0]] = replace(buffers[inputs[0]], written=True)
    contraction = replace(
        matmul_contraction(product),
        stores=tuple((node, buffers[node]) for node in stores),
        scratch=parameters[-1],
    )
    contraction = merge_batch(contraction, buffers)
    schedule = replace(schedule_contraction(contraction, buffers, target), **changes)
    for phase in range(phases(schedule)):
        emit_contraction(function, contraction, buffers, schedule, phase=phase)
    function.raw("ret void")
    compiled = compile_text(module.text(), target)
    engine = llvm.create_mcjit_compiler(
        llvm.parse_assembly("", llvm.create_context()), target_machine(target)
    )
    engine.add_object_file(llvm.ObjectFileRef.from_data(compiled.object_bytes))
    engine.finalize_object()
    size = scratch_bytes(contraction, schedule)
    address = engine.get_function_address("kernel")
    return Kernel(address, engine, schedule, size, module.text())


def run(
    kernel: Kernel, arrays: Sequence[Array], stores: Sequence[Node], in_place: bool, at_end: bool
) -> list[Array]:
    inputs = [GuardedBuffer(a.shape, a.dtype, at_end=at_end) for a in arrays]
    for buffer, array in zip(inputs, arrays, strict=True):
        buffer.array[...] = array
    own = stores[:-1] if in_place else stores
    outputs = [GuardedBuffer(n.shape, np.dtype(n.dtype.numpy), at_end=at_end) for n in own]
    for output in outputs:
        output.array[...] = 77
    scratch = GuardedBuffer((kernel.scratch,), np.dtype(np.uint8), at_end=at_end)
    scratch.array[...] = 255
    pointers = [buffer.address for buffer in (*inputs, *outputs, scratch)]
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(pointers))(kernel.address)(*pointers)
    results = [output.array.copy() for output in outputs]
    return [*results, inputs[0].array.copy()] if in_place else results


def check(
    product: Node,
    inputs: Sequence[Node],
    arrays: Sequence[Array],
    expected: Sequence[Array],
    stores: Sequence[Node] = (),
    in_place: bool = False,
    tolerance: float | None = None,
    **changes: Any,
) -> ContractionSchedule:
    """Assert what the kernel stores, with memory guarded behind and before."""
    stores = stores or [product]
    kernel = compile_kernel(product, inputs, stores, in_place, **changes)
    if tolerance is None:
        tolerance = {float32: 2e-5, float64: 1e-13}.get(product.dtype, 0)
    for at_end in (True, False):
        got = run(kernel, arrays, stores, in_place, at_end)
        for value, wanted in zip(got, expected, strict=True):
            assert value.shape == wanted.shape
            scale = float(np.abs(wanted).max(initial=1))
            assert_allclose(value, wanted, rtol=0, atol=tolerance * scale)
    return kernel.schedule


def values(shape: Shape, dtype: DType, seed: int) -> Array:
    generator = np.random.default_rng(seed)
    if dtype.is_float:
        return generator.standard_normal(shape).astype(dtype.numpy)
    return generator.integers(0, 100, shape).astype(dtype.numpy)


def flipped(node: Node) -> Node:
    *lead, before_last, last = range(len(node.shape))
    return ops.transpose(node, perm=(*lead, last, before_last))
