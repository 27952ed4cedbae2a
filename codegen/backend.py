"""From LLVM text to object bytes.

Owns the pass pipeline and the way mistakes in generated text are reported. Imports llvmlite.binding
and `codegen.target`. Invariant: text is parsed and verified before LLVM generates code from it,
because LLVM ends the process when it meets a broken module later.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property

import llvmlite.binding as llvm

from graphc.codegen.errors import BackendError
from graphc.codegen.target import Target

Processor = tuple[str, str]
"""A processor's name and its features, as LLVM calls them."""

_PARSE_POSITION = re.compile(r"<string>:(\d+):(\d+): (?:error: )?(.*)")


@dataclass(frozen=True)
class CompiledModule:
    """One compiled LLVM module. Optimised text and assembly are made when they are asked for."""

    object_bytes: bytes
    bitcode: bytes
    target: Target

    @cached_property
    def optimised_ir_text(self) -> str:
        """The module as LLVM's passes left it."""
        with _module(lambda context: llvm.parse_bitcode(self.bitcode, context)) as module:
            return str(module)

    @cached_property
    def assembly_text(self) -> str:
        """The target's assembly language of the same code."""
        with _module(lambda context: llvm.parse_bitcode(self.bitcode, context)) as module:
            return str(target_machine(self.target).emit_assembly(module))


def compile_text(llvm_ir: str, target: Target, *, optimise: bool = True) -> CompiledModule:
    """Compile LLVM text to a relocatable object for `target`.

    Without `optimise` the instructions are translated as they stand, five times as fast: right
    for code that spends its time in what it calls.

    Raises `BackendError`, which shows the offending line, when the text does not parse or verify.

    >>> from graphc.codegen.target import host_target
    >>> compile_text("define i32 @one() { ret i32 1 }", host_target()).object_bytes[1:4]
    b'ELF'
    """
    machine = target_machine(target, level=2 if optimise else 0)
    with _module(lambda context: _checked(llvm_ir, target, machine, context)) as module:
        if optimise:
            _optimise(module, machine)
        return CompiledModule(machine.emit_object(module), module.as_bitcode(), target)


def compile_parts(llvm_ir: str, parts: Sequence[tuple[str, Target]], target: Target) -> bytes:
    """One object of a text for `target`, linked with texts for it or for processors like it.

    What the first text defines is the least demanding code of the platform, on x86, where it can
    ask what the parts may use: their functions say for themselves which processor they are for. Of
    the parts, nothing but what the first text calls is seen from outside: the object exports what
    that one defines. Raises `BackendError` as `compile_text` does.
    """
    target = least_demanding(target)
    machine = target_machine(target)
    with _module(lambda context: _linked(llvm_ir, parts, target, context)) as module:
        module.verify()
        return bytes(machine.emit_object(module))


def least_demanding(target: Target) -> Target:
    """The least processor of the platform that can be asked what it has; elsewhere the same."""
    if not target.is_x86:
        return target
    cpu = "x86-64" if target.is_x86_64 else "pentium"
    return replace(target, cpu=cpu, features="", vector_bits=128, vector_registers=8)


def _linked(
    llvm_ir: str, parts: Sequence[tuple[str, Target]], target: Target, context: llvm.ContextRef
) -> llvm.ModuleRef:
    """Each part is optimised for its own processor, and then hidden."""
    module = _checked(llvm_ir, target, target_machine(target), context)
    exported = {each.name for each in module.functions if not each.is_declaration}
    with _closed_on_failure(module):
        for text, processor in parts:
            machine = target_machine(processor)
            part = _checked(text, processor, machine, context)
            with _closed_on_failure(part):
                _optimise(part, machine)
            module.link_in(part)
    for function in module.functions:
        if not function.is_declaration and function.name not in exported:
            function.linkage = llvm.Linkage.internal
    return module


