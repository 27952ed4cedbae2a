"""The function through which CPython calls compiled code, written as LLVM text.

Owns `emit_entry`. Imports `runtime.artifact`. Invariants: no buffer is read before it has been
checked; nothing is baked in but types and shapes: every address comes from the control block, the
data of the NumPy array that the function is bound to, so the object can be saved and loaded.

The text relies on libpython's exported functions, on the head of every Python object, and on the
fields of NumPy's arrays and scalars that its own headers access inline (ABI 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphc.runtime.artifact import (
    ENTRY_SYMBOL,
    Argument,
    ControlLayout,
    Manifest,
    PythonRecord,
    Structure,
)

RELEASE_NANOSECONDS = 20_000
"""Calls that take longer let other Python threads run meanwhile; it costs about 100 ns."""

_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
_FLOATS = ("f32", "f64")

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


def emit_entry(manifest: Manifest) -> str:
    """LLVM text of the entry for one signature.

    The function is called with CPython's METH_FASTCALL | METH_KEYWORDS convention. Positional
    arrays that pass every check go straight to the kernels; all else is handed to the control
    block's `normalise`, which raises or returns the same arguments in a form that passes.
    """
    return _Entry(manifest).text()


class _Entry:
    """Writes the functions of one entry; a method a function."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.layout = ControlLayout.of(manifest)
        python: PythonRecord = manifest.python
        self.header = python.header_bytes
        self.type_offset = python.header_bytes - python.pointer_bytes
        self.unlocked = python.free_threaded or manifest.work_nanoseconds >= RELEASE_NANOSECONDS
        self.inputs = len(manifest.inputs)
        self.outputs = len(manifest.outputs)
        self.first_output = self.inputs + len(manifest.params) + len(manifest.constants)
        self._count = 0

    def text(self) -> str:
        functions = [
            self._read_function("read_inputs", self.manifest.inputs, 0, outputs=False),
            self._read_function(
                "read_outputs", self.manifest.outputs, self.first_output, outputs=True
            ),
            self._overlaps(),
            self._allocate(),
            self._execute(),
            self._collect(),
            self._fail(),
            self._entry(),
        ]
        return "\n".join([*self._shapes(), _DECLARATIONS, *functions])

    # The layout of things in memory.

    def _shapes(self) -> Iterator[str]:
        """The shapes of outputs, as NumPy's allocation takes them."""
        for i, output in enumerate(self.manifest.outputs):
            sizes = ", ".join(f"i64 {size}" for size in output.shape)
            if output.shape:
                yield (
                    f"@shape.{i} = private unnamed_addr constant "
                    f"[{len(output.shape)} x i64] [{sizes}]"
                )

    def _fresh(self, hint: str) -> str:
        self._count += 1
        return f"%{hint}.{self._count}"

    def _field(self, base: str, offset: int, type: str, hint: str) -> tuple[str, list[str]]:
        """A load of the field at a byte offset: its name, and the instructions."""
        address, value = self._fresh("address"), self._fresh(hint)
        return value, [
            f"  {address} = getelementptr i8, ptr {base}, i64 {offset}",
            f"  {value} = load {type}, ptr {address}",
        ]

    def _control(self, word: int, hint: str) -> tuple[str, list[str]]:
        return self._field("%control", 8 * word, "ptr", hint)

    def _fixed(self, name: str) -> tuple[str, list[str]]:
        return self._control(self.layout.fixed(name), name)

    # Reading arguments.

    def _read_function(
        self, name: str, arguments: Sequence[Argument], first: int, *, outputs: bool
    ) -> str:
        """Check every object and put the address of its data into the table of buffers."""
        lines = [
            f"define internal i1 @{name}(ptr %control, ptr %objects, ptr %table, ptr %scratch) {{"
        ]
        lines += ["entry:", "  br label %argument.0"]
        for i, argument in enumerate(arguments):
            lines.append(f"argument.{i}:")
            object, load = self._field("%objects", 8 * i, "ptr", "object")
            lines += load
            lines += self._check_array(i, object, argument, outputs)
            lines += [f"store.{i}:"]
            sources = f"[ %data.{i}, %accepted.{i} ]"
            if not argument.shape and not outputs:
                sources += f", [ %inside.{i}, %scalar.{i} ]"
                if argument.dtype in _FLOATS:
                    sources += f", [ %slot.{i}, %number.{i} ]"
            lines += [
                f"  %buffer.{i} = phi ptr {sources}",
                f"  %entry.{i} = getelementptr ptr, ptr %table, i64 {first + i}",
                f"  store ptr %buffer.{i}, ptr %entry.{i}",
                f"  br label %argument.{i + 1}",
            ]
        lines += [f"argument.{len(arguments)}:", "  ret i1 true", "refuse:", "  ret i1 false", "}"]
        return "\n".join(lines) + "\n"

    def _check_array(self, i: int, object: str, argument: Argument, output: bool) -> Iterator[str]:
        """An array of the right rank, shape, layout and dtype, outside of updated state."""
        type, load_type = self._field(object, self.type_offset, "ptr", "type")
        array_type, load_array_type = self._fixed("array_type")
        scalar = not argument.shape and not output
        yield from load_type + load_array_type
        yield f"  %is_array.{i} = icmp eq ptr {type}, {array_type}"
        other = f"other.{i}" if scalar else "refuse"
        yield f"  br i1 %is_array.{i}, label %array.{i}, label %{other}"
        yield f"array.{i}:"
        rank, load = self._field(object, self.header + 8, "i32", "rank")
        yield from load
        yield f"  %rank_fits.{i} = icmp eq i32 {rank}, {len(argument.shape)}"
        yield f"  br i1 %rank_fits.{i}, label %layout.{i}, label %refuse"
        yield f"layout.{i}:"
        yield from self._check_layout(i, object, argument, output)
        yield from self._check_descriptor(i, object, argument)
        yield from self._check_overlap(i, object, argument, output)
        if scalar:
            yield from self._check_scalar(i, object, type, argument)

    def _check_layout(self, i: int, object: str, argument: Argument, output: bool) -> Iterator[str]:
        needed = _CONTIGUOUS | _ALIGNED | (_WRITEABLE if output else 0)
        flags, load = self._field(object, self.header + 48, "i32", "flags")
        shape, load_shape = self._field(object, self.header + 16, "ptr", "shape")
        masked, fits = self._fresh("masked"), self._fresh("fits")
        yield from load + load_shape
        yield f"  {masked} = and i32 {flags}, {needed}"
        yield f"  {fits} = icmp eq i32 {masked}, {needed}"
        for axis, expected in enumerate(argument.shape):
            size, load = self._field(shape, 8 * axis, "i64", "size")
            same, both = self._fresh("same"), self._fresh("fits")
            yield from load
            yield f"  {same} = icmp eq i64 {size}, {expected}"
            yield f"  {both} = and i1 {fits}, {same}"
            fits = both
        yield f"  br i1 {fits}, label %descriptor.{i}, label %refuse"

    def _check_descriptor(self, i: int, object: str, argument: Argument) -> Iterator[str]:
        """Usually NumPy's one descriptor of the type; a copy of it after unpickling."""
        found, load = self._field(object, self.header + 40, "ptr", "found")
        expected, load_expected = self._control(self.layout.descriptor(argument.dtype), "expected")
        equivalent, load_equivalent = self._fixed("equivalent_types")
        yield f"descriptor.{i}:"
        yield from load + load_expected
        yield f"  %identical.{i} = icmp eq ptr {found}, {expected}"
        yield f"  br i1 %identical.{i}, label %bounds.{i}, label %equivalent.{i}"
        yield f"equivalent.{i}:"
        yield from load_equivalent
        yield f"  %answer.{i} = call i8 {equivalent}(ptr {found}, ptr {expected})"
        yield f"  %is_equivalent.{i} = icmp ne i8 %answer.{i}, 0"
        yield f"  br i1 %is_equivalent.{i}, label %bounds.{i}, label %refuse"

    def _check_overlap(
        self, i: int, object: str, argument: Argument, output: bool
    ) -> Iterator[str]:
        """Outputs given by the caller have been compared with all else by `normalise`."""
        data, load = self._field(object, self.header, "ptr", "data")
        yield f"bounds.{i}:"
        yield from load
        if output or not self.manifest.updates or not argument.bytes:
            yield f"  br label %accepted.{i}"
        else:
            yield f"  %end.{i} = getelementptr i8, ptr {data}, i64 {argument.bytes}"
            yield f"  %overlaps.{i} = call i1 @overlaps(ptr %control, ptr {data}, ptr %end.{i})"
            yield f"  br i1 %overlaps.{i}, label %refuse, label %accepted.{i}"
        yield f"accepted.{i}:"
        yield f"  %data.{i} = getelementptr i8, ptr {data}, i64 0"
        yield f"  br label %store.{i}"

    def _check_scalar(self, i: int, object: str, type: str, argument: Argument) -> Iterator[str]:
        """NumPy's scalar of the type holds its value after the object's head; a Python float
        is rounded into the scratch space."""
        scalar_type, load = self._control(self.layout.scalar_type(argument.dtype), "scalar_type")
        number = argument.dtype in _FLOATS
        yield f"other.{i}:"
        yield from load
        yield f"  %is_scalar.{i} = icmp eq ptr {type}, {scalar_type}"
        after = f"plain.{i}" if number else "refuse"
        yield f"  br i1 %is_scalar.{i}, label %scalar.{i}, label %{after}"
        yield f"scalar.{i}:"
        yield f"  %inside.{i} = getelementptr i8, ptr {object}, i64 {self.header}"
        yield f"  br label %store.{i}"
        if not number:
            return
        float_type, load = self._fixed("float_type")
        yield f"plain.{i}:"
        yield from load
        yield f"  %is_float.{i} = icmp eq ptr {type}, {float_type}"
        yield f"  br i1 %is_float.{i}, label %number.{i}, label %refuse"
        yield f"number.{i}:"
        yield f"  %double.{i} = call double @PyFloat_AsDouble(ptr {object})"
        value = f"double %double.{i}"
        if argument.dtype == "f32":
            yield f"  %single.{i} = fptrunc double %double.{i} to float"
            value = f"float %single.{i}"
        yield f"  %slot.{i} = getelementptr i64, ptr %scratch, i64 {i}"
        yield f"  store {value}, ptr %slot.{i}"
        yield f"  br label %store.{i}"

    def _overlaps(self) -> str:
        """Whether [start, end) meets an updated param; most lie outside of all at first glance."""
        count = len(self.manifest.updates)
        lowest, load_lowest = self._fixed("lowest")
        highest, load_highest = self._fixed("highest")
        return "\n".join(
            [
                "define internal i1 @overlaps(ptr %control, ptr %start, ptr %end) {",
                "entry:",
                *load_lowest,
                *load_highest,
                f"  %before = icmp ule ptr %end, {lowest}",
                f"  %behind = icmp uge ptr %start, {highest}",
                "  %outside = or i1 %before, %behind",
                f"  %bounds = getelementptr ptr, ptr %control, i64 {self.layout.bounds}",
                "  br i1 %outside, label %apart, label %param",
                "param:",
                "  %i = phi i64 [ 0, %entry ], [ %next, %following ]",
                f"  %done = icmp eq i64 %i, {count}",
                "  br i1 %done, label %apart, label %compare",
                "compare:",
                "  %bound = getelementptr [2 x ptr], ptr %bounds, i64 %i",
                "  %low = load ptr, ptr %bound",
                "  %bound.high = getelementptr ptr, ptr %bound, i64 1",
                "  %high = load ptr, ptr %bound.high",
                "  %starts_before = icmp ult ptr %start, %high",
                "  %ends_behind = icmp ugt ptr %end, %low",
                "  %meets = and i1 %starts_before, %ends_behind",
                "  br i1 %meets, label %overlap, label %following",
                "following:",
                "  %next = add nuw i64 %i, 1",
                "  br label %param",
                "apart:",
                "  ret i1 false",
                "overlap:",
                "  ret i1 true",
                "}\n",
            ]
        )

    # Running.

    def _allocate(self) -> str:
        """New arrays for the outputs; those without axes are made after the call, from scratch."""
        lines = [
            "define internal i1 @allocate(ptr %control, ptr %objects, ptr %table, ptr %scratch) {",
            "entry:",
        ]
        array_type, load_type = self._fixed("array_type")
        new_array, load_new = self._fixed("new_array")
        lines += load_type + load_new
        for i, output in enumerate(self.manifest.outputs):
            entry = f"%entry.{i}"
            lines.append(f"  {entry} = getelementptr ptr, ptr %table, i64 {self.first_output + i}")
            if not output.shape:
                lines += [
                    f"  %slot.{i} = getelementptr i64, ptr %scratch, i64 {self.inputs + i}",
                    f"  store ptr %slot.{i}, ptr {entry}",
                ]
                continue
            descriptor, load = self._control(self.layout.descriptor(output.dtype), "descriptor")
            data, load_data = self._field(f"%array.{i}", self.header, "ptr", "data")
            lines += [
                *load,
                f"  call void @Py_IncRef(ptr {descriptor})",
                f"  %array.{i} = call ptr {new_array}(ptr {array_type}, ptr {descriptor}, "
                f"i32 {len(output.shape)}, ptr @shape.{i}, ptr null, ptr null, i32 0, ptr null)",
                f"  %object.{i} = getelementptr ptr, ptr %objects, i64 {i}",
                f"  store ptr %array.{i}, ptr %object.{i}",
                f"  %made.{i} = icmp ne ptr %array.{i}, null",
                f"  br i1 %made.{i}, label %next.{i}, label %refuse",
                f"next.{i}:",
                *load_data,
                f"  store ptr {data}, ptr {entry}",
            ]
        return "\n".join([*lines, "  ret i1 true", "refuse:", "  ret i1 false", "}\n"])

    def _execute(self) -> str:
        """Complete the table with params and constants, and call the kernels. Where the
        interpreter lock does not order calls, the executable's own lock guards its workspace."""
        lines = ["define internal i32 @execute(ptr %control, ptr %table) {", "entry:"]
        if held := self.first_output - self.inputs:
            lines += [
                f"  %state = getelementptr ptr, ptr %control, i64 {self.layout.state}",
                f"  %first = getelementptr ptr, ptr %table, i64 {self.inputs}",
                "  call void @llvm.memcpy.p0.p0.i64(ptr %first, ptr %state, "
                f"i64 {8 * held}, i1 false)",
            ]
        kernel, load_kernel = self._fixed("kernel")
        workspace, load_workspace = self._fixed("workspace")
        lock, load_lock = self._fixed("lock")
        call = f"  %status = call i32 {kernel}(ptr %table, ptr {workspace})"
        lines += load_kernel + load_workspace
        if self.unlocked:
            lines += [
                *load_lock,
                "  %thread = call ptr @PyEval_SaveThread()",
                f"  %acquired = call i32 @PyThread_acquire_lock(ptr {lock}, i32 1)",
                call,
                f"  call void @PyThread_release_lock(ptr {lock})",
                "  call void @PyEval_RestoreThread(ptr %thread)",
            ]
        else:
            lines.append(call)
        return "\n".join([*lines, "  ret i32 %status", "}\n"])

    def _collect(self) -> str:
        """Make the scalars, put the outputs together as declared, and let go of `objects`.
        A container is put into its parent before it is filled, so one release undoes all."""
        lines = [
            "define internal ptr @collect(ptr %control, ptr %objects, ptr %scratch) {",
            "entry:",
        ]
        new_scalar, load_new = self._fixed("new_scalar")
        lines += load_new
        for i, output in enumerate(self.manifest.outputs):
            lines.append(f"  %object.{i} = getelementptr ptr, ptr %objects, i64 {i}")
            if output.shape:
                lines.append(f"  %output.{i} = load ptr, ptr %object.{i}")
                continue
            descriptor, load = self._control(self.layout.descriptor(output.dtype), "descriptor")
            lines += [
                *load,
                f"  %slot.{i} = getelementptr i64, ptr %scratch, i64 {self.inputs + i}",
                f"  %output.{i} = call ptr {new_scalar}(ptr %slot.{i}, ptr {descriptor}, ptr null)",
                f"  store ptr %output.{i}, ptr %object.{i}",
                f"  %made.{i} = icmp ne ptr %output.{i}, null",
                f"  br i1 %made.{i}, label %next.{i}, label %refuse",
                f"next.{i}:",
            ]
        structure = self.manifest.structure
        if structure.kind == "one":
            return "\n".join(
                [
                    *lines,
                    f"  ret ptr %output.{structure.output}",
                    "refuse:",
                    self._release(),
                    "  ret ptr null",
                    "}\n",
                ]
            )
        root, made = self._container(structure, "refuse")
        lines += [*made, *self._fill(root, structure)]
        lines += [self._release(), f"  ret ptr {root}"]
        lines += ["undo:", f"  call void @Py_DecRef(ptr {root})", "  br label %refuse"]
        return "\n".join([*lines, "refuse:", self._release(), "  ret ptr null", "}\n"])

    def _release(self) -> str:
        loads: list[str] = []
        for i in range(self.outputs):
            object, load = self._field("%objects", 8 * i, "ptr", "object")
            loads += [*load, f"  call void @Py_DecRef(ptr {object})"]
        return "\n".join(loads)

    def _container(self, structure: Structure, failure: str) -> tuple[str, list[str]]:
        """An empty tuple, list or dict for the structure."""
        container, made = self._fresh("container"), self._fresh("made")
        size = "" if structure.kind == "dict" else f"i64 {len(structure.items)}"
        return container, [
            f"  {container} = call ptr @Py{structure.kind.capitalize()}_New({size})",
            f"  {made} = icmp ne ptr {container}, null",
            f"  br i1 {made}, label {container}.filled, label %{failure}",
            f"{container[1:]}.filled:",
        ]

    def _fill(self, container: str, structure: Structure) -> Iterator[str]:
        for position, item in enumerate(structure.items):
            if item.kind == "one":
                yield from self._insert(
                    container, structure, position, f"%output.{item.output}", owned=False
                )
            else:
                inner, made = self._container(item, "undo")
                yield from made
                yield from self._insert(container, structure, position, inner, owned=True)
                yield from self._fill(inner, item)

    def _insert(
        self, container: str, structure: Structure, position: int, value: str, *, owned: bool
    ) -> Iterator[str]:
        """Tuples and lists take over a reference, dicts add their own."""
        status = self._fresh("status")
        if structure.kind == "dict":
            key, load = self._control(self.layout.key(structure.keys[position]), "key")
            yield from load
            yield (
                f"  {status} = call i32 @PyDict_SetItem(ptr {container}, ptr {key}, ptr {value})"
            )
            if owned:
                yield f"  call void @Py_DecRef(ptr {value})"
            inserted = self._fresh("inserted")
            yield f"  {inserted} = icmp eq i32 {status}, 0"
            yield f"  br i1 {inserted}, label {inserted}.next, label %undo"
            yield f"{inserted[1:]}.next:"
        else:
            if not owned:
                yield f"  call void @Py_IncRef(ptr {value})"
            setter = f"Py{structure.kind.capitalize()}_SetItem"
            yield f"  {status} = call i32 @{setter}(ptr {container}, i64 {position}, ptr {value})"

    def _fail(self) -> str:
        """Let Python raise what a status means: fail(status, *inputs)."""
        fail, load = self._fixed("fail")
        return "\n".join(
            [
                "define internal void @report(ptr %control, i32 %status, ptr %inputs, i64 %count) {",
                "entry:",
                f"  %arguments = alloca [{self.inputs + 1} x ptr]",
                "  %wide = sext i32 %status to i64",
                "  %number = call ptr @PyLong_FromLongLong(i64 %wide)",
                "  %made = icmp ne ptr %number, null",
                "  br i1 %made, label %call, label %done",
                "call:",
                "  store ptr %number, ptr %arguments",
                "  %rest = getelementptr ptr, ptr %arguments, i64 1",
                "  %size = mul i64 %count, 8",
                "  call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %inputs, i64 %size, i1 false)",
                *load,
                "  %all = add i64 %count, 1",
                f"  %result = call ptr @PyObject_Vectorcall(ptr {fail}, ptr %arguments, i64 %all, "
                "ptr null)",
                "  call void @Py_DecRef(ptr %number)",
                "  br label %done",
                "done:",
                "  ret void",
                "}\n",
            ]
        )

    # The function itself.

    def _entry(self) -> str:
        given = self.inputs + self.outputs + 1
        control, load_control = self._field("%self", self.header, "ptr", "control")
        normalise, load_normalise = self._fixed("normalise")
        return "\n".join(
            [
                f"define ptr @{ENTRY_SYMBOL}(ptr %self, ptr %args, i64 %count, ptr %names) {{",
                "entry:",
                f"  %table = alloca [{self.first_output + self.outputs + 1} x ptr], align 16",
                f"  %scratch = alloca [{given} x i64], align 16",
                f"  %objects = alloca [{given} x ptr], align 16",
                f"  %items = alloca [{given} x ptr], align 16",
                *load_control,
                f"  %control = getelementptr i8, ptr {control}, i64 0",
                "  %positional = icmp eq ptr %names, null",
                f"  %complete = icmp eq i64 %count, {self.inputs}",
                "  %plain = and i1 %positional, %complete",
                "  br i1 %plain, label %fast, label %slow",
                "fast:",
                "  %readable = call i1 @read_inputs(ptr %control, ptr %args, ptr %table, "
                "ptr %scratch)",
                "  br i1 %readable, label %fresh, label %slow",
                "slow:",
                *load_normalise,
                f"  %normal = call ptr @PyObject_Vectorcall(ptr {normalise}, ptr %args, i64 %count, "
                "ptr %names)",
                "  %raised = icmp eq ptr %normal, null",
                "  br i1 %raised, label %failed, label %unpack",
                *self._entry_given(),
                *self._entry_fresh(),
                "failed:",
                "  ret ptr null",
                "}\n",
            ]
        )

    def _entry_given(self) -> list[str]:
        """After `normalise`: a tuple of the inputs and, where the caller gave `out`, the output
        arrays and `out` itself. They are checked like any others before they are touched."""
        given = self.inputs + self.outputs + 1
        return [
            "unpack:",
            "  %length = call i64 @PyTuple_Size(ptr %normal)",
            f"  %too_long = icmp ugt i64 %length, {given}",
            "  br i1 %too_long, label %broken, label %unpack.next",
            "unpack.next:",
            "  %i = phi i64 [ 0, %unpack ], [ %i.next, %unpack.item ]",
            "  %unpacked = icmp eq i64 %i, %length",
            "  br i1 %unpacked, label %again, label %unpack.item",
            "unpack.item:",
            "  %item = call ptr @PyTuple_GetItem(ptr %normal, i64 %i)",
            "  %item.place = getelementptr ptr, ptr %items, i64 %i",
            "  store ptr %item, ptr %item.place",
            "  %i.next = add nuw i64 %i, 1",
            "  br label %unpack.next",
            "again:",
            f"  %enough = icmp uge i64 %length, {self.inputs}",
            "  br i1 %enough, label %again.inputs, label %broken",
            "again.inputs:",
            "  %readable.again = call i1 @read_inputs(ptr %control, ptr %items, ptr %table, "
            "ptr %scratch)",
            "  br i1 %readable.again, label %again.outputs, label %broken",
            "again.outputs:",
            f"  %with_out = icmp eq i64 %length, {given}",
            "  br i1 %with_out, label %given, label %fresh",
            "given:",
            f"  %outs = getelementptr ptr, ptr %items, i64 {self.inputs}",
            "  %writeable = call i1 @read_outputs(ptr %control, ptr %outs, ptr %table, "
            "ptr %scratch)",
            "  br i1 %writeable, label %given.run, label %broken",
            "given.run:",
            "  %given.status = call i32 @execute(ptr %control, ptr %table)",
            "  %given.fine = icmp eq i32 %given.status, 0",
            "  br i1 %given.fine, label %given.done, label %report",
            "given.done:",
            f"  %out.place = getelementptr ptr, ptr %items, i64 {given - 1}",
            "  %out = load ptr, ptr %out.place",
            "  call void @Py_IncRef(ptr %out)",
            "  call void @Py_DecRef(ptr %normal)",
            "  ret ptr %out",
            "broken:",
            "  br label %report",
        ]

    def _entry_fresh(self) -> list[str]:
        size = 8 * self.outputs
        return [
            "fresh:",
            "  %inputs = phi ptr [ %args, %fast ], [ %items, %again.outputs ]",
            "  %owner = phi ptr [ null, %fast ], [ %normal, %again.outputs ]",
            f"  call void @llvm.memset.p0.i64(ptr %objects, i8 0, i64 {size}, i1 false)",
            "  %allocated = call i1 @allocate(ptr %control, ptr %objects, ptr %table, "
            "ptr %scratch)",
            "  br i1 %allocated, label %fresh.run, label %fresh.drop",
            "fresh.run:",
            "  %status = call i32 @execute(ptr %control, ptr %table)",
            "  %fine = icmp eq i32 %status, 0",
            "  br i1 %fine, label %fresh.done, label %fresh.failed",
            "fresh.done:",
            "  %result = call ptr @collect(ptr %control, ptr %objects, ptr %scratch)",
            "  call void @Py_DecRef(ptr %owner)",
            "  ret ptr %result",
            "fresh.failed:",
            f"  call void @report(ptr %control, i32 %status, ptr %inputs, i64 {self.inputs})",
            "  br label %fresh.drop",
            "fresh.drop:",
            self._release(),
            "  call void @Py_DecRef(ptr %owner)",
            "  ret ptr null",
            "report:",
            "  %failure = phi i32 [ %given.status, %given.run ], [ -1, %broken ]",
            f"  %shown = phi i64 [ {self.inputs}, %given.run ], [ 0, %broken ]",
            "  call void @report(ptr %control, i32 %failure, ptr %items, i64 %shown)",
            "  call void @Py_DecRef(ptr %normal)",
            "  br label %failed",
        ]
