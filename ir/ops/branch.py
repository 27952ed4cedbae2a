"""Control: one of two graphs by a condition, and a graph that runs as long as a condition holds.

Owns the records of `cond` and `while_loop`. Imports the differentiation pass, because the
derivative of a branch is a branch. Invariant: only the graph that is chosen runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphc.ir.diagnostics import ControlError, DTypeError
from graphc.ir.graph import Attrs, Graph, Node, Update, fresh_name
from graphc.ir.interpreter import evaluate
from graphc.ir.nested import taken_by
from graphc.ir.op import Array, Family, ForwardOnly, OfResults, Op, Sample
from graphc.ir.ops.algebra import cast, ops, scalar, zeros_like
from graphc.ir.ops.batch_control import batch_cond, batch_while
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import Deferred, draw
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.routine import ArrayView, RoutineBuilder
from graphc.ir.types import DType, TensorType, TupleType, bool_, float64, int32


@dataclass(frozen=True)
class CondAttrs(Attrs):
    """`then` runs if the condition holds, else `otherwise`; both take the operands behind it."""

    then: Graph
    otherwise: Graph


def _check_taken(name: str, graph: Graph, types: Sequence[TensorType], first: int) -> None:
    """Raise unless a nested graph takes operands of these types, which begin at `first`."""
    taken = taken_by(graph)
    if len(taken) != len(types):
        raise ControlError(f"{name} gives {len(types)} operands to a graph that takes {len(taken)}")
    for position, (inner, type_) in enumerate(zip(taken, types, strict=True), start=first):
        if inner.type != type_:
            raise ControlError(f"a graph of {name} takes {inner.type} there", operand=position)


def _check_condition(name: str, type_: TensorType, operand: int | None) -> None:
    if type_ != TensorType(bool_, ()):
        raise DTypeError(
            f"{name} goes by one bool, got {type_}",
            operand=operand,
            help="compare, or reduce with gc.all or gc.any",
        )


def _cond_type(types: Sequence[TensorType], attrs: CondAttrs) -> TensorType:
    _check_condition("cond", types[0], 0)
    results = []
    for graph in (attrs.then, attrs.otherwise):
        _check_taken("cond", graph, types[1:], 1)
        results.append(tuple(output.type for output in graph.outputs))
    if results[0] != results[1]:
        first, second = (", ".join(map(str, each)) or "nothing" for each in results)
        raise ControlError(
            f"the branches of cond give {first} and {second}",
            help="make both give results of the same shapes and dtypes",
        )
    return TupleType.of(results[0])


def _cond_reference(
    condition: Array, *operands: Array, then: Graph, otherwise: Graph
) -> tuple[Array, ...]:
    graph = then if condition else otherwise
    return tuple(evaluate(graph.outputs, dict(zip(graph.inputs, operands, strict=True))))


def _cond(b: RoutineBuilder, attrs: CondAttrs, *arrays: ArrayView) -> None:
    count = len(attrs.then.inputs)
    condition, operands, results = arrays[0][()], arrays[1 : count + 1], arrays[count + 1 :]
    with b.when(condition):
        b.run(attrs.then, operands, (), results)
    with b.when(~condition):
        b.run(attrs.otherwise, operands, (), results)


def _branches(node: Node) -> tuple[Graph, Graph]:
    attrs: Any = node.attrs
    return attrs.then, attrs.otherwise


def _cond_vjp(
    node: Node, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    """A branch on the same condition, which runs what was chosen again and then its adjoint."""
    condition, *operands = node.operands
    arriving = [(i, g) for i, g in enumerate(results) if g is not None]
    asked = [i for i, is_wanted in enumerate(wanted[1:]) if is_wanted]

    def adjoint(graph: Graph) -> Graph:
        seeds = [ops.input(type=g.type, name=_free(f"d_out{i}", graph)) for i, g in arriving]
        wrt = [graph.inputs[i] for i in asked]
        found = adjoints([graph.outputs[i] for i, _ in arriving], seeds, wrt)
        outputs = [zeros_like(x) if g is None else g for x, g in zip(wrt, found, strict=True)]
        return _graph(f"{graph.name}_adjoint", (*graph.inputs, *seeds), outputs)

    then, otherwise = map(adjoint, _branches(node))
    chosen = ops.cond(
        condition, *operands, *(g for _, g in arriving), then=then, otherwise=otherwise
    )
    contributions: list[Node | None] = [None] * len(node.operands)
    for place, i in enumerate(asked):
        contributions[1 + i] = ops.item(chosen, index=place)
    return contributions


def _cond_jvp(node: Node, moving: Sequence[Node | None]) -> list[Node | None]:
    """A branch on the same condition, on operands and their tangents."""
    condition, *operands = node.operands
    directions = [(i, t) for i, t in enumerate(moving[1:]) if t is not None]
    floats = [i for i, x in enumerate(_branches(node)[0].outputs) if x.dtype.is_float]

    def tangent(graph: Graph) -> Graph:
        inputs = [ops.input(type=t.type, name=_free(f"t_in{i}", graph)) for i, t in directions]
        outputs = [graph.outputs[i] for i in floats]
        found = tangents(outputs, [graph.inputs[i] for i, _ in directions], inputs)
        given = [zeros_like(y) if t is None else t for y, t in zip(outputs, found, strict=True)]
        return _graph(f"{graph.name}_tangent", (*graph.inputs, *inputs), given)

    then, otherwise = map(tangent, _branches(node))
    chosen = ops.cond(
        condition, *operands, *(t for _, t in directions), then=then, otherwise=otherwise
    )
    results: list[Node | None] = [None] * len(_branches(node)[0].outputs)
    for place, i in enumerate(floats):
        results[i] = ops.item(chosen, index=place)
    return results


def _graph(name: str, inputs: tuple[Node, ...], outputs: Sequence[Node]) -> Graph:
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph(name, inputs, (), tuple(outputs), names)


def _free(name: str, graph: Graph) -> str:
    """A name that no input or parameter of the graph has."""
    return fresh_name(name, {node.name for node in graph.boundary})


_PAIR = TensorType(float64, (4,))


def _pair() -> tuple[Node, Node]:
    return ops.input(type=_PAIR, name="x"), ops.input(type=_PAIR, name="y")


def _choice(*, uneven: bool = False) -> dict[str, Any]:
    x, y = _pair()
    then = Graph("then", (x, y), (), (ops.mul(x, ops.sin(y)), x), ("a", "b"))
    x, y = _pair()
    other = ops.sum(y, axes=(0,)) if uneven else ops.exp(y)
    return {"then": then, "otherwise": Graph("otherwise", (x, y), (), (x, other), ("a", "b"))}


def _choice_sample(
    condition: object, size: int = 4, *, uneven: bool = False, refuse: Any = None
) -> Sample:
    return Sample(
        lambda rng, dtype: (
            np.asarray(condition),
            draw(rng, dtype, (size,)),
            draw(rng, dtype, (size,)),
        ),
        Deferred(lambda: _choice(uneven=uneven)),
        refuse=refuse,
        label=f"{condition} of {size}{' uneven' if uneven else ''}",
    )


cond = register(
    Op(
        name="cond",
        family=Family.ROUTINE,
        operands=("condition", "*operands"),
        attrs=CondAttrs,
        infer=_cond_type,
        reference=_cond_reference,
        doc="The results of one of two graphs, chosen by a condition; the other does not run.",
        vjp=OfResults(_cond_vjp),
        jvp=OfResults(_cond_jvp),
        batch=batch_cond,
        routine=_cond,
        sample_dtypes=(float64,),
        ulp=8,
        samples=(
            _choice_sample(True),
            _choice_sample(False),
            _choice_sample(1.0, refuse=DTypeError),
            _choice_sample([True], refuse=DTypeError),
            _choice_sample(True, 3, refuse=ControlError),
            _choice_sample(True, uneven=True, refuse=ControlError),
        ),
        stored=True,
        cost=0,
    )
)


@dataclass(frozen=True)
class WhileAttrs(Attrs):
    """`body` updates its parameters as long as `condition`, a graph of the same parameters and
    inputs, gives true. Operands are the first values of the parameters, then the inputs."""

    condition: Graph
    body: Graph


def _while_type(types: Sequence[TensorType], attrs: WhileAttrs) -> TensorType:
    for graph in (attrs.condition, attrs.body):
        _check_taken("while_loop", graph, types, 0)
    if len(attrs.condition.outputs) != 1:
        raise ControlError(f"while_loop goes by one bool, got {len(attrs.condition.outputs)}")
    _check_condition("while_loop", attrs.condition.outputs[0].type, None)
    return TupleType.of(param.type for param in attrs.body.params)


def _while_reference(*operands: Array, condition: Graph, body: Graph) -> tuple[Array, ...]:
    count = len(body.params)
    state, captured = list(operands[:count]), operands[count:]

    def values(graph: Graph) -> dict[Node, Array]:
        return dict(zip(taken_by(graph), (*state, *captured), strict=True))

    place = {param: i for i, param in enumerate(body.params)}
    while evaluate(condition.outputs, values(condition))[0]:
        new = evaluate([update.value for update in body.updates], values(body))
        for update, value in zip(body.updates, new, strict=True):
            state[place[update.param]] = value
    return tuple(state)


def _while(b: RoutineBuilder, attrs: WhileAttrs, *arrays: ArrayView) -> None:
    count, taken = len(attrs.body.params), len(attrs.body.boundary)
    captured, carried, flag = arrays[count:taken], arrays[taken:-1], arrays[-1]
    for first, last in zip(arrays, carried, strict=False):
        b.copy(first, last)
    with b.repeat() as leave_unless:
        b.run(attrs.condition, captured, carried, [flag])
        leave_unless(flag[()])
        b.run(attrs.body, captured, carried, ())


def _while_jvp(node: Node, moving: Sequence[Node | None]) -> list[Node | None]:
    """A loop that carries values and their tangents side by side, on the same condition."""
    attrs: Any = node.attrs
    body, count = attrs.body, len(attrs.body.params)
    floats = [i for i, param in enumerate(body.params) if param.dtype.is_float]
    given = [(i, t) for i, t in enumerate(moving[count:]) if t is not None]
    params = [
        ops.param(type=body.params[i].type, name=_free(f"t_{body.params[i].name}", body))
        for i in floats
    ]
    inputs = [
        ops.input(type=t.type, name=_free(f"t_{body.inputs[i].name}", body)) for i, t in given
    ]
    updated = {update.param: update.value for update in body.updates}
    new = [updated.get(body.params[i], body.params[i]) for i in floats]
    wrt = [*(body.params[i] for i in floats), *(body.inputs[i] for i, _ in given)]
    found = tangents(new, wrt, [*params, *inputs])
    updates = [
        Update(param, zeros_like(param) if t is None else t)
        for param, t in zip(params, found, strict=True)
    ]
    wider = [
        replace(
            graph,
            params=(*graph.params, *params),
            inputs=(*graph.inputs, *inputs),
            updates=(*graph.updates, *extra),
            nodes=(),
        )
        for graph, extra in ((attrs.condition, ()), (body, updates))
    ]
    starts = [m if (m := moving[i]) is not None else zeros_like(node.operands[i]) for i in floats]
    operands = [*node.operands[:count], *starts, *node.operands[count:], *(t for _, t in given)]
    loop = ops.while_loop(*operands, condition=wider[0], body=wider[1])
    place = {i: count + position for position, i in enumerate(floats)}
    return [ops.item(loop, index=place[i]) if i in place else None for i in range(count)]


def _powers(*, verdict: DType = bool_) -> dict[str, Any]:
    """x * k as often as n < 5, counting n."""
    x, n, k = (
        ops.param(type=TensorType(float64, (3,)), name="x"),
        ops.param(type=TensorType(int32, ()), name="n"),
        ops.input(type=TensorType(float64, (3,)), name="k"),
    )
    goes_on = cast(ops.lt(n, scalar(5, int32)), verdict)
    updates = (Update(x, ops.mul(x, k)), Update(n, ops.add(n, scalar(1, int32))))
    return {
        "condition": Graph("goes_on", (k,), (x, n), (goes_on,), ("goes_on",)),
        "body": Graph("body", (k,), (x, n), (), (), updates),
    }


def _powers_sample(
    start: int, *, size: int = 3, verdict: DType = bool_, refuse: Any = None
) -> Sample:
    return Sample(
        lambda rng, dtype: (
            draw(rng, dtype, (size,)),
            np.array(start, np.int32),
            draw(rng, dtype, (3,)),
        ),
        Deferred(lambda: _powers(verdict=verdict)),
        refuse=refuse,
        label=f"{size} from {start} by {verdict}",
    )


while_loop = register(
    Op(
        name="while_loop",
        family=Family.ROUTINE,
        operands=("*operands",),
        attrs=WhileAttrs,
        infer=_while_type,
        reference=_while_reference,
        doc="Runs a body, which carries values along, as long as a condition holds. Forward mode "
        "only.",
        vjp=ForwardOnly(
            "while_loop has no reverse mode: how often it runs is not known before",
            "use gc.scan, which runs a fixed number of times, or forward mode (gc.jvp)",
        ),
        jvp=OfResults(_while_jvp),
        batch=batch_while,
        routine=_while,
        sample_dtypes=(float64,),
        ulp=8,
        samples=(
            _powers_sample(1),
            _powers_sample(9),
            _powers_sample(1, verdict=int32, refuse=DTypeError),
            _powers_sample(1, size=4, refuse=ControlError),
        ),
        scratch=lambda node: (TensorType(bool_, ()),),
        stored=True,
        cost=0,
    )
)
