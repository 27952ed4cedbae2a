"""Small compiled programs, written as LLVM text, that the runtime's tests call.

Owns the helpers that build them. Nothing here depends on the graph compiler: only the entry and
the backend of the code generator are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphc.codegen.backend import compile_text
from graphc.codegen.entry import emit_entry
from graphc.codegen.target import host_target
from graphc.runtime.artifact import Argument, Artifact, Guard, Manifest, Structure, TargetRecord
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.executable import Executable

LONG = 1_000_000
"""Nanoseconds of work that make the entry release the interpreter lock."""


def host_record() -> TargetRecord:
    host = host_target()
    return TargetRecord(host.triple, host.cpu, host.features)


def arguments(text: str) -> tuple[Argument, ...]:
    """`x:f32[2,3] y:i64[]` as arguments."""
    result = []
    for part in text.split():
        name, _, type = part.partition(":")
        dtype, _, sizes = type.rstrip("]").partition("[")
        shape = tuple(int(size) for size in sizes.split(",") if size)
        result.append(Argument(name, dtype, shape))
    return tuple(result)


def make_manifest(
    inputs: str = "", outputs: str = "", params: str = "", constants: str = "", **fields: Any
) -> Manifest:
    """A manifest whose outputs are a tuple, or the one there is."""
    results = arguments(outputs)
    leaves = Structure.of(results[0] if len(results) == 1 else results)[1]
    fields = {"structure": leaves, "target": host_record(), "symbol": "step", **fields}
    return Manifest(
        name="step",
        inputs=arguments(inputs),
        outputs=results,
        params=arguments(params),
        constants=arguments(constants),
        **fields,
    )


def make_artifact(manifest: Manifest, kernel: str) -> Artifact:
    target = host_target()
    entry = compile_text(emit_entry(manifest), target, optimise=False)
    return Artifact(manifest, compile_text(kernel, target).object_bytes, entry.object_bytes)


def llvm_type(dtype: str) -> str:
    named = {"f32": "float", "f64": "double", "bool": "i8"}
    return named.get(dtype, "i" + dtype[1:])


def loop_kernel(manifest: Manifest, size: int, body: str, before: str = "") -> str:
    """A kernel that runs `body` for every %i below `size`; buffer k is %pk."""
    groups = (manifest.inputs, manifest.params, manifest.constants, manifest.outputs)
    lines = ["define i32 @step(ptr %buffers, ptr %workspace) {", "entry:"]
    for k in range(sum(map(len, groups))):
        lines.append(f"  %a{k} = getelementptr ptr, ptr %buffers, i64 {k}")
        lines.append(f"  %p{k} = load ptr, ptr %a{k}")
    lines.append("  br label %start\nstart:")
    lines.append(before)
    lines.append("  br label %loop\nloop:")
    lines.append("  %i = phi i64 [ 0, %start ], [ %next, %body ]")
    lines.append(f"  %more = icmp ult i64 %i, {size}")
    lines.append(f"  br i1 %more, label %body, label %done\nbody:\n{body}")
    lines.append("  %next = add i64 %i, 1\n  br label %loop\ndone:\n  ret i32 0\n}")
    return "\n".join(lines)


def binary_body(dtype: str, operation: str, left: int, right: int, to: int) -> str:
    """`to[i] = left[i] operation right[i]` for the buffers of these numbers."""
    type = llvm_type(dtype)
    return f"""
  %x.at = getelementptr {type}, ptr %p{left}, i64 %i
  %y.at = getelementptr {type}, ptr %p{right}, i64 %i
  %x = load {type}, ptr %x.at
  %y = load {type}, ptr %y.at
  %z = {operation} {type} %x, %y
  %z.at = getelementptr {type}, ptr %p{to}, i64 %i
  store {type} %z, ptr %z.at"""


def add(dtype: str = "f32", shape: str = "4", **fields: Any) -> Executable:
    """step(x, y) -> x + y (for bools x | y)."""
    type = f"{dtype}[{shape}]"
    manifest = make_manifest(f"x:{type} y:{type}", f"total:{type}", **fields)
    operation = {"f": "fadd", "b": "or"}.get(dtype[0], "add")
    body = binary_body(dtype, operation, 0, 1, 2)
    return Executable(
        make_artifact(manifest, loop_kernel(manifest, manifest.outputs[0].size, body)), {}
    )


def accumulate(
    storage: ParameterStorage, constant: NDArray[Any] | None = None, **fields: Any
) -> Executable:
    """step(x) adds x to the parameter w and returns (w, x + constant), all f32[4]."""
    offset = np.zeros(4, np.float32) if constant is None else constant
    manifest = make_manifest(
        "x:f32[4]", "w_new:f32[4] shifted:f32[4]", "w:f32[4]", "c:f32[4]", updates=("w",), **fields
    )
    body = (
        binary_body("f32", "fadd", 0, 1, 1)
        + """
  %w.at = getelementptr float, ptr %p3, i64 %i
  store float %z, ptr %w.at
  %c.at = getelementptr float, ptr %p2, i64 %i
  %c = load float, ptr %c.at
  %shifted = fadd float %x, %c
  %shifted.at = getelementptr float, ptr %p4, i64 %i
  store float %shifted, ptr %shifted.at"""
    )
    artifact = make_artifact(manifest, loop_kernel(manifest, 4, body))
    return Executable(artifact, {"w": storage}, [offset])


def gather(storage: ParameterStorage, *, minimum: int = 0) -> Executable:
    """step(labels) -> w[labels], with labels guarded."""
    manifest = make_manifest(
        "labels:i64[3]",
        "picked:f32[3]",
        "w:f32[5]",
        guards=(Guard("labels", 5, "train.py:7", minimum),),
    )
    checks = [
        f"""
  %label.at.{i} = getelementptr i64, ptr %p0, i64 {i}
  %label.{i} = load i64, ptr %label.at.{i}
  %low.{i} = icmp sge i64 %label.{i}, {minimum}
  %high.{i} = icmp slt i64 %label.{i}, 5
  %fine.{i} = and i1 %low.{i}, %high.{i}
  br i1 %fine.{i}, label %fine{i}, label %refuse
