"""What the tests of the public face share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.declare import Parameter
from graphc.ir.graph import topological
from graphc.ir.interpreter import evaluate
from tests.graphc.exporting import Model, declare

Evaluate = Callable[..., np.ndarray[Any, Any]]


@pytest.fixture
def value() -> Evaluate:
    """`value(tensor, {x: array})`: what a tensor is worth, by the reference interpreter.

    Parameters have their present value.
    """

    def run(tensor: gc.Tensor, given: dict[gc.Tensor, Any] | None = None) -> Any:
        known = {
            symbol.node: np.asarray(array, symbol.dtype.numpy)
            for symbol, array in (given or {}).items()
        }
        for node in topological([tensor.node]):
            if node.op.name == "param":
                known[node] = node.storage.value  # type: ignore[attr-defined]
        (result,) = evaluate([tensor.node], known)
        assert result.shape == tensor.shape
        assert result.dtype == tensor.dtype.numpy
        return result

    return run


@pytest.fixture
def x() -> gc.Tensor:
    """A matrix input."""
    return gc.input("x", (3, 4))


@pytest.fixture
def w() -> Parameter:
    """A matrix parameter."""
    return gc.param("w", np.arange(8, dtype="float32").reshape(4, 2))


@pytest.fixture
def model() -> Model:
    """The network that tests of libraries export."""
    return declare()


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    """A library of its steps, called net."""
    model.export(tmp_path / "net")
    return tmp_path / "net"
