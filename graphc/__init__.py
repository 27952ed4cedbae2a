"""graphc: a compiler for differentiable tensor programs.

Declare inputs, parameters and a loss; `grad` derives the adjoint graph; `compile` makes one
native step of forward, backward and update.

>>> import graphc as gc
>>> x = gc.input("x", 3)
>>> w = gc.param("w", [1.0, 2.0, 3.0])
>>> loss = ((w * x - 1) ** 2).sum()
>>> step = gc.compile([x], loss, updates={w: w - 0.1 * gc.grad(loss, w)})

Owns the public names. Invariant: importing graphc loads neither LLVM nor networkx; what needs
them is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

# In a checkout ir/, codegen/ and runtime/ lie beside this folder, not in it as when installed.
if not Path(__path__[0], "ir").exists():
    __path__.append(str(Path(__path__[0]).parent))

from graphc import functions
from graphc.autodiff import grad, jvp, value_and_grad
from graphc.declare import Parameter, const, input, param
from graphc.ir.types import (
    bool_,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from graphc.registry import FUNCTIONS
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc import datasets, errors, init, nn, optim, training
    from graphc.compilation import build_graph, compile, load

__version__ = "0.1.0"

_MODULES = ("datasets", "errors", "init", "nn", "optim", "training")
_ON_DEMAND = {"build_graph": "graphc.compilation", "compile": "graphc.compilation", "load": "graphc.compilation"}

__all__ = [
    "Parameter",
    "Tensor",
    "bool_",
    "build_graph",
    "compile",
    "const",
    "datasets",
    "errors",
    "float32",
    "float64",
    "functions",
    "grad",
    "init",
    "input",
    "int8",
    "int16",
    "int32",
    "int64",
    "jvp",
    "load",
    "nn",
    "optim",
    "param",
    "training",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "value_and_grad",
]


def __getattr__(name: str) -> Any:
    """The tensor functions (`gc.exp`, `gc.softmax`, ...) and what is loaded on demand."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name in _MODULES:
        return importlib.import_module(f"graphc.{name}")
    if name in _ON_DEMAND:
        return getattr(importlib.import_module(_ON_DEMAND[name]), name)
    raise AttributeError(f"graphc has no {name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *FUNCTIONS})
