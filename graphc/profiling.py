"""`Step.profile`: the same step with clocks in it, and what the machine can do at best.

Owns `profile`. Imports the compiler, `limits` and `runtime.profile`. Invariant: what is profiled
has copies of the parameters, so that profiling changes none, whatever happens in it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.codegen.profiled import profiled_artifact
from graphc.codegen.target import host_target
from graphc.ir.diagnostics import AttributeValueError
from graphc.limits import Limit, limits, memory_arrays
from graphc.runtime.artifact import Manifest
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.profile import Limits, Profile, run_profiled

if TYPE_CHECKING:
    from graphc.codegen.pipeline import Compilation

ROUNDS = 3
"""How often each limit is measured; the fastest counts."""

MEMORY_BYTES = 1 << 26
"""Of the arrays on which memory is measured, two for each thread."""


def profile(
    compilation: Compilation,
    params: Mapping[str, ParameterStorage],
    arguments: tuple[Sequence[Any], Mapping[str, Any]],
    runs: int | None = None,
) -> Profile:
    """Compile a program again with clocks around its kernels, and call it on `params`.

    Raises `AttributeValueError` for a number of runs that cannot be.
    """
    if runs is not None and (not isinstance(runs, int) or runs < 1):
        raise AttributeValueError(
            f"runs must be a whole number above 0, got {runs!r}",
            help="leave it out for as many as a third of a second has room for",
        )
    artifact = profiled_artifact(compilation)
    records = artifact.manifest.kernels
    doubles = any(record["doubles"] for record in records)
    tasks = sorted({record["tasks"] for record in records})
    measured = {count: measure(count, doubles=doubles) for count in tasks}
    constants, externals = compilation.constants, compilation.externals
    cache = host_target().l3_bytes // 2
    return run_profiled(artifact, params, constants, externals, arguments, runs, measured, cache)


def measure(threads: int, *, doubles: bool) -> Limits:
    """What this machine does now on so many threads; with f64 if `doubles` are asked for."""
    arrays = memory_arrays(threads, MEMORY_BYTES)
    return Limits(
        _rate(limits("peak", threads)),
        _rate(limits("peak of f64", threads)) if doubles else 0.0,
        _rate(limits("read bandwidth", threads, arrays)),
        _rate(limits("bandwidth", threads, arrays)),
    )


def _rate(kernels: list[Limit]) -> float:
    best = 0.0
    for limit in kernels:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            limit.run()
            best = max(best, limit.amount / (time.perf_counter() - start))
    return best


def example_params(manifest: Manifest) -> dict[str, ParameterStorage]:
    """Parameters of a program that has no values for them: ones."""
    return {
        param.name: ParameterStorage(np.ones(param.shape, param.numpy)) for param in manifest.params
    }
