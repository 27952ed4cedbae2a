"""`graphc/tensor_functions.pyi`, by which type checkers and editors know `gc.tanh` and the like.

The functions themselves are found in the registry when they are first used, and many are made from
the records of ops; the file says what is found there, and is printed from it.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import graphc as gc
from graphc.registry import FUNCTIONS
from tests.rooms import ROOT

FILE = ROOT / "graphc" / "tensor_functions.pyi"

HEAD = '''\
"""The types of the functions in graphc's registry, printed from it by
`pytest tests/graphc/test_tensor_functions.py --bless`."""

from graphc.tensor import Axis, Tensor, TensorLike
'''


def printed() -> str:
    functions = dict(sorted(FUNCTIONS.items()))
    imported = {name: home(function) for name, function in functions.items()}
    imports = sorted(f"{where} as {name}\n" for name, where in imported.items() if where)
    made = [
        line
        for name, where in imported.items()
        if not where
        for line in declaration(name, functions[name])
    ]
    return HEAD + "".join(imports) + "\n" + "\n".join(made)


def home(function: Callable[..., Any]) -> str:
    """How a function is imported; nothing for one that was made from a record."""
    module = importlib.import_module(function.__module__)
    written = getattr(module, function.__name__, None) is function
    return f"from {module.__name__} import {function.__name__}" if written else ""


def declaration(name: str, function: Callable[..., Any]) -> Iterator[str]:
    signature = str(inspect.signature(function)).replace("'", "")
    yield f"def {name}{signature}:"
    first, _, _ = (inspect.getdoc(function) or "").splitlines()[0].partition(". ")
    yield f'    """{first.removesuffix(".")}."""\n'


def test_it_says_what_the_registry_has(bless: bool) -> None:
    if bless:
        FILE.write_text(printed(), encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == printed(), (
        "if the functions are right: pytest tests/graphc/test_tensor_functions.py --bless"
    )


def test_a_function_of_each_kind_is_there() -> None:
    """Written by hand, made from a record, under a second name."""
    text = FILE.read_text(encoding="utf-8")
    for line in (
        "from graphc.functions.joining import concatenate as concatenate\n",
        "def tanh(x: TensorLike, /) -> Tensor:\n",
        "def arctan2(y: TensorLike, x: TensorLike, /) -> Tensor:\n",
    ):
        assert line in text
    assert gc.absolute is gc.abs
