"""The edge between the user's program and graphc.

Owns `public` and `at_user_line`, the decorators of everything that builds tensors. Imports the
registry, `source` and `ir.location`. Invariant: only the outermost call looks for the user's
line, so all nodes of one call share it, and the call's result takes the assigned name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from graphc import registry
from graphc.ir.diagnostics import GraphError
from graphc.ir.location import current_provenance, provenance
from graphc.source import Site, caller
from graphc.tensor import Tensor

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def at_user_line(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Give the nodes that `function` builds the line of the user's call, and errors too.

    A `GraphError` leaves without the frames inside graphc: the user's line is the last but one.
    """

    @functools.wraps(function)
    def located(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if current_provenance().loc is not None:
            return function(*args, **kwargs)
        site = caller()
        try:
            with provenance(site.location):
                return _named(function(*args, **kwargs), site)
        except GraphError as error:
            error.locate(site.location)
            raise error.with_traceback(None) from None

    return located


@overload
def public(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]: ...
@overload
def public(
    *, also: tuple[str, ...] = (), module: str = ""
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]: ...
def public(function: Any = None, *, also: tuple[str, ...] = (), module: str = "") -> Any:
    """Make a function part of `graphc`, under its name and those in `also`.

    With `module` it is part of that module of graphc, and stands for NumPy's of the same name.
    """
    if function is None:
        return functools.partial(public, also=also, module=module)
    located = at_user_line(function)
    registry.register(located, (function.__name__, *also), module)
    return located


def _named(result: Result, site: Site) -> Result:
    """`result` under the name of the variable it is assigned to, if this call made it."""
    if site.target and isinstance(result, Tensor) and type(result) is Tensor:
        node = result.node
        if not node.name and node.loc is site.location and node.operands:
            return type(result)(node.renamed(site.target))
    return result
