"""Where instructions go: blocks, loops, conditions.

Owns `Writer` and `Loop`. Text is written directly because it is several times faster than building
instruction objects; LLVM parses and verifies it before anything runs. Imports `codegen.values`.
Invariant: an instruction without effects is written in the outermost loop that has its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from graphc.codegen.values import Value, is_number
from graphc.ir.types import DType, bool_, int32, int64

Lines = list["str | Lines"]


@dataclass
class Loop:
    """An open loop: its counter and the values carried round it.

    `next` must be set to the carried values of the next round before the loop closes; then
    `results` holds them as they are after the last.
    """

    counter: Value
    carried: list[Value]
    next: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)


class Writer:
    """One LLVM function being written.

    Instructions go to the end, except that one without effects goes ahead of the loops in which
    none of its operands varies.
    """

    def __init__(self, name: str, parameters: Sequence[Value], attributes: str) -> None:
        self.name = name
        self.parameters = tuple(parameters)
        self.section = ""
        self.attributes = attributes
        self.block = "entry"
        self._body: Lines = []
        self._lines = self._body
        self._count = 0
        # Of each open loop or condition the place just ahead of it, and how many of them code may
        # not be moved out of, because it might not run there.
        self._ahead: list[Lines] = []
        self._fixed = 0
        self._stays = False
        self._slots = self._reserve()

    @property
    def gives_status(self) -> bool:
        """Whether the function returns an i32 that is not 0 where it failed."""
        return self.attributes.endswith("i32")

    @property
    def depth(self) -> int:
        """How many loops and conditions are open."""
        return len(self._ahead)

    def fresh(self, dtype: DType, lanes: int = 1) -> Value:
        return self._named(dtype, lanes, self.depth)

    def _named(self, dtype: DType, lanes: int, depth: int) -> Value:
        self._count += 1
        return Value(f"%v{self._count}", dtype, lanes, depth)

    def fresh_label(self, hint: str) -> str:
        self._count += 1
        # A digit at the end of a hint would run together with the number.
        return f"{hint}{'_' if hint[-1:].isdigit() else ''}{self._count}"

    def raw(self, line: str) -> None:
        self._lines.append(f"  {line}")

    def comment(self, text: str) -> None:
        self._lines.append(f"  ; {text}")

    def emit(self, right: str, dtype: DType, lanes: int = 1) -> Value:
        """Append `%vN = right` here and return the value."""
        result = self.fresh(dtype, lanes)
        self._lines.append(f"  {result.ref} = {right}")
        return result

    def pure(self, right: str, dtype: DType, lanes: int, *operands: Value) -> Value:
        """Write `%vN = right`, which has no effect, where all of its operands first are."""
        depth = max([self._fixed, *(operand.depth for operand in operands)])
        if depth >= self.depth or self._stays:
            return self.emit(right, dtype, lanes)
        result = self._named(dtype, lanes, depth)
        self._ahead[depth].append(f"  {result.ref} = {right}")
        return result

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Code that is not moved ahead of loops: what is used at one place takes no register."""
        before, self._stays = self._stays, True
        yield
        self._stays = before

    def slot(self, right: str, dtype: DType) -> Value:
        """Write `%vN = right` at the head of the function, where stack memory is taken once."""
        result = self._named(dtype, 1, 0)
        self._slots.append(f"  {result.ref} = {right}")
        return result

    def _reserve(self) -> Lines:
        """A place here that can be written to later; it dominates all that follows."""
        lines: Lines = []
        self._lines.append(lines)
        return lines

    @contextmanager
    def _nested(self, ahead: Lines, *, always_runs: bool) -> Iterator[None]:
        fixed = self._fixed
        self._ahead.append(ahead)
        if not always_runs:
            self._fixed = self.depth
        yield
        self._ahead.pop()
        self._fixed = fixed

    # Control flow

    def label(self, name: str) -> None:
        self._lines.append(f"{name}:")
        self.block = name

    def jump(self, target: str) -> None:
        self.raw(f"br label %{target}")

    def branch(self, condition: Value, then: str, otherwise: str) -> None:
        self.raw(f"br {condition.typed}, label %{then}, label %{otherwise}")

    @contextmanager
    def loop(
        self,
        start: Value,
        stop: Value,
        step: int,
        carried: Sequence[Value] = (),
        hint: str = "loop",
        *,
        always_runs: bool = False,
    ) -> Iterator[Loop]:
        """A counted loop. With constant bounds that give no round the body is jumped over. A loop
        with other bounds may be said to have a round in any case."""
        ahead = self._reserve()
        body, after = self.fresh_label(hint), self.fresh_label(f"{hint}_end")
        before = self.block
        constant = is_number(start) and is_number(stop)
        never_empty = int(start.ref) < int(stop.ref) if constant else always_runs
        if never_empty:
            self.jump(body)
        else:
            self.branch(self._less(start, stop), body, after)
        self.label(body)
        with self._nested(ahead, always_runs=never_empty):
            counter = self.fresh(int64)
            phis = [self.fresh(value.dtype, value.lanes) for value in carried]
            head = self._reserve()
            loop = Loop(counter, phis)
            yield loop
            following = self.pure(f"add nsw {counter.typed}, {step}", int64, 1, counter)
        if len(loop.next) != len(phis):
            raise ValueError(f"loop {hint} carries {len(phis)} values, got {len(loop.next)} back")
        last = self.block
        for phi, first, back in zip(
            (counter, *phis), (start, *carried), (following, *loop.next), strict=True
        ):
            head.append(f"  {phi.ref} = {_phi(first, before, back, last)}")
        self.branch(self._less(following, stop), body, after)
        self.label(after)
        if never_empty:
            loop.results = [replace(value, depth=self.depth) for value in loop.next]
            return
        for first, back in zip(carried, loop.next, strict=True):
            right = _phi(first, before, back, last)
            loop.results.append(self.emit(right, first.dtype, first.lanes))

    def iterate(
        self,
        carried: Sequence[Value],
        going: Callable[[Sequence[Value]], Value],
        step: Callable[[Sequence[Value]], Sequence[Value]],
    ) -> list[Value]:
        """Rounds while the scalar condition `going(carried)` holds; `step` gives what is carried
        to the next. Returns what is carried when it no longer does."""
        ahead = self._reserve()
        names = ("iterate", "iterate_body", "iterate_end")
        head, body, after = (self.fresh_label(name) for name in names)
        before = self.block
        self.jump(head)
        self.label(head)
        with self._nested(ahead, always_runs=True):
            phis = [self.fresh(value.dtype, value.lanes) for value in carried]
            joins = self._reserve()
            self.branch(going(phis), body, after)
            self.label(body)
            following = step(phis)
            for phi, first, back in zip(phis, carried, following, strict=True):
                joins.append(f"  {phi.ref} = {_phi(first, before, back, self.block)}")
            self.jump(head)
        self.label(after)
        return [replace(phi, depth=self.depth) for phi in phis]

    @contextmanager
    def when(
        self, condition: Value, hint: str = "then", *, falls_through: bool = True
    ) -> Iterator[None]:
        """Run the block only if the scalar condition holds; a block that returns from the
        function does not fall through to what follows."""
        then, after = self.fresh_label(hint), self.fresh_label(f"{hint}_end")
        ahead = self._reserve()
        self.branch(condition, then, after)
        self.label(then)
        with self._nested(ahead, always_runs=False):
            yield
        if falls_through:
            self.jump(after)
        self.label(after)

    @contextmanager
    def repeat(self, hint: str = "repeat") -> Iterator[Callable[[Value], None]]:
        """Run the block again and again; the function yielded leaves it unless a condition holds,
        and must be called in the block itself."""
        ahead = self._reserve()
        body, after = self.fresh_label(hint), self.fresh_label(f"{hint}_end")

        def leave_unless(condition: Value) -> None:
            further = self.fresh_label(hint)
            self.branch(condition, further, after)
            self.label(further)

        self.jump(body)
        self.label(body)
        with self._nested(ahead, always_runs=False):
            yield leave_unless
        self.jump(body)
        self.label(after)

    def call(self, callee: Writer, arguments: Sequence[Value]) -> None:
        """Call a function of this module. If it gives a status that is not 0, this function, which
        must give one, too, ends with it."""
        called = f"@{callee.name}({', '.join(value.typed for value in arguments)})"
        if not callee.gives_status:
            self.raw(f"call void {called}")
            return
        self.leave_if(self.emit(f"call i32 {called}", int32))

    def call_address(self, address: Value, arguments: Sequence[Value]) -> Value:
        """Call the code at an address; the i32 that it returns."""
        typed = ", ".join(value.typed for value in arguments)
        return self.emit(f"call i32 {address.ref}({typed})", int32)

    def leave_if(self, status: Value) -> None:
        """Return from this function with a status that is not 0."""
        if not self.gives_status:
            raise TypeError(f"@{self.name} gives no status")
        failed = self.emit(f"icmp ne {status.typed}, 0", bool_)
        with self.when(failed, "failed", falls_through=False):
            self.raw(f"ret {status.typed}")

    def finish(self) -> None:
        """Return; with status 0, if this function gives one."""
        self.raw("ret i32 0" if self.gives_status else "ret void")

    def _less(self, x: Value, y: Value) -> Value:
        return self.pure(f"icmp slt {x.typed}, {y.ref}", bool_, 1, x, y)

    def text(self) -> str:
        parameters = ", ".join(parameter.typed for parameter in self.parameters)
        place = f' section "{self.section}"' if self.section else ""
        lines = [f"define {self.attributes} @{self.name}({parameters}) #0{place} {{", "entry:"]
        lines += _flatten(self._body)
        lines.append("}")
        return "\n".join(lines)


def _phi(first: Value, before: str, back: Value, last: str) -> str:
    """`first` on the way from the block `before`, `back` on the way from the block `last`."""
    return f"phi {first.type} [{first.ref}, %{before}], [{back.ref}, %{last}]"


def _flatten(lines: Lines) -> Iterator[str]:
    """The lines of nested lists in order, without recursion."""
    stack: list[Iterator[str | Lines]] = [iter(lines)]
    while stack:
        for item in stack[-1]:
            if isinstance(item, str):
                yield item
            else:
                stack.append(iter(item))
                break
        else:
            stack.pop()