fine{i}:"""
        for i in range(3)
    ]
    checks.append("  br label %start.loop\nrefuse:\n  ret i32 1\nstart.loop:")
    body = """
  %label.at = getelementptr i64, ptr %p0, i64 %i
  %label = load i64, ptr %label.at
  %negative = icmp slt i64 %label, 0
  %wrapped = add i64 %label, 5
  %index = select i1 %negative, i64 %wrapped, i64 %label
  %w.at = getelementptr float, ptr %p1, i64 %index
  %w = load float, ptr %w.at
  %picked.at = getelementptr float, ptr %p2, i64 %i
  store float %w, ptr %picked.at"""
    kernel = loop_kernel(manifest, 3, body, "\n".join(checks))
    kernel = kernel.replace("[ 0, %start ]", "[ 0, %start.loop ]")
    return Executable(make_artifact(manifest, kernel), {"w": storage})


def through_workspace(size: int) -> Executable:
    """step(x) -> (sum of x, x), by way of the workspace: calls that ran at once would mix."""
    manifest = make_manifest(
        f"x:f64[{size}]",
        f"total:f64[] copy:f64[{size}]",
        workspace_bytes=8 * size,
        work_nanoseconds=LONG,
    )
    kernel = f"""
define i32 @step(ptr %buffers, ptr %workspace) {{
entry:
  %x = load ptr, ptr %buffers
  %a1 = getelementptr ptr, ptr %buffers, i64 1
  %total = load ptr, ptr %a1
  %a2 = getelementptr ptr, ptr %buffers, i64 2
  %copy = load ptr, ptr %a2
  call void @llvm.memcpy.p0.p0.i64(ptr %workspace, ptr %x, i64 {8 * size}, i1 false)
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %sum = phi double [ 0.0, %entry ], [ %sum.next, %loop ]
  %at = getelementptr double, ptr %workspace, i64 %i
  %value = load double, ptr %at
  %sum.next = fadd double %sum, %value
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, {size}
  br i1 %more, label %loop, label %done
done:
  store double %sum.next, ptr %total
  call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %workspace, i64 {8 * size}, i1 false)
  ret i32 0
}}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
    return Executable(make_artifact(manifest, kernel), {})
