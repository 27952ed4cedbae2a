"""The thread pool: every task runs once, whoever asks for it, and nobody waits for ever."""

from __future__ import annotations

import ctypes
import math
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from graphc.codegen.backend import compile_text
from graphc.codegen.target import host_target
from graphc.runtime.artifact import POOL_SYMBOL
from graphc.runtime.binding import binding
from graphc.runtime.threads import pool_address, pool_text
from tests.rooms import ROOT

JOBS = """
declare void @graphc.parallel(ptr, ptr, i64)

define internal void @count(ptr %counters, i64 %task, i64 %tasks) {
  %counter = getelementptr i64, ptr %counters, i64 %task
  %before = load i64, ptr %counter
  %after = add i64 %before, %tasks
  store i64 %after, ptr %counter
  ret void
}

; Each task ends when all have begun.
define internal void @meet(ptr %arrived, i64 %task, i64 %tasks) {
entry:
  %before = atomicrmw add ptr %arrived, i64 1 seq_cst
  br label %wait
wait:
  %here = load atomic i64, ptr %arrived acquire, align 8
  %all = icmp uge i64 %here, %tasks
  br i1 %all, label %done, label %wait
done:
  ret void
}

; Each task runs a job of its own on the counters of its row.
define internal void @nest(ptr %counters, i64 %task, i64 %tasks) {
  %first = mul i64 %task, %tasks
  %row = getelementptr i64, ptr %counters, i64 %first
  call void @graphc.parallel(ptr @count, ptr %row, i64 %tasks)
  ret void
}

; Each task divides 1 by 3, when all have begun: on a thread of its own.
define internal void @divide(ptr %results, i64 %task, i64 %tasks) {
  %arrived = getelementptr i64, ptr %results, i64 %tasks
  call void @meet(ptr %arrived, i64 0, i64 %tasks)
  %one = load volatile double, ptr @one
  %third = fdiv double %one, 3.0
  %result = getelementptr double, ptr %results, i64 %task
  store double %third, ptr %result
  ret void
}
@one = internal global double 1.0

define void @run(ptr %counters, i64 %tasks, i64 %jobs, i64 %kind) {
entry:
  %meets = icmp eq i64 %kind, 1
  %nests = icmp eq i64 %kind, 2
  %divides = icmp eq i64 %kind, 3
  %plain = select i1 %meets, ptr @meet, ptr @count
  %simple = select i1 %divides, ptr @divide, ptr %plain
  %task = select i1 %nests, ptr @nest, ptr %simple
  br label %job
job:
  %i = phi i64 [ 0, %entry ], [ %next, %job ]
  call void @graphc.parallel(ptr %task, ptr %counters, i64 %tasks)
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %jobs
  br i1 %more, label %job, label %end
end:
  ret void
}
"""
COUNT, MEET, NEST, DIVIDE = range(4)


@cache
def engine() -> object:
    llvm = binding()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
    return llvm.create_lljit_compiler(machine, use_jit_link=True)


def load_jobs(name: str) -> Callable[[object, int, int, int], None]:
    """run(counters, tasks, jobs, kind) of a library of its own."""
    code = compile_text(JOBS, host_target()).object_bytes
    builder = binding().JITLibraryBuilder().add_object_img(code).add_current_process()
    builder.import_symbol(POOL_SYMBOL, pool_address()).export_symbol("run")
    library = builder.link(engine(), name)
    LIBRARIES.append(library)
    prototype = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64
    )
    return prototype(library["run"])


LIBRARIES: list[object] = []
"""They are unloaded when nothing refers to them."""

run = load_jobs("jobs")


UPWARD = {"x86_64": 0x800, "AMD64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}
"""FE_UPWARD of the C library, by processor."""


def counters(count: int) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * count)()


@pytest.mark.parametrize("tasks", [1, 2, 3, 8, 33])
def test_every_task_runs_once(tasks: int) -> None:
    found = counters(tasks + 1)
    run(found, tasks, 10, COUNT)
    assert list(found) == [10 * tasks] * tasks + [0]