@cache
def known_names(triple: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The processors and the instruction sets that LLVM knows for a platform.

    It prints them to the standard error of the process, so it is asked in one of its own.
    """
    program = (
        "import llvmlite.binding as llvm, sys; llvm.initialize_all_targets(); "
        "target = llvm.Target.from_triple(sys.argv[1]); target.create_target_machine(cpu='help')"
    )
    command = [sys.executable, "-c", program, triple]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    cpus, _, features = answer.partition("Available features")
    names = re.compile(r"^  (\S+)\s+- ", re.MULTILINE)
    return tuple(names.findall(cpus)), tuple(names.findall(features))


def can_inline(triple: str, pairs: Sequence[tuple[Processor, Processor]]) -> list[bool]:
    """Whether code for the first of two processors may become part of code for the second, which
    LLVM allows where the second has all instruction sets of the first."""
    _initialize(triple == llvm.get_process_triple())
    machine = llvm.Target.from_triple(triple).create_target_machine()
    lines = ["declare void @seen()"]
    for i, (inner, outer) in enumerate(pairs):
        lines += [
            f"define internal void @inner{i}() {_made_for(*inner)} {{",
            f"call void @seen() ret void }} define void @outer{i}() {_made_for(*outer)} {{",
            f"call void @inner{i}() ret void }}",
        ]
    text = f'target triple = "{triple}"\n' + "\n".join(lines)
    with _module(lambda context: llvm.parse_assembly(text, context)) as module:
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        return ["@seen" in str(module.get_function(f"outer{i}")) for i in range(len(pairs))]


def _made_for(cpu: str, features: str) -> str:
    return f'"target-cpu"="{cpu}" "target-features"="{features}"'


def target_machine(target: Target, level: int = 2) -> llvm.TargetMachine:
    """LLVM's view of a target; `level` is its effort, 0 to 3. Code loads at any address."""
    _initialize(target.triple == llvm.get_process_triple())
    features = target.features
    if target.is_x86 and target.vector_bits >= 512:
        # Some processors ask for 256-bit code by default; kernels are written for 512.
        features += ",-prefer-128-bit,-prefer-256-bit"
    elif target.is_x86 and target.vector_bits == 256:
        features += ",-prefer-128-bit"
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=features.strip(","), opt=level, reloc="pic", codemodel="small"
    )


@cache
def _initialize(native: bool) -> None:
    if native:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()


@contextmanager
def _module(parse: Callable[[llvm.ContextRef], llvm.ModuleRef]) -> Iterator[llvm.ModuleRef]:
    """A module in a context of its own. Both are closed here, the module first: the garbage
    collector, which would have them in the cycle of an exception, closes in any order."""
    with llvm.create_context() as context, parse(context) as module:
        yield module


@contextmanager
def _closed_on_failure(module: llvm.ModuleRef) -> Iterator[None]:
    """A module must be closed before its context is, which an exception would leave to chance."""
    try:
        yield
    except BaseException:
        module.close()
        raise


def _checked(
    llvm_ir: str, target: Target, machine: llvm.TargetMachine, context: llvm.ContextRef
) -> llvm.ModuleRef:
    module = _parse(llvm_ir, target, machine, context)
    with _closed_on_failure(module):
        _verify(module, llvm_ir)
    return module


def _parse(
    llvm_ir: str, target: Target, machine: llvm.TargetMachine, context: llvm.ContextRef
) -> llvm.ModuleRef:
    # One line before the text, so that LLVM's line numbers are off by one.
    layout = f'target datalayout = "{machine.target_data}" target triple = "{target.triple}"\n'
    try:
        return llvm.parse_assembly(layout + llvm_ir, context)
    except RuntimeError as error:
        raise _parse_error(str(error), llvm_ir) from None


def _verify(module: llvm.ModuleRef, llvm_ir: str) -> None:
    try:
        module.verify()
    except RuntimeError as error:
        raise _verification_error(str(error), llvm_ir) from None


def _parse_error(message: str, llvm_ir: str) -> BackendError:
    found = _PARSE_POSITION.search(message)
    if found is None:
        return BackendError(message.strip(), llvm_ir, 0)
    return BackendError(found[3], llvm_ir, int(found[1]) - 1)


def _verification_error(message: str, llvm_ir: str) -> BackendError:
    """LLVM prints the instructions at fault, not where they are: find the first in the text."""
    wanted = [line.strip() for line in message.splitlines() if line.startswith(" ")]
    lines = [line.split(";")[0].strip() for line in llvm_ir.splitlines()]
    number = next((lines.index(text) + 1 for text in wanted if text in lines), 0)
    return BackendError(message.strip(), llvm_ir, number)


def _optimise(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Clean up what the emitter leaves. Kernels come vectorised, with invariants already
    hoisted, so the passes that would look for such things are left out."""
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_new_gvn_pass()
    passes.add_dead_code_elimination_pass()
    passes.run(module, llvm.create_pass_builder(machine, options))
