"""From text back to a graph.

Owns the grammar of the text form; types and attributes are read by `ir.attributes`. Imports the
lexer, the op records and the core of `ir`. Invariant: bad text raises `ParseError`, with line and
column, and nothing else; types in the text are checked against inference, never believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from graphc.ir.attributes import Arrays, AttributeReader, Item, unquoted
from graphc.ir.diagnostics import GraphError
from graphc.ir.graph import Attrs, Graph, KernelGroup, Node, Update
from graphc.ir.lexer import Lexer, did_you_mean, shortened
from graphc.ir.location import Location, Origin, provenance
from graphc.ir.op import Op
from graphc.ir.ops import OPS, source
from graphc.ir.printer import value_name
from graphc.ir.types import TensorType

_LOCATION = re.compile(
    r'(?:("(?:[^"\\]|\\.)*")|([A-Za-z0-9_.<>()+-]+)):(-?\d{1,9})(?:\s+|\Z)', re.ASCII
)
_RULE = re.compile(r'("(?:[^"\\]|\\.)*"|.*?)(?: for (%.*))?\Z', re.DOTALL)

Name = str | int
"""A value's name in the text: a user's name, or the number of an unnamed value."""


def parse_graph(text: str, constants: Arrays | None = None, file: str = "<text>") -> Graph:
    """The graph that `print_graph` wrote.

    `constants` holds the arrays that the text names by content hash (`graph_constants`); `file`
    is named in errors. Raises `ParseError` on anything that is not a well-typed graph. Whether
    the graph keeps the rules of its stage is for `ir.verifier` to say.
    """
    return _Parser(Lexer(text, file), constants or {}).graph()


@dataclass(frozen=True, slots=True)
class _Use:
    """A value named in the header, where it is not yet defined."""

    name: Name
    at: int


@dataclass(slots=True)
class _Header:
    name: str
    inputs: list[Node] = field(default_factory=list)
    params: list[Node] = field(default_factory=list)
    outputs: list[tuple[str, _Use, TensorType, int]] = field(default_factory=list)
    updates: list[tuple[_Use, _Use]] = field(default_factory=list)
    stage: str = "graph"


class _Parser:
    def __init__(self, lexer: Lexer, constants: Arrays) -> None:
        self.lexer = lexer
        self.attributes = AttributeReader(lexer, constants)
        self.values: dict[Name, Node] = {}
        self.nodes: list[Node] = []

    def graph(self) -> Graph:
        """The last graph of the text; those before it are there to be nested."""
        lexer = self.lexer
        lexer.skip_newlines()
        begins: dict[str, int] = {}
        while True:
            begin = lexer.start
            graph = self.one_graph()
            lexer.take_comment()
            lexer.skip_newlines()
            if lexer.kind == "end":
                break
            if lexer.text != "graph":
                lexer.fail("expected nothing after the graph")
            if graph.name in begins:
                lexer.fail_at(begin, f"graph `@{shortened(graph.name)}` is defined twice")
            begins[graph.name] = begin
            self.attributes.graphs[graph.name] = graph
        for name in sorted(begins.keys() - self.attributes.nested):
            lexer.fail_at(begins[name], f"graph `@{shortened(name)}` is nested in no other")
        return graph

    def one_graph(self) -> Graph:
        self.values, self.nodes = {}, []
        header = self.header()
        kernels = self.body()
        return Graph(
            header.name,
            tuple(header.inputs),
            tuple(header.params),
            tuple(self.output(use, type_, at) for _, use, type_, at in header.outputs),
            tuple(name for name, *_ in header.outputs),
            self.updates(header),
            header.stage,
            kernels,
            tuple(self.nodes),
        )

    def header(self) -> _Header:
        """`graph @loss(%x: f32[2], param %w: f32[2]) -> (...) updates (...) stage=... {`"""
        lexer = self.lexer
        lexer.expect("graph")
        header = _Header(self.graph_name("the graph's name, such as `@loss`"))
        self.listed(lambda: self.declaration(header))
        lexer.expect("->")
        self.listed(lambda: self.output_declaration(header))
        if lexer.accept("updates"):
            self.listed(lambda: self.update_declaration(header))
        if lexer.accept("stage"):
            lexer.expect("=")
            header.stage = self.word("a stage, such as `fused`")
        lexer.expect("{")
        self.end_of_line()
        return header

    def listed(self, item: Callable[[], None]) -> None:
        """`(item, item, ...)`, over several lines if need be; each item reads its separator."""
        self.lexer.expect("(")
        self.lexer.take_comment()
        self.lexer.skip_newlines()
        while self.lexer.text != ")":
            item()
        self.lexer.advance()

    def separator(self) -> str:
        """What stands between items; returns the comment on the item before."""
        lexer = self.lexer
        comma = lexer.accept(",")
        comment = lexer.take_comment()
        lexer.skip_newlines()
        if not comma and lexer.text != ")":
            lexer.fail("expected `,` or `)`")
        return comment

    def declaration(self, header: _Header) -> None:
        """`%x: f32[2]` or `param %w: f32[2]`"""
        lexer = self.lexer
        is_param = lexer.accept("param")
        at = lexer.start
        name = self.value_name("an input, such as `%x: f32[2,3]`")
        lexer.expect(":")
        type_ = self.attributes.type()
        loc, origin = _provenance(self.separator())
        with provenance(loc, origin):
            op = source.param if is_param else source.input
            node = op(type=type_, name=name if isinstance(name, str) else "")
        self.define(name, at, node)
        (header.params if is_param else header.inputs).append(node)

    def output_declaration(self, header: _Header) -> None:
        """`%loss: f32[]`, or `loss = %3: f32[]`"""
        lexer = self.lexer
        given = None
        if lexer.kind != "value":
            given = self.word("an output, such as `%loss: f32[]` or `loss = %loss: f32[]`")
            lexer.expect("=")
        use = _Use(at=lexer.start, name=self.value_name("the value of the output"))
        lexer.expect(":")
        at = lexer.start
        type_ = self.attributes.type()
        self.separator()
        header.outputs.append((str(use.name) if given is None else given, use, type_, at))

    def update_declaration(self, header: _Header) -> None:
        """`%w = %w_new`"""
        param = _Use(at=self.lexer.start, name=self.value_name("a parameter"))
        self.lexer.expect("=")
        value = _Use(at=self.lexer.start, name=self.value_name("the parameter's new value"))
        self.separator()
        header.updates.append((param, value))

    def output(self, use: _Use, type_: TensorType, at: int) -> Node:
        node = self.resolved(use.name, use.at)
        if node.type != type_:
            self.lexer.fail_at(at, f"expected {node.type}, the output's type, got {type_}")
        return node

    def updates(self, header: _Header) -> tuple[Update, ...]:
        updates: dict[Node, Update] = {}
        for param_use, value_use in header.updates:
            param = self.resolved(param_use.name, param_use.at)
            value = self.resolved(value_use.name, value_use.at)
            if param not in header.params:
                self.lexer.fail_at(param_use.at, "only a `param` can be updated")
            if param in updates:
                self.lexer.fail_at(param_use.at, "the parameter is updated twice")
            if value.type != param.type:
                summary = f"expected {param.type}, the parameter's type, got {value.type}"
                self.lexer.fail_at(value_use.at, summary)
            updates[param] = Update(param, value)
        return tuple(updates.values())

    def body(self) -> tuple[KernelGroup, ...]:
        lexer = self.lexer
        kernels: dict[str, KernelGroup] = {}
        while not lexer.accept("}"):
            if lexer.kind == "value":
                self.statement()
            elif lexer.accept("kernel"):
                at = lexer.start
                kernel = self.kernel()
                if kernel.name in kernels:
                    lexer.fail_at(at, f"kernel `{shortened(kernel.name)}` is defined twice")
                kernels[kernel.name] = kernel
            else:
                lexer.fail("expected a value (`%name = ...`), `kernel` or `}`")
        return tuple(kernels.values())

    def kernel(self) -> KernelGroup:
        """`@k0 row {`, nodes, `}  # reason`"""
        lexer = self.lexer
        name = self.graph_name("the kernel's name, such as `@k0`")
        shape = self.word("the kernel's shape, such as `map`")
        lexer.expect("{")
        self.end_of_line()
        first = len(self.nodes)
        while not lexer.accept("}"):
            if lexer.kind != "value":
                lexer.fail("expected a value (`%name = ...`) or `}`")
            self.statement()
        reason = lexer.take_comment()
        self.end_of_line()
        quoted = unquoted(reason) if reason.startswith('"') else None
        nodes = tuple(self.nodes[first:])
        return KernelGroup(name, shape, nodes, reason if quoted is None else quoted)

    def statement(self) -> None:
        """`%h = matmul %x, %w {...} : f32[2]  # mlp.py:14`"""
        lexer = self.lexer
        at = lexer.start
        name = self.value_name("a value")
        lexer.expect("=")
        op_at = lexer.start
        op = self.op()
        operands: list[Node] = []
        places: list[int] = []
        while lexer.kind == "value":
            places.append(lexer.start)
            operands.append(self.operand())
            if not lexer.accept(","):
                break
            if lexer.kind != "value":
                lexer.fail("expected an operand")
        items = self.attributes.read()
        lexer.expect(":")
        type_at = lexer.start
        type_ = self.attributes.type()
        loc, origin = _provenance(lexer.take_comment())
        self.end_of_line()
        attrs = self.attributes.fit(op, items, type_, op_at)
        with provenance(loc, origin):
            node = self.built(op, operands, attrs, name, (op_at, *places), items)
        if node.type != type_:
            lexer.fail_at(type_at, f"expected {node.type}, what `{op.name}` gives, got {type_}")
        self.define(name, at, node)

    def op(self) -> Op:
        lexer = self.lexer
        name, at = lexer.text, lexer.start
        if lexer.kind != "word":
            lexer.fail("expected an operation")
        op = OPS.get(name)
        if op is None:
            lexer.fail_at(at, f"no operation is named `{shortened(name)}`", did_you_mean(name, OPS))
        if op in (source.input, source.param):
            lexer.fail_at(at, f"`{name}` belongs in the graph's header: `(... %x: f32[2,3] ...)`")
        lexer.advance()
        return op

    def built(
        self,
        op: Op,
        operands: list[Node],
        attrs: Attrs,
        name: Name,
        places: tuple[int, ...],
        items: list[Item],
    ) -> Node:
        """The node; what its record refuses is an error at the operand at fault.

        `places` are the positions of the operation and its operands.
        """
        try:
            return op.build(operands, attrs, name if isinstance(name, str) else "")
        except GraphError as error:
            operand = error.operand
            at = places[0] if operand is None or operand + 1 >= len(places) else places[operand + 1]
            self.lexer.fail_at(at, _in_one_line(error), error.help)

    def operand(self) -> Node:
        at = self.lexer.start
        return self.resolved(self.value_name("an operand"), at)

    def resolved(self, name: Name, at: int) -> Node:
        node = self.values.get(name)
        if node is None:
            known = [value_name(known) for known in self.values if isinstance(known, str)]
            shown = value_name(name) if isinstance(name, str) else f"%{name}"
            summary = f"`{shortened(shown)}` is not defined, or only further down"
            self.lexer.fail_at(at, summary, did_you_mean(shown, known))
        return node

    def define(self, name: Name, at: int, node: Node) -> None:
        if name in self.values:
            self.lexer.fail_at(at, f"`%{shortened(str(name))}` is defined twice")
        self.values[name] = node
        self.nodes.append(node)

    def end_of_line(self) -> None:
        lexer = self.lexer
        lexer.take_comment()
        if lexer.kind not in ("newline", "end") and lexer.text != "}":
            lexer.fail("expected end of line")
        lexer.skip_newlines()

    def value_name(self, what: str) -> Name:
        lexer = self.lexer
        text = lexer.text
        if lexer.kind != "value":
            lexer.fail(f"expected {what}")
        if text[1] == '"':
            name = self.quoted(text[1:])
        elif text[1].isdigit():
            lexer.advance()
            return int(text[1:])
        else:
            name = text[1:]
        lexer.advance()
        return name

    def graph_name(self, what: str) -> str:
        if self.lexer.kind != "graph":
            self.lexer.fail(f"expected {what}")
        text = self.lexer.text[1:]
        name = self.quoted(text) if text[0] == '"' else text
        self.lexer.advance()
        return name

    def word(self, what: str) -> str:
        if self.lexer.kind == "string":
            name = self.quoted(self.lexer.text)
            self.lexer.advance()
            return name
        return self.lexer.take("word", what)

    def quoted(self, text: str) -> str:
        name = unquoted(text)
        if name is None:
            self.lexer.fail("expected a name with the escapes of JSON")
        return name


@lru_cache(maxsize=4096)
def _provenance(comment: str) -> tuple[Location | None, Origin | None]:
    """What `ir.printer.comment` wrote; any other comment is taken for a rule."""
    loc: Location | None = None
    located = _LOCATION.match(comment)
    if located:
        file = unquoted(located[1]) if located[1] else located[2]
        loc = Location(file or "", int(located[3]))
        comment = comment[located.end() :]
    if not comment:
        return loc, None
    match = _RULE.match(comment)
    rule, primal = (match[1], match[2] or "") if match else (comment, "")
    if rule.startswith('"'):
        rule = rule if (text := unquoted(rule)) is None else text
    if primal:
        bare = primal[1:]
        primal = (unquoted(bare) or bare) if bare.startswith('"') else bare
    return loc, Origin(rule, primal)


def _in_one_line(error: GraphError) -> str:
    return f"{error.summary}: {error.note}" if error.note else error.summary