def test_ten_thousand_jobs() -> None:
    found = counters(4)
    run(found, 4, 10_000, COUNT)
    assert list(found) == [40_000] * 4


def test_tasks_run_at_the_same_time() -> None:
    for tasks in (2, 3):
        run(counters(1), tasks, 1, MEET)


def test_a_task_may_run_a_job() -> None:
    found = counters(16)
    run(found, 4, 50, NEST)
    assert list(found) == [200] * 16


def test_tasks_round_as_their_caller_does() -> None:
    c, upward = ctypes.CDLL(None), UPWARD[platform.machine()]
    nearest = c.fegetround()
    results = []
    for mode in (nearest, upward, nearest):
        found = (ctypes.c_double * 5)()
        c.fesetround(mode)
        run(found, 4, 1, DIVIDE)
        c.fesetround(nearest)
        results.append(list(found)[:4])
    assert results[0] == results[2] == [1 / 3] * 4
    assert results[1] == [math.nextafter(1 / 3, 1)] * 4


def test_threads_that_call_at_once_do_not_wait_for_each_other() -> None:
    founds = [counters(3) for _ in range(8)]
    callers = [threading.Thread(target=run, args=(found, 3, 2000, COUNT)) for found in founds]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [list(found) for found in founds] == [[6000] * 3] * 8


def test_all_code_shares_one_pool() -> None:
    run(counters(5), 5, 1, COUNT)
    before = len(list(Path("/proc/self/task").iterdir()))
    for number in range(20):
        found = counters(5)
        load_jobs(f"more{number}")(found, 5, 10, COUNT)
        assert list(found) == [50] * 5
    assert pool_address() == pool_address()
    assert len(list(Path("/proc/self/task").iterdir())) == before


def test_idle_workers_sleep() -> None:
    run(counters(4), 4, 10, COUNT)
    time.sleep(0.1)
    before, since = time.process_time(), time.perf_counter()
    time.sleep(0.3)
    assert time.process_time() - before < (time.perf_counter() - since) / 3


def python(program: str) -> str:
    """What a program prints that begins with this module's `run`."""
    head = "from tests.runtime.test_pool import *\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", head + program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_child_of_fork_starts_workers_of_its_own() -> None:
    """One forked from a program whose other thread is using the pool, and its own child."""
    printed = python("""
import os
run(counters(3), 3, 10, COUNT)
busy = threading.Thread(target=run, args=(counters(3), 3, 300_000, COUNT), daemon=True)
busy.start()
statuses = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        for tasks in (2, 4):
            run(counters(1), tasks, 1, MEET)
        inner = os.fork()
        if inner == 0:
            run(counters(1), 3, 1, MEET)
            os._exit(7)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
busy.join()
run(counters(1), 3, 1, MEET)
print(statuses)
""")
    assert printed == "[7, 7, 7, 7, 7]\n"


def test_a_program_may_end_while_workers_are_awake() -> None:
    python("run(counters(3), 3, 100, COUNT)")


def test_a_program_may_end_while_a_thread_runs_jobs() -> None:
    python("""
found = counters(3)
threading.Thread(target=run, args=(found, 3, 1 << 60, COUNT), daemon=True).start()
while not found[0]:
    pass
""")


@pytest.mark.parametrize(
    ("triple", "own", "mask"),
    [
        ("x86_64-unknown-linux-gnu", "x86.sse.ldmxcsr", "i32 2"),
        ("arm64-apple-darwin23.1.0", "aarch64.set.fpcr", "i32 3"),
        ("riscv64-unknown-linux-gnu", "i64 @graphc.pool.mode", "i32 2"),
    ],
)
def test_its_text_is_made_for_the_machine(triple: str, own: str, mask: str) -> None:
    text = pool_text(triple)
    assert own in text
    assert f"@pthread_sigmask({mask}, " in text
    assert "{" + "set_mask" not in text
    llvm = binding()
    with llvm.create_context() as context, llvm.parse_assembly(text, context) as module:
        module.verify()
