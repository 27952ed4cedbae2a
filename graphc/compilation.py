"""From a declared program to a native step.

Owns `compile` and `Step`. Imports `runtime` and, with the target, LLVM, so it is loaded when it is
first used; the compiler is loaded for a program that the cache does not have. Invariant: a step is
an executable like any other; what it knows beside is how it was made.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphc import config
from graphc.building import Program, build_program
from graphc.caching import Cached, Slot, load_pool_from
from graphc.ir.location import provenance
from graphc.public import at_user_line
from graphc.resources import Resources, bytes_of
from graphc.runtime.buffers import copies
from graphc.runtime.errors import ArtifactError
from graphc.runtime.executable import Executable
from graphc.source import caller
from graphc.stages import GRAPH_STAGES, STAGES, stage_text
from graphc.threads import chosen_threads

if TYPE_CHECKING:
    from graphc.building import Inputs, Updates
    from graphc.codegen.pipeline import Compilation
    from graphc.finite import Watch
    from graphc.ir.cost import CostTable
    from graphc.ir.graph import Graph
    from graphc.runtime.artifact import Structure
    from graphc.runtime.profile import Profile


class Step(Executable):
    """A compiled program, which can show every stage of its making."""

    __slots__ = ("_code", "_resources", "program", "watch")

    def __init__(
        self,
        program: Program,
        code: Compilation | Cached,
        resources: Resources,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(code.artifact, program.storages, code.constants, code.externals)
        self.program = program
        self._code = code
        self._resources = resources
        self.watch = watch
        if watch is not None:
            self.__call__ = watch.guard(self.__call__, program.storages)

    @property
    def compilation(self) -> Compilation:
        """How the code came about. The program of a step from the cache is compiled for this, once
        and to the same code."""
        if isinstance(self._code, Cached):
            with provenance(None):
                self._code = _compiled(self.program.graph, self.program.structure, self._resources)
        return self._code

    @property
    def memory_limit(self) -> int | None:
        """The most bytes of workspace that it was compiled for; None for any."""
        return self._resources.memory_limit

    def ir(self, stage: str = "fused") -> str:
        """A stage of the compilation as text: graph, adjoint, simplified, fused, kernels, memory,
        llvm, llvm-opt or asm. Raises `StageError`, a `ValueError`, for another.
        """
        return stage_text(self.compilation, stage)

    def llvm(self, optimized: bool = False) -> str:
        """LLVM's text, before or after its optimizer."""
        return self.ir("llvm-opt" if optimized else "llvm")

    def asm(self) -> str:
        """The machine code, disassembled."""
        return self.ir("asm")

    def cost(self) -> CostTable:
        """Arithmetic and bytes of the program as declared, for each op; prints as a table."""
        from graphc.ir.cost import cost_of

        return cost_of(self.program.graph.roots)

    def save(self, folder: str | PathLike[str]) -> None:
        """As `Executable.save`. A step with `debug_nans` is for this process: `ArtifactError`."""
        if self.watch is not None:
            raise ArtifactError(
                f"{self.name} was compiled with debug_nans=True and cannot be saved",
                help="compile it without",
            )
        super().save(folder)

    def profile(
        self, *inputs: Any, runs: int | None = None, update: bool = False, **named: Any
    ) -> Profile:
        """Where the time of a call goes, kernel by kernel, and how near each is to what this
        machine can do; prints as a table.

        The inputs are those of a call; without any they are random. The same kernels are compiled
        once more, with a clock around each, and called `runs` times, or for a third of a second.
        They work on a copy of the parameters, unless they shall `update` the parameters themselves.
        The step itself has no clocks, before or after.

        Raises what a call with these inputs raises, and `AttributeValueError` for a number of runs
        below 1.
        """
        from graphc.profiling import profile

        params = self.params if update else copies(self.snapshot())
        return profile(self.compilation, params, (inputs, named), runs)

    def memory(self) -> str:
        """Where each buffer lies and while which kernels run it is needed, the largest first; what
        that comes to; and what is computed again to keep to a `memory_limit`."""
        return self.ir("memory")


