"""Which operations a processor has no instructions for.

Owns `missing_operations`. Imports the backend. Invariant: a processor is asked by letting LLVM
write code for it: an operation is missing where that code calls a library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphc.codegen.backend import compile_text
from graphc.codegen.object_symbols import undefined_symbols
from graphc.codegen.target import Target

_FLOATS = {"f32": "float", "f64": "double"}
_FUNCTIONS = """
    llvm.fma llvm.sqrt llvm.floor llvm.ceil llvm.trunc llvm.roundeven llvm.maximum llvm.minimum
"""
_CONVERSIONS = (("sitofp", "fptosi"), ("uitofp", "fptoui"))
_DIVISIONS = ("sdiv", "srem", "udiv", "urem")

_PROBE = """\
define void @probe(ptr %x, ptr %y) nounwind {{
{lines}
  ret void
}}
"""


def missing_operations(target: Target) -> tuple[str, ...]:
    """The operations, as `fma.f64`, that are calls of a library in LLVM's code for a target.

    They are named by `Target.missing`, whose value in `target` counts for nothing.
    """
    plain = replace(target, vector_bits=64, missing=())
    return tuple(
        operation
        for operation, text in _probes()
        if undefined_symbols(compile_text(text, plain).object_bytes)
    )


def _probes() -> Iterator[tuple[str, str]]:
    """Each operation, and a function that needs it."""
    for dtype, kind in _FLOATS.items():
        for function in _FUNCTIONS.split():
            name = f"{function}.{dtype}"
            yield name.removeprefix("llvm."), _function_probe(name, kind)
        for bits in (32, 64):
            yield f"convert.i{bits}.{dtype}", _conversion_probe(f"i{bits}", kind)
    for bits in (32, 64):
        yield f"divide.i{bits}", _division_probe(f"i{bits}")
    halves = ["%v = load half, ptr %x", "%w = fpext half %v to float", "store float %w, ptr %y"]
    halves += ["%a = load float, ptr %y", "%b = fptrunc float %a to half", "store half %b, ptr %x"]
    yield "convert.f16", _probe(halves)


def _probe(lines: list[str], declaration: str = "") -> str:
    return declaration + _PROBE.format(lines="\n".join(f"  {line}" for line in lines))


def _function_probe(symbol: str, kind: str) -> str:
    count = 3 if "fma" in symbol else 2 if "imum" in symbol else 1
    lines = [f"%p{i} = getelementptr {kind}, ptr %x, i32 {i}" for i in range(count)]
    lines += [f"%v{i} = load {kind}, ptr %p{i}" for i in range(count)]
    values = ", ".join(f"{kind} %v{i}" for i in range(count))
    # As in real code: of some extrema, if the signs of zeros count, LLVM ends the process.
    flags = "nsz " if "imum" in symbol else ""
    lines += [f"%r = call {flags}{kind} @{symbol}({values})", f"store {kind} %r, ptr %y"]
    return _probe(lines, f"declare {kind} @{symbol}({', '.join([kind] * count)})\n")


def _conversion_probe(integer: str, kind: str) -> str:
    lines = []
    for to_float, to_integer in _CONVERSIONS:
        lines += [
            f"%v{to_float} = load volatile {integer}, ptr %x",
            f"%r{to_float} = {to_float} {integer} %v{to_float} to {kind}",
            f"store volatile {kind} %r{to_float}, ptr %y",
            f"%v{to_integer} = load volatile {kind}, ptr %y",
            f"%r{to_integer} = {to_integer} {kind} %v{to_integer} to {integer}",
            f"store volatile {integer} %r{to_integer}, ptr %x",
        ]
    return _probe(lines)


def _division_probe(integer: str) -> str:
    lines = []
    for opcode in _DIVISIONS:
        lines += [
            f"%x{opcode} = load volatile {integer}, ptr %x",
            f"%y{opcode} = load volatile {integer}, ptr %y",
            f"%r{opcode} = {opcode} {integer} %x{opcode}, %y{opcode}",
            f"store volatile {integer} %r{opcode}, ptr %y",
        ]
    return _probe(lines)
