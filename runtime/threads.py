"""The thread pool of this process.

Owns `pool_address`, which compiles `threads.ll` when the first code that needs it is loaded, and
`load_pool`, for which it was compiled before. Imports `runtime.binding`.
Invariant: a process has one pool, and its code stays in memory until the process ends, for workers
may be running it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from graphc.runtime.artifact import POOL_SYMBOL
from graphc.runtime.binding import binding, link_permanently
from graphc.runtime.platforms import system

_X86 = """
declare void @llvm.x86.sse2.pause()
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal void @graphc.pool.pause() {
  call void @llvm.x86.sse2.pause()
  ret void
}
define internal i64 @graphc.pool.mode() {
  %place = alloca i64
  store i64 0, ptr %place
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %mode = load i64, ptr %place
  ret i64 %mode
}
define internal void @graphc.pool.set_mode(i64 %mode) {
  %place = alloca i64
  store i64 %mode, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}
"""

_ARM = """
declare void @llvm.aarch64.hint(i32)
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define internal void @graphc.pool.pause() {
  call void @llvm.aarch64.hint(i32 1)
  ret void
}
define internal i64 @graphc.pool.mode() {
  %mode = call i64 @llvm.aarch64.get.fpcr()
  ret i64 %mode
}
define internal void @graphc.pool.set_mode(i64 %mode) {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
"""

_OTHER = """
define internal void @graphc.pool.pause() {
  ret void
}
define internal i64 @graphc.pool.mode() {
  ret i64 0
}
define internal void @graphc.pool.set_mode(i64 %mode) {
  ret void
}
"""

_FORKS = """
declare i32 @pthread_atfork(ptr, ptr, ptr)
define internal void @graphc.pool.watch_fork() {
  call i32 @pthread_atfork(ptr null, ptr null, ptr @graphc.pool.forget)
  ret void
}
"""
"""For a program that is linked, be it statically: a weak reference would not bring it in."""

_FORKS_OF_GLIBC = """
; The shared glibc exports the first of these, other C libraries the second.
declare extern_weak i32 @__register_atfork(ptr, ptr, ptr, ptr)
declare extern_weak i32 @pthread_atfork(ptr, ptr, ptr)
define internal void @graphc.pool.watch_fork() {
  %glibc = icmp ne ptr @__register_atfork, null
  br i1 %glibc, label %first, label %second
first:
  call i32 @__register_atfork(ptr null, ptr null, ptr @graphc.pool.forget, ptr null)
  ret void
second:
  call i32 @pthread_atfork(ptr null, ptr null, ptr @graphc.pool.forget)
  ret void
}
"""
"""For a process that finds functions by their names."""

_PROCESSORS = {"x86_64": _X86, "aarch64": _ARM, "arm64": _ARM}
"""What is said of a processor, by the head of its triple. The mode of others is left as it is."""

_loading = Lock()

_loaded: list[int] = []
"""The address of the pool's function, once it is there."""


def pool_text(triple: str, *, linked: bool = True) -> str:
    """The LLVM text of the pool for a machine: to be `linked` with its C library, or loaded into
    a process that has one."""
    text = Path(__file__).with_name("threads.ll").read_text(encoding="utf-8")
    is_apple = system(triple) == "darwin"
    text = text.replace("{set_mask}", "3" if is_apple else "2")
    text += _FORKS if linked or is_apple else _FORKS_OF_GLIBC
    return text + _PROCESSORS.get(triple.split("-")[0], _OTHER)


def pool_address() -> int:
    """Where the function of the pool is, compiled if it is not there yet."""
    with _loading:
        return _address(None)


def load_pool(pool_object: Callable[[], bytes]) -> None:
    """Have the pool of this object, unless there is one already.

    Raises `ArtifactError` where the object cannot be linked.
    """
    with _loading:
        _address(pool_object)


def compiled_pool() -> bytes:
    """The object of the pool for this machine."""
    llvm = binding()
    triple = llvm.get_process_triple()
    # Unoptimised it is compiled three times as fast, and still takes half a microsecond a job.
    machine = llvm.Target.from_triple(triple).create_target_machine(
        opt=0, reloc="pic", codemodel="small"
    )
    code: bytes = machine.emit_object(llvm.parse_assembly(pool_text(triple, linked=False)))
    return code


def _address(pool_object: Callable[[], bytes] | None) -> int:
    if not _loaded:
        code = (pool_object or compiled_pool)()
        # Never closed: workers may be running it.
        _loaded.append(link_permanently(code, [POOL_SYMBOL], "the pool of threads")[POOL_SYMBOL])
    return _loaded[0]
