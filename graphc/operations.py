"""The operations as a table for people: `graphc ops` and docs/ops.md print it.

Owns how a record is shown. Imports the records. Invariant: all that is shown comes from the record;
an example is one of its samples, evaluated by the interpreter.
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from textwrap import indent, wrap
from typing import Any

import numpy as np

from graphc.ir.build import constant
from graphc.ir.build import ops as build
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import apply
from graphc.ir.op import Array, Family, ForwardOnly, NoGradient, Op, Sample
from graphc.ir.ops import OPS
from graphc.ir.ops.bundle import items
from graphc.ir.printer import print_graph
from graphc.ir.types import ALL_DTYPES, INTEGERS, NUMBERS, TupleType, float32

_GROUPS = {ALL_DTYPES: "any", NUMBERS: "numbers", INTEGERS: "integers", (): "any"}

_WIDTH, _FEW = 92, 18


def signature(op: Op) -> str:
    """The name with operands and attributes.

    >>> signature(OPS["sum"])
    'sum(x, axes=, keepdims=)'
    """
    attributes = (f"{field.name}=" for field in fields(op.attrs))
    return f"{op.name}({', '.join([*op.operands, *attributes])})"


def derivative(op: Op) -> str:
    """The modes that an op has a rule for: `vjp jvp`, `jvp` or `none`."""
    reverse = not isinstance(op.vjp, NoGradient | ForwardOnly)
    forward = not isinstance(op.jvp, NoGradient)
    return " ".join(["vjp"] * reverse + ["jvp"] * forward) or "none"


def accuracy(op: Op) -> str:
    """How far compiled code may be from the reference."""
    if not op.ulp:
        return "exact"
    return f"{op.ulp:g} ulp{' normwise' if op.normwise else ''}"


def facts(op: Op) -> dict[str, Any]:
    """All that is listed of an op, for JSON."""
    return {
        "name": op.name,
        "family": op.family.value,
        "operands": list(op.operands),
        "attributes": [field.name for field in fields(op.attrs)],
        "dtypes": [dtype.name for dtype in op.dtypes or ALL_DTYPES],
        "derivative": derivative(op).replace("none", "").split(),
        "batch": _batches(op),
        "ulp": op.ulp,
        "normwise": op.normwise,
        "numpy": list(op.numpy),
        "doc": op.doc,
    }


def entry(op: Op) -> str:
    """An op in a line of facts and its document below, indented."""
    dtypes = _GROUPS.get(op.dtypes) or " ".join(dtype.name for dtype in op.dtypes)
    batch = "batch" if _batches(op) else "-"
    names = " ".join(f"np.{name}" for name in op.numpy)
    columns = f"{dtypes:9} {derivative(op):7} {batch:5} {accuracy(op):8} {names}".rstrip()
    return f"{signature(op):42} {columns}\n{indent(_wrapped(op.doc), '    ')}\n"


def entries(family: Family | None = None) -> str:
    """The entries of a family, or of all, by name."""
    chosen = [op for op in OPS.values() if family in (None, op.family)]
    return "\n".join(entry(op) for op in sorted(chosen, key=lambda op: op.name))


def document(op: Op) -> str:
    """The entry of an op, what its attributes mean, and an example where it has a small sample."""
    text = entry(op)
    if fields(op.attrs):
        text += f"\n{_wrapped(inspect.cleandoc(op.attrs.__doc__ or ''))}\n"
    sample = _smallest(op)
    return text if sample is None else f"{text}\n{_example(op, sample)}"


def _batches(op: Op) -> bool:
    """Whether `gc.vmap` takes it. What has no operands is the same for all examples."""
    return op.batch is not None or op.family is Family.SOURCE


def _wrapped(text: str) -> str:
    paragraphs = text.replace("...", "…").split("\n\n")
    return "\n\n".join("\n".join(wrap(paragraph, _WIDTH)) for paragraph in paragraphs)


def _arrays(op: Op, sample: Sample) -> tuple[Array, ...]:
    """The operands of a sample, the same at every call."""
    dtype = float32 if float32 in op.tested_dtypes else op.tested_dtypes[0]
    return sample.arrays(np.random.default_rng(0), dtype)


def _smallest(op: Op) -> Sample | None:
    """The sample that shows most in a few numbers: of those nowhere empty the one whose operands
    and results have next to `_FEW` elements; None for an op without operands or samples."""
    if not op.operands:
        return None
    best: tuple[int, Sample | None] = (0, None)
    for sample in op.samples:
        if sample.refuse is None:
            operands = [constant(array) for array in _arrays(op, sample)]
            node = op(*operands, **sample.attrs)
            sizes = [part.type.size for part in (*operands, *_results(node))]
            distance = abs(sum(sizes) - _FEW)
            if all(sizes) and (best[1] is None or distance < best[0]):
                best = (distance, sample)
    return best[1]


def _results(node: Node) -> tuple[Node, ...]:
    return items(node) if isinstance(node.type, TupleType) else (node,)


def _example(op: Op, sample: Sample) -> str:
    """A graph of one node, and its numbers."""
    arrays = _arrays(op, sample)
    *names, last = op.operands
    rest = len(arrays) - len(names)
    names += [f"{last[1:]}{i}" for i in range(rest)] if last.startswith("*") else [last]
    given = [
        build.input(type=constant(array).type, name=name)
        for name, array in zip(names, arrays, strict=True)
    ]
    node = op(*given, **sample.attrs)
    results = _results(node)
    outputs = tuple(f"y{i}" if len(results) > 1 else "result" for i in range(len(results)))
    graph = Graph("example", tuple(given), (), results, outputs)
    found: Any = apply(node, list(arrays))
    values = [*arrays, *(found if isinstance(node.type, TupleType) else (found,))]
    lines = [
        f"%{name} = {np.array2string(value, precision=4, prefix=f'%{name} = ')}"
        for name, value in zip([*names, *outputs], values, strict=True)
    ]
    return f"{print_graph(graph)}\n" + "\n".join(lines) + "\n"
