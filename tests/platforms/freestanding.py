"""Nothing is linked: what objects of every op and derivative leave undefined, for each processor.

By pytest, a part of them for each processor; by hand, with a progress bar, everything:

    python -m tests.platforms.freestanding [TARGET ...]

It prints the names that are undefined, who brings them, and ends with 1 if one of them is not the
compiler's own runtime library.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest
from tqdm import tqdm  # type: ignore[import-untyped]

from graphc.codegen.library import EntrySource, compile_library
from graphc.codegen.object_symbols import undefined_symbols
from graphc.codegen.processors import named_target
from graphc.codegen.target import Target
from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family, ForwardOnly, NoGradient, Op, Sample
from graphc.ir.ops import OPS
from graphc.ir.passes.differentiate import adjoints
from graphc.ir.types import FLOATS, DType, TensorType
from graphc.runtime.artifact import Structure
from tests.codegen.test_ops import graph_of_samples
from tests.ir.test_ops_gradient import results_of

NOTHING = ""
DOUBLES = r"__aeabi_(d\w+|f2d|u?[il]2d)"
ARITHMETIC = r"__aeabi_([dfil]\w+|u[il]2[df])|__clzsi2"

TARGETS = {
    "x86-64": ("x86_64-unknown-linux-gnu", "", "", NOTHING),
    "x86-64-v3": ("x86_64-unknown-linux-gnu", "x86-64-v3", "", NOTHING),
    "i686": ("i686-unknown-linux-gnu", "", "", NOTHING),
    "aarch64": ("aarch64-unknown-linux-gnu", "", "", NOTHING),
    "riscv64": ("riscv64-unknown-linux-gnu", "", "", NOTHING),
    "wasm32": ("wasm32-unknown-unknown", "", "", NOTHING),
    "wasm32-scalar": ("wasm32-unknown-unknown", "", "-simd128", NOTHING),
    "armv7": ("armv7-unknown-linux-gnueabihf", "", "", NOTHING),
    "cortex-m7": ("thumbv7em-none-eabihf", "cortex-m7", "", NOTHING),
    "cortex-m4": ("thumbv7em-none-eabihf", "cortex-m4", "", DOUBLES),
    "no-floats": ("thumbv7em-none-eabi", "", "", ARITHMETIC),
    "cortex-m0": ("thumbv6m-none-eabi", "cortex-m0", "", ARITHMETIC),
}
"""Processors, and which functions of the compiler's runtime library their code may call."""

PARTS = len(TARGETS)
"""Of so many parts, the test of a processor compiles one."""

TOGETHER = 24
"""Entries of one object, where all are looked at."""

Entry = tuple[str, Graph]


def entries(most_samples: int | None) -> Iterator[Entry]:
    """Every op at every dtype, loops and branches among them, and its derivatives; by name."""
    for op in OPS.values():
        if op.family is Family.SOURCE or op.foreign or not op.samples:
            continue
        for dtype in op.tested_dtypes:
            yield f"{op.name}_{dtype}", graph_of_samples(op, dtype, most_samples)[0]
            if dtype in FLOATS and not isinstance(op.vjp, (NoGradient, ForwardOnly)):
                yield from derivatives(op, dtype, most_samples)


def derivatives(op: Op, dtype: DType, most: int | None) -> Iterator[Entry]:
    """What an op hands back, for its samples that are differentiable."""
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    for number, sample in enumerate(op.samples[:most]):
        if sample.differentiable and sample.refuse is None:
            graph = derivative(op, sample, rng, dtype)
            if graph.outputs:
                yield f"{op.name}_{dtype}_derivative{number}", graph


def derivative(op: Op, sample: Sample, rng: np.random.Generator, dtype: DType) -> Graph:
    xs = [
        ops.input(name=f"x{i}", type=TensorType(DType.of(array.dtype), array.shape))
        for i, array in enumerate(sample.arrays(rng, dtype))
    ]
    ys = [y for y in results_of(op(*xs, **sample.attrs)) if y.dtype.is_float]
    seeds = [ops.input(name=f"seed{i}", type=y.type) for i, y in enumerate(ys)]
    wanted = [x for x in xs if x.dtype.is_float]
    found = [each for each in adjoints(ys, seeds, wanted) if each is not None]
    return graph_of([*xs, *seeds], found)


def graph_of(inputs: Sequence[Node], outputs: Sequence[Node]) -> Graph:
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph("f", tuple(inputs), (), tuple(outputs), names)


def undefined(target: Target, part: Mapping[str, Graph]) -> tuple[str, ...]:
    """The names that one object of these entries leaves undefined."""
    sources = {
        name: EntrySource(graph, Structure.of([0] * len(graph.outputs))[1])
        for name, graph in part.items()
    }
    return undefined_symbols(compile_library("all", sources, {}, [target]).object_bytes)


def foreign(names: Sequence[str], runtime: str) -> list[str]:
    """Those that are not of the runtime library."""
    return [name for name in names if not re.fullmatch(runtime, name) or "mem" in name]


@pytest.mark.parametrize("name", TARGETS)
def test_no_library_is_needed(name: str) -> None:
    triple, cpu, features, runtime = TARGETS[name]
    first = list(TARGETS).index(name)
    part = dict(list(entries(1))[first::PARTS])
    assert foreign(undefined(named_target(triple, cpu, features), part), runtime) == []


def main(names: Sequence[str]) -> int:
    every = list(entries(None))
    parts = [dict(every[i : i + TOGETHER]) for i in range(0, len(every), TOGETHER)]
    wrong = 0
    for name in names or TARGETS:
        triple, cpu, features, runtime = TARGETS[name]
        target = named_target(triple, cpu, features)
        found: dict[str, list[str]] = {}
        for part in tqdm(parts, desc=name, unit="object"):
            for symbol in undefined(target, part):
                found.setdefault(symbol, []).append(next(iter(part)))
        for symbol, where in sorted(found.items()):
            verdict = "NOT OF THE RUNTIME" if foreign([symbol], runtime) else ""
            wrong += bool(verdict)
            tqdm.write(f"  {symbol:<20} in {len(where)} objects, with {where[0]} {verdict}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