@at_user_line
def compile(
    inputs: Inputs,
    outputs: Any,
    updates: Updates | None = None,
    *,
    threads: int | None = None,
    memory_limit: int | str | None = None,
    debug_nans: bool = False,
    name: str | None = None,
) -> Step:
    """Compile a program to one native function.

    `inputs` lists what a call takes, in order. `outputs` is a tensor or a tuple, list or dict of
    tensors, nested as you like; a call returns arrays in the same structure. `updates` maps
    parameters to the values that they take at the end of each call. `name` is the step's name in
    dumps; without it, the variable that the step is assigned to.

    A call uses at most `threads` threads for kernels that are worth it; without a number those that
    the environment variable `GRAPHC_THREADS` says, or one for each core that this process may use.
    Results are the same, bit by bit, for any number.

    `memory_limit` bounds the workspace, the memory that a call needs beside its arguments, results
    and parameters: bytes, or a text such as "64 MB" or "1.5 GiB". To keep to it, values of the
    forward half are computed again in the backward half instead of being kept; `step.memory()` says
    which, and how much more arithmetic that is. Results are the same, bit by bit, wherever kernels
    sum in the same order.

    With `debug_nans` a call raises `NonFiniteError` for the first value, in the order of the graph,
    that has a NaN or an infinity which its operands do not have. It names the op, your line and
    what the operands were; parameters keep their values. Without it, nothing is spent on this.

    Raises `MemoryLimitError` where the limit cannot be met, with the least that can;
    `AttributeValueError` for a limit or a number of threads that cannot be, `BoundaryError` for an
    input that is missing, not used, listed twice or no input, for an output that is no tensor
    and an update of what is no parameter; `ShapeError` or `DTypeError` for an update that does
    not fit its parameter; `NameClashError` where two of them share a name.

    >>> import numpy as np
    >>> import graphc as gc
    >>> x = gc.input("x", 3)
    >>> double = gc.compile([x], 2 * x)
    >>> double(np.array([1, 2, 3], "float32"))
    array([2., 4., 6.], dtype=float32)
    """
    resources = Resources(chosen_threads(threads), bytes_of(memory_limit))
    program = build_program(inputs, outputs, updates, name or caller().target)
    with provenance(None):
        step = _watched(program, resources) if debug_nans else _found_or_made(program, resources)
    if config.DUMP.value:
        _write_stages(step.compilation, Path(config.DUMP.value, program.graph.name))
    return step


def _found_or_made(program: Program, resources: Resources) -> Step:
    """The step from the cache; if it is not there, compiled, and put there once it has loaded."""
    slot = Slot.of(program.graph, program.structure, resources)
    if slot is None:
        return Step(program, _compiled(program.graph, program.structure, resources), resources)
    code = slot.fetch()
    if code is not None:
        try:
            return _loaded(program, code, resources, slot)
        except ArtifactError:  # what was written can no longer be linked
            slot.discard()
    step = _loaded(program, _compiled(program.graph, program.structure, resources), resources, slot)
    slot.store(step.artifact, step.compilation.constants)
    return step


def _loaded(program: Program, code: Cached | Compilation, resources: Resources, slot: Slot) -> Step:
    if code.artifact.manifest.threads > 1:
        load_pool_from(slot.cache)
    return Step(program, code, resources)


def _compiled(graph: Graph, structure: Structure, resources: Resources) -> Compilation:
    from graphc.codegen.pipeline import compile_graph

    return compile_graph(
        graph,
        structure=structure,
        threads=resources.threads,
        memory_limit=resources.memory_limit,
        verify_level=config.VERIFY.number(2),
    )


def _watched(program: Program, resources: Resources) -> Step:
    """The step with checks, put where no pass will rewrite the values that they look at."""
    from graphc.codegen.pipeline import run_passes
    from graphc.finite import Watch

    stages = run_passes(program.graph, config.VERIFY.number(2))
    watch = Watch.over(stages["simplified"], program.structure)
    return Step(program, _compiled(watch.graph, watch.structure, resources), resources, watch)


def _write_stages(compilation: Compilation, folder: Path) -> None:
    """Every stage in a file, numbered in the order of the compilation."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(STAGES, start=1):
        suffix = "gir" if stage in GRAPH_STAGES else "txt"
        text = stage_text(compilation, stage)
        (folder / f"{number:02}-{stage}.{suffix}").write_text(text, encoding="utf-8")
