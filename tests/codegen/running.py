"""Compile a graph and run it beside the interpreter.

Owns the helpers that the code generator's tests share. A graph is run on buffers that end, or
begin, at a page that may not be touched, so that a kernel which strays is stopped.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from graphc.codegen.pipeline import Compilation, compile_graph
from graphc.codegen.target import Target
from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import interpret
from graphc.ir.types import DType, Shape, TensorType, float32
from graphc.runtime.loader import LoadedCode

Arrays = Mapping[str, np.ndarray[Any, Any]]

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)


def tensor(name: str, shape: Shape, dtype: DType = float32) -> Node:
    return ops.input(name=name, type=TensorType(dtype, shape))


def parameter(name: str, shape: Shape, dtype: DType = float32) -> Node:
    return ops.param(name=name, type=TensorType(dtype, shape))


def graph_of(*outputs: Node, inputs: tuple[Node, ...], name: str = "f") -> Graph:
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph(name, inputs, (), outputs, names)


class GuardedBuffer:
    """Memory for an array with an inaccessible page right after it, or right before."""

    def __init__(self, shape: Shape, dtype: np.dtype[Any], *, at_end: bool) -> None:
        size = int(np.prod(shape)) * dtype.itemsize
        pages = max(-(-size // PAGE), 1)
        self._map = mmap.mmap(-1, (pages + 2) * PAGE)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        for page in (0, pages + 1):
            if _libc.mprotect(ctypes.c_void_p(self._base + page * PAGE), PAGE, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        first = PAGE + (pages * PAGE - size if at_end else 0)
        self.address = self._base + first
        self.array = np.frombuffer(self._map, dtype, int(np.prod(shape)), first).reshape(shape)


@dataclass
class Result:
    outputs: dict[str, np.ndarray[Any, Any]]
    params: dict[str, np.ndarray[Any, Any]]
    status: int
    compilation: Compilation


def run_compiled(
    graph: Graph,
    arrays: Arrays,
    *,
    at_end: bool = True,
    verify_level: int = 1,
    target: Target | None = None,
    threads: int = 1,
) -> Result:
    """Compile and run once, every buffer beside a protected page."""
    compilation = compile_graph(graph, verify_level=verify_level, target=target, threads=threads)
    manifest = compilation.artifact.manifest
    arguments = (*manifest.inputs, *manifest.params, *manifest.constants, *manifest.outputs)
    buffers = [GuardedBuffer(a.shape, a.numpy, at_end=at_end) for a in arguments]
    state = {**arrays} | {f"c{i}": value for i, value in enumerate(compilation.constants)}
    for argument, buffer in zip(arguments, buffers, strict=True):
        if argument in manifest.outputs:
            buffer.array[...] = np.array(77).astype(argument.numpy)
        else:
            buffer.array[...] = state[argument.name]
    workspace = GuardedBuffer(
        (-(-manifest.workspace_bytes // 64) * 64,), np.dtype(np.uint8), at_end=at_end
    )
    table = (ctypes.c_void_p * max(len(buffers), 1))(*[b.address for b in buffers])
    loaded = LoadedCode(compilation.artifact)
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)(loaded.kernel)
    status = function(ctypes.addressof(table), workspace.address)
    named = dict(zip(arguments, buffers, strict=True))
    return Result(
        {a.name: named[a].array for a in manifest.outputs},
        {a.name: named[a].array for a in manifest.params},
        status,
        compilation,
    )


def check(graph: Graph, arrays: Arrays, *, rtol: float = 2e-6, atol: float = 1e-6) -> Compilation:
    """Assert that compiled code gives what the interpreter gives; both ends of memory."""
    given = {
        node.name: np.asarray(arrays[node.name]).astype(node.dtype.numpy)
        for node in graph.inputs + graph.params
    }
    expected = interpret(graph, given)
    for at_end in (True, False):
        result = run_compiled(graph, given, at_end=at_end)
        assert result.status == 0
        for name, value in expected.outputs.items():
            got = result.outputs[name]
            assert (got.shape, got.dtype) == (value.shape, value.dtype)
            assert_allclose(got, value, rtol=rtol, atol=atol, err_msg=name)
        for name, value in expected.updates.items():
            assert_allclose(result.params[name], value, rtol=rtol, atol=atol, err_msg=name)
    return result.compilation
