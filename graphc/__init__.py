"""graphc: a compiler for differentiable tensor programs.

Declare inputs, parameters and a loss; `grad` derives the adjoint graph; `compile` makes one
native step of forward, backward and update.

>>> import graphc as gc
>>> x = gc.input("x", 3)
>>> w = gc.param("w", [1.0, 2.0, 3.0])
>>> loss = ((w * x - 1) ** 2).sum()
>>> step = gc.compile([x], loss, updates={w: w - 0.1 * gc.grad(loss, w)})

Owns the public names. Invariant: importing graphc loads nothing; each name loads what it needs
when it is first used, so LLVM comes in with `compile` and not before.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

_loaded_at = time.time()

_FOLDER = Path(__path__[0])

# In a checkout ir/, codegen/ and runtime/ lie beside this folder, not in it as when installed.
if not (_FOLDER / "ir").exists():
    __path__.append(str(_FOLDER.parent))

if TYPE_CHECKING:
    from graphc import (
        datasets,
        errors,
        functions,
        init,
        linalg,
        nn,
        optim,
        random,
        schedules,
        training,
    )
    from graphc.aot.export import Export, export
    from graphc.autodiff import (
        grad,
        hessian,
        hvp,
        jacfwd,
        jacobian,
        jacrev,
        jvp,
        value_and_grad,
        vjp,
    )
    from graphc.building import build_graph
    from graphc.checking import check_grad
    from graphc.compilation import Step, compile
    from graphc.costs import cost
    from graphc.declare import Parameter, const, input, param
    from graphc.functions.control import cond, scan, while_loop
    from graphc.functions.regions import checkpoint, custom_gradient
    from graphc.ir.types import (
        bfloat16,
        bool_,
        float16,
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
    from graphc.just_in_time import jit
    from graphc.runtime.loading import load
    from graphc.tensor import Tensor
    from graphc.tensor_functions import *  # noqa: F403  what `_load` finds in the registry
    from graphc.vectorise import vmap

__version__ = "0.1.0"

__all__ = [
    "Export",
    "Parameter",
    "Step",
    "Tensor",
    "bfloat16",
    "bool_",
    "build_graph",
    "check_grad",
    "checkpoint",
    "compile",
    "cond",
    "const",
    "cost",
    "custom_gradient",
    "datasets",
    "errors",
    "export",
    "float16",
    "float32",
    "float64",
    "functions",
    "grad",
    "hessian",
    "hvp",
    "init",
    "input",
    "int8",
    "int16",
    "int32",
    "int64",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linalg",
    "load",
    "nn",
    "optim",
    "param",
    "random",
    "scan",
    "schedules",
    "training",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]

_HOMES = {
    "aot.export": ("Export", "export"),
    "autodiff": (
        "grad",
        "hessian",
        "hvp",
        "jacfwd",
        "jacobian",
        "jacrev",
        "jvp",
        "value_and_grad",
        "vjp",
    ),
    "building": ("build_graph",),
    "compilation": ("Step", "compile"),
    "checking": ("check_grad",),
    "costs": ("cost",),
    "declare": ("Parameter", "const", "input", "param"),
    "just_in_time": ("jit",),
    "runtime.loading": ("load",),
    "tensor": ("Tensor",),
    "vectorise": ("vmap",),
}
"""The modules that names other than modules, dtypes and tensor functions come from."""


def __getattr__(name: str) -> Any:
    """Load what `name` needs. Tensor functions (`gc.exp`, `gc.softmax`) are in the registry."""
    value = _load(name)
    globals()[name] = value
    return value


def _load(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"graphc.{module}"), name)
    if name.startswith("_"):
        raise AttributeError(f"graphc has no {name}")
    if (_FOLDER / name).exists() or (_FOLDER / f"{name}.py").exists():
        return importlib.import_module(f"graphc.{name}")
    functions = importlib.import_module("graphc.registry").FUNCTIONS
    dtypes = importlib.import_module("graphc.ir.types")
    importlib.import_module("graphc.functions")
    if name in functions:
        return functions[name]
    if isinstance(getattr(dtypes, name, None), dtypes.DType):
        return getattr(dtypes, name)
    raise AttributeError(f"graphc has no {name}{_meant(name, functions)}")


def _meant(name: str, functions: dict[str, Any]) -> str:
    close = importlib.import_module("difflib").get_close_matches(name, [*__all__, *functions], 1)
    return f"; did you mean {close[0]}?" if close else ""


def __dir__() -> list[str]:
    importlib.import_module("graphc.functions")
    return sorted({*__all__, *importlib.import_module("graphc.registry").FUNCTIONS})
