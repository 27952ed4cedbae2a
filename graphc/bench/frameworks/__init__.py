"""The frameworks: how each makes a function, a gradient and a training step of a model.

Owns their names, how they are loaded, and the environment in which they keep to a number of
threads. Imports no framework: a module is given to whoever uses it. Invariant: a framework that is
not installed, or does not load, is left out and said to be.

A model is a function of the framework's module and of two dicts of tensors, parameters and inputs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from graphc.bench.case import Build, Data, Program
from graphc.bench.frameworks import with_graphc, with_jax, with_pytensor, with_torch

Model = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Any]


class Framework(Protocol):
    """The modules `with_...` beside this."""

    MODULE: str

    def prepare(self, module: Any, threads: int) -> Any:
        """Called once; returns what models are given."""

    def function(self, module: Any, model: Model, data: Data) -> Program: ...

    def gradient(self, module: Any, model: Model, data: Data) -> Program: ...

    def training(self, module: Any, model: Model, data: Data, rate: float) -> Program: ...


FRAMEWORKS: dict[str, Any] = {
    "graphc": with_graphc,
    "jax": with_jax,
    "torch": with_torch,
    "torch.compile": with_torch.COMPILED,
    "pytensor": with_pytensor,
}
PEERS = tuple(name for name in FRAMEWORKS if name != "graphc")


def environment(threads: int) -> dict[str, str]:
    """Variables that libraries read when they are loaded."""
    count = str(threads)
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB")
    xla = "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false"
    return {
        **{f"{name}_NUM_THREADS": count for name in names},
        "GRAPHC_THREADS": count,
        "NPROC": count,  # the size of XLA's pool
        "XLA_FLAGS": xla,
        "JAX_PLATFORMS": "cpu",
        "PYTENSOR_FLAGS": "floatX=float32",
        # Empty is off: Python keeps what it compiled, as an installed package has it.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def load(name: str, threads: int) -> Any:
    """The framework's module. Raises what its import raises."""
    framework = FRAMEWORKS.get(name)
    if framework is None:
        return importlib.import_module(name)
    return framework.prepare(importlib.import_module(framework.MODULE), threads)


def function(models: Mapping[str, Model]) -> dict[str, Build]:
    """Builds of programs that compute a model, or a dict of tensors."""
    return _builds(models, "function")


def gradient(models: Mapping[str, Model]) -> dict[str, Build]:
    """Builds of programs that compute a loss and its gradient by the parameters."""
    return _builds(models, "gradient")


def training(models: Mapping[str, Model], rate: float) -> dict[str, Build]:
    """Builds of steps that compute a loss and update the parameters by gradient descent."""
    return _builds(models, "training", rate)


def _builds(models: Mapping[str, Model], kind: str, *rest: float) -> dict[str, Build]:
    given = dict(models)
    if "torch" in given:
        given["torch.compile"] = given["torch"]
    return {name: _build(name, kind, model, rest) for name, model in given.items()}


def _build(name: str, kind: str, model: Model, rest: tuple[float, ...]) -> Build:
    make = getattr(FRAMEWORKS[name], kind)

    def build(module: Any, data: Data) -> Program:
        program: Program = make(module, model, data, *rest)
        return program

    return build
