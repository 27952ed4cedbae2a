"""The function through which CPython calls compiled code, written as LLVM text.

Owns `emit_entry`. Imports `codegen.entry_functions` and `runtime.artifact`. Invariants: no buffer
is read before it has been checked; nothing is baked in but types and shapes: every address comes
from the control block, the data of the NumPy array that the function is bound to, so the object
can be saved and loaded.

The text relies on libpython's exported functions, on the head of every Python object, and on the
fields of NumPy's arrays and scalars that its own headers access inline (ABI 2).
"""

from __future__ import annotations

from graphc.codegen.entry_functions import (
    allocate,
    collect,
    execute,
    first_output,
    only_out,
    read_inputs,
    read_outputs,
    release,
    shapes,
)
from graphc.runtime.artifact import ENTRY_SYMBOL, ControlLayout, Manifest

_DECLARATIONS = """\
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyList_New(i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""

_OVERLAPS = """\
; Whether [start, end) meets any of `count` regions. The first bounds are those of all together:
; most arrays lie outside of them.
define internal i1 @overlaps(ptr %bounds, i64 %count, ptr %start, ptr %end) {
entry:
  br label %region
region:
  %i = phi i64 [ 0, %entry ], [ %next, %following ]
  %bound = getelementptr [2 x ptr], ptr %bounds, i64 %i
  %low = load ptr, ptr %bound
  %bound.high = getelementptr ptr, ptr %bound, i64 1
  %high = load ptr, ptr %bound.high
  %starts_before = icmp ult ptr %start, %high
  %ends_behind = icmp ugt ptr %end, %low
  %meets = and i1 %starts_before, %ends_behind
  %first = icmp eq i64 %i, 0
  br i1 %first, label %together, label %each
together:
  br i1 %meets, label %following, label %apart
each:
  br i1 %meets, label %overlap, label %following
following:
  %next = add nuw i64 %i, 1
  %done = icmp ugt i64 %next, %count
  br i1 %done, label %apart, label %region
apart:
  ret i1 false
overlap:
  ret i1 true
}
"""

_REPORT = """\
; Let Python raise what a status means: fail(status, *inputs).
define internal void @report(ptr %fail, i32 %status, ptr %inputs, i64 %count) {{
entry:
  %arguments = alloca [{inputs} x ptr]
  %wide = sext i32 %status to i64
  %number = call ptr @PyLong_FromLongLong(i64 %wide)
  %made = icmp ne ptr %number, null
  br i1 %made, label %call, label %done
call:
  store ptr %number, ptr %arguments
  %rest = getelementptr ptr, ptr %arguments, i64 1
  %size = mul i64 %count, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %inputs, i64 %size, i1 false)
  %all = add i64 %count, 1
  %result = call ptr @PyObject_Vectorcall(ptr %fail, ptr %arguments, i64 %all, ptr null)
  call void @Py_DecRef(ptr %number)
  br label %done
done:
  ret void
}}
"""

# Ways through: positional arguments that pass (fast, fresh), or pass with one `out` (direct,
# given); others after `normalise` (slow, again, then fresh or given). What `normalise` returns is a
# tuple of the inputs and, with `out`, the output arrays and `out` itself, checked like any other.
_ENTRY = """\
define ptr @{symbol}(ptr %self, ptr %args, i64 %count, ptr %names) {{
entry:
  %table = alloca [{buffers} x ptr], align 16
  %scratch = alloca [{given} x i64], align 16
  %objects = alloca [{given} x ptr], align 16
  %items = alloca [{given} x ptr], align 16
  %data = getelementptr i8, ptr %self, i64 {header}
  %control = load ptr, ptr %data
  %normalise.place = getelementptr ptr, ptr %control, i64 {normalise}
  %fail.place = getelementptr ptr, ptr %control, i64 {fail}
  %positional = icmp eq ptr %names, null
  %complete = icmp eq i64 %count, {inputs}
  %plain = and i1 %positional, %complete
  br i1 %plain, label %fast, label %unusual
fast:
  %read = call i1 @read_inputs(ptr %control, ptr %args, ptr %table, ptr %scratch)
  br i1 %read, label %fresh, label %slow

unusual:
  %only_out = call i1 @only_out(ptr %control, ptr %names)
  %direct = and i1 %only_out, %complete
  br i1 %direct, label %direct.inputs, label %slow
direct.inputs:
  %direct.read = call i1 @read_inputs(ptr %control, ptr %args, ptr %table, ptr %scratch)
  br i1 %direct.read, label %direct.outputs, label %slow
direct.outputs:
  %direct.out = getelementptr ptr, ptr %args, i64 {inputs}
  %direct.writeable = call i1 @read_outputs(ptr %control, ptr %direct.out, ptr %table)
  br i1 %direct.writeable, label %given, label %slow

slow:
  %normalise = load ptr, ptr %normalise.place
  %normal = call ptr @PyObject_Vectorcall(ptr %normalise, ptr %args, i64 %count, ptr %names)
  %raised = icmp eq ptr %normal, null
  br i1 %raised, label %failed, label %unpack
unpack:
  %length = call i64 @PyTuple_Size(ptr %normal)
  %with_out = icmp eq i64 %length, {given}
  %without = icmp eq i64 %length, {inputs}
  %expected = or i1 %with_out, %without
  br i1 %expected, label %unpack.next, label %broken
unpack.next:
  %i = phi i64 [ 0, %unpack ], [ %i.next, %unpack.item ]
  %unpacked = icmp eq i64 %i, %length
  br i1 %unpacked, label %again, label %unpack.item
unpack.item:
  %item = call ptr @PyTuple_GetItem(ptr %normal, i64 %i)
  %item.place = getelementptr ptr, ptr %items, i64 %i
  store ptr %item, ptr %item.place
  %i.next = add nuw i64 %i, 1
  br label %unpack.next
again:
  %reread = call i1 @read_inputs(ptr %control, ptr %items, ptr %table, ptr %scratch)
  br i1 %reread, label %again.outputs, label %broken
again.outputs:
  br i1 %with_out, label %again.given, label %fresh
again.given:
  %outs = getelementptr ptr, ptr %items, i64 {inputs}
  %again.out = getelementptr ptr, ptr %outs, i64 {outputs}
  %writeable = call i1 @read_outputs(ptr %control, ptr %outs, ptr %table)
  br i1 %writeable, label %given, label %broken

given:
  %given.inputs = phi ptr [ %args, %direct.outputs ], [ %items, %again.given ]
  %given.out = phi ptr [ %direct.out, %direct.outputs ], [ %again.out, %again.given ]
  %given.owner = phi ptr [ null, %direct.outputs ], [ %normal, %again.given ]
  %given.status = call i32 @execute(ptr %control, ptr %table)
  %given.fine = icmp eq i32 %given.status, 0
  br i1 %given.fine, label %given.done, label %given.failed
given.done:
  %out = load ptr, ptr %given.out
  call void @Py_IncRef(ptr %out)
  call void @Py_DecRef(ptr %given.owner)
  ret ptr %out
given.failed:
  %given.fail = load ptr, ptr %fail.place
  call void @report(ptr %given.fail, i32 %given.status, ptr %given.inputs, i64 {inputs})
  call void @Py_DecRef(ptr %given.owner)
  br label %failed

fresh:
  %inputs = phi ptr [ %args, %fast ], [ %items, %again.outputs ]
  %owner = phi ptr [ null, %fast ], [ %normal, %again.outputs ]
  call void @llvm.memset.p0.i64(ptr %objects, i8 0, i64 {output_bytes}, i1 false)
  %allocated = call i1 @allocate(ptr %control, ptr %objects, ptr %table, ptr %scratch)
  br i1 %allocated, label %fresh.run, label %fresh.drop
fresh.run:
  %status = call i32 @execute(ptr %control, ptr %table)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %fresh.done, label %fresh.failed
fresh.done:
  %result = call ptr @collect(ptr %control, ptr %objects, ptr %scratch)
  call void @Py_DecRef(ptr %owner)
  ret ptr %result
fresh.failed:
  %fail = load ptr, ptr %fail.place
  call void @report(ptr %fail, i32 %status, ptr %inputs, i64 {inputs})
  br label %fresh.drop
fresh.drop:
  call void @release(ptr %objects)
  call void @Py_DecRef(ptr %owner)
  br label %failed

broken:
  %broken.fail = load ptr, ptr %fail.place
  call void @report(ptr %broken.fail, i32 -1, ptr %items, i64 0)
  call void @Py_DecRef(ptr %normal)
  br label %failed
failed:
  ret ptr null
}}
"""


def emit_entry(manifest: Manifest) -> str:
    """LLVM text of the entry for one signature.

    The function is called with CPython's METH_FASTCALL | METH_KEYWORDS convention. Positional
    arrays that pass every check go straight to the kernels; all else is handed to the control
    block's `normalise`, which raises or returns the same arguments in a form that passes. The text
    is as quick unoptimised: it waits for CPython and NumPy.
    """
    inputs, outputs = len(manifest.inputs), len(manifest.outputs)
    layout = ControlLayout.of(manifest)
    return "\n".join(
        [
            *shapes(manifest.outputs),
            _DECLARATIONS,
            _OVERLAPS,
            only_out(manifest),
            _REPORT.format(inputs=inputs + 1),
            read_inputs(manifest),
            read_outputs(manifest),
            allocate(manifest),
            execute(manifest),
            release(manifest),
            collect(manifest),
            _ENTRY.format(
                symbol=ENTRY_SYMBOL,
                inputs=inputs,
                outputs=outputs,
                output_bytes=8 * outputs,
                given=inputs + outputs + 1,
                buffers=first_output(manifest) + outputs + 1,
                header=manifest.python.header_bytes,
                normalise=layout.fixed("normalise"),
                fail=layout.fixed("fail"),
            ),
        ]
    )
