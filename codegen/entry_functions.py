"""The parts of the CPython entry that depend on the signature, written as LLVM text.

Owns a writer for one function and the functions that read arguments, allocate outputs, run the
kernels and put the result together. Imports `runtime.artifact`. Invariant: a function that fails
has changed nothing but the scratch space of its call.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.runtime.artifact import Argument, ControlLayout, Manifest, Structure

RELEASE_NANOSECONDS = 20_000
"""Calls that take longer let other Python threads run meanwhile; it costs about 100 ns."""

_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
_FLOATS = ("f32", "f64")


def first_output(manifest: Manifest) -> int:
    """Position of the outputs in the table of buffers."""
    return len(manifest.inputs) + len(manifest.params) + len(manifest.constants)


def shapes(outputs: Sequence[Argument]) -> list[str]:
    """The shapes of new arrays, as NumPy takes them."""
    return [
        f"@shape.{i} = private unnamed_addr constant [{len(output.shape)} x i64] "
        f"[{', '.join(f'i64 {size}' for size in output.shape)}]"
        for i, output in enumerate(outputs)
    ]


class _Function:
    """One function being written. `%control` is its first parameter in every case."""

    def __init__(self, manifest: Manifest, signature: str) -> None:
        self.manifest = manifest
        self.layout = ControlLayout.of(manifest)
        self.header = manifest.python.header_bytes
        self._lines = [f"define internal {signature} {{", "entry:"]
        self._count = 0

    def put(self, line: str) -> None:
        self._lines.append(f"  {line}")

    def value(self, right: str) -> str:
        """Append an instruction with a result; return the result's name."""
        self._count += 1
        self.put(f"%v{self._count} = {right}")
        return f"%v{self._count}"

    def address(self, base: str, offset: int) -> str:
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}")

    def load(self, base: str, offset: int, type: str = "ptr") -> str:
        """The field of this type at an offset in bytes."""
        return self.value(f"load {type}, ptr {self.address(base, offset)}")

    def word(self, position: int) -> str:
        """A word of the control block."""
        return self.load("%control", 8 * position)

    def fixed(self, name: str) -> str:
        return self.word(self.layout.fixed(name))

    def new_label(self) -> str:
        self._count += 1
        return f"l{self._count}"

    def start(self, label: str) -> None:
        self._lines.append(f"{label}:")

    def branch(self, condition: str, otherwise: str) -> None:
        """Go on with the next line if the condition holds, and to the label if not."""
        label = self.new_label()
        self.put(f"br i1 {condition}, label %{label}, label %{otherwise}")
        self.start(label)

    def require_apart(self, bounds: str, count: int, data: str, size: int) -> None:
        """Refuse data that meets any of `count` regions."""
        end = self.address(data, size)
        meets = self.value(f"call i1 @overlaps(ptr {bounds}, i64 {count}, ptr {data}, ptr {end})")
        self.branch(self.value(f"xor i1 {meets}, true"), "refuse")

    def finish(self, *lines: str) -> str:
        return "\n".join([*self._lines, *(f"  {line}" for line in lines), "}\n"])


def read_inputs(manifest: Manifest) -> str:
    """Check every input and put the address of its data into the table of buffers."""
    write = _Function(
        manifest, "i1 @read_inputs(ptr %control, ptr %objects, ptr %table, ptr %scratch)"
    )
    array_type = write.fixed("array_type")
    updated = write.address("%control", 8 * write.layout.updated)
    for i, argument in enumerate(manifest.inputs):
        done, other = write.new_label(), "refuse" if argument.shape else write.new_label()
        entry = write.address("%table", 8 * i)
        object = write.load("%objects", 8 * i)
        type = write.load(object, write.header - manifest.python.pointer_bytes)
        write.branch(write.value(f"icmp eq ptr {type}, {array_type}"), other)
        data = _checked_data(write, object, argument, _CONTIGUOUS | _ALIGNED)
        if manifest.updates and argument.bytes:
            write.require_apart(updated, len(manifest.updates), data, argument.bytes)
        write.put(f"store ptr {data}, ptr {entry}")
        write.put(f"br label %{done}")
        if not argument.shape:
            write.start(other)
            _read_scalar(write, object, type, argument, entry, done, 8 * i)
        write.start(done)
    return write.finish("ret i1 true", "refuse:", "ret i1 false")


def read_outputs(manifest: Manifest) -> str:
    """The same for arrays that the caller gave, which must lie apart from all that is read.
    That several lie apart from each other is left to `normalise`."""
    write = _Function(manifest, "i1 @read_outputs(ptr %control, ptr %objects, ptr %table)")
    held = write.address("%control", 8 * write.layout.held)
    count = len(manifest.params) + len(manifest.constants)
    array_type = write.fixed("array_type")
    for i, argument in enumerate(manifest.outputs):
        object = write.load("%objects", 8 * i)
        type = write.load(object, write.header - manifest.python.pointer_bytes)
        write.branch(write.value(f"icmp eq ptr {type}, {array_type}"), "refuse")
        data = _checked_data(write, object, argument, _CONTIGUOUS | _ALIGNED | _WRITEABLE)
        if argument.bytes:
            write.require_apart(held, count, data, argument.bytes)
            _require_apart_from_inputs(write, data, argument.bytes)
        entry = write.address("%table", 8 * (first_output(manifest) + i))
        write.put(f"store ptr {data}, ptr {entry}")
    return write.finish("ret i1 true", "refuse:", "ret i1 false")


def _require_apart_from_inputs(write: _Function, data: str, size: int) -> None:
    end = write.address(data, size)
    for i, argument in enumerate(write.manifest.inputs):
        if not argument.bytes:
            continue
        other = write.load("%table", 8 * i)
        starts_behind = write.value(f"icmp uge ptr {data}, {write.address(other, argument.bytes)}")
        ends_before = write.value(f"icmp ule ptr {end}, {other}")
        write.branch(write.value(f"or i1 {starts_behind}, {ends_before}"), "refuse")


def only_out(manifest: Manifest) -> str:
    """Whether the keywords of a call are `out` alone, and that is one array."""
    write = _Function(manifest, "i1 @only_out(ptr %control, ptr %names)")
    if manifest.structure.kind != "one":
        return write.finish("ret i1 false")
    write.branch(write.value("icmp ne ptr %names, null"), "refuse")
    count = write.value("call i64 @PyTuple_Size(ptr %names)")
    write.branch(write.value(f"icmp eq i64 {count}, 1"), "refuse")
    name = write.value("call ptr @PyTuple_GetItem(ptr %names, i64 0)")
    same = write.value(f"icmp eq ptr {name}, {write.fixed('out')}")
    return write.finish(f"ret i1 {same}", "refuse:", "ret i1 false")


def _checked_data(write: _Function, object: str, argument: Argument, flags: int) -> str:
    """The data of an array, after its rank, shape, memory layout and dtype have been checked."""
    rank = write.load(object, write.header + 8, "i32")
    write.branch(write.value(f"icmp eq i32 {rank}, {len(argument.shape)}"), "refuse")
    found = write.load(object, write.header + 48, "i32")
    fits = write.value(f"icmp eq i32 {write.value(f'and i32 {found}, {flags}')}, {flags}")
    shape = write.load(object, write.header + 16)
    for axis, expected in enumerate(argument.shape):
        size = write.load(shape, 8 * axis, "i64")
        same = write.value(f"icmp eq i64 {size}, {expected}")
        fits = write.value(f"and i1 {fits}, {same}")
    write.branch(fits, "refuse")
    # Usually NumPy's one descriptor of the type; an equal one after unpickling.
    descriptor = write.load(object, write.header + 40)
    expected_descriptor = write.word(write.layout.descriptor(argument.dtype))
    known, other = write.new_label(), write.new_label()
    identical = write.value(f"icmp eq ptr {descriptor}, {expected_descriptor}")
    write.put(f"br i1 {identical}, label %{known}, label %{other}")
    write.start(other)
    answer = write.value(
        f"call i8 {write.fixed('equivalent_types')}(ptr {descriptor}, ptr {expected_descriptor})"
    )
    write.put(f"br i1 {write.value(f'icmp ne i8 {answer}, 0')}, label %{known}, label %refuse")
    write.start(known)
    return write.load(object, write.header)


def _read_scalar(
    write: _Function, object: str, type: str, argument: Argument, entry: str, done: str, slot: int
) -> None:
    """NumPy's scalar of the type holds its value behind the object's head; a Python float is
    rounded into the scratch space."""
    plain = write.new_label() if argument.dtype in _FLOATS else "refuse"
    scalar_type = write.word(write.layout.scalar_type(argument.dtype))
    write.branch(write.value(f"icmp eq ptr {type}, {scalar_type}"), plain)
    write.put(f"store ptr {write.address(object, write.header)}, ptr {entry}")
    write.put(f"br label %{done}")
    if argument.dtype not in _FLOATS:
        return
    write.start(plain)
    float_type = write.fixed("float_type")
    write.branch(write.value(f"icmp eq ptr {type}, {float_type}"), "refuse")
    number = f"double {write.value(f'call double @PyFloat_AsDouble(ptr {object})')}"
    if argument.dtype == "f32":
        number = f"float {write.value(f'fptrunc {number} to float')}"
    place = write.address("%scratch", slot)
    write.put(f"store {number}, ptr {place}")
    write.put(f"store ptr {place}, ptr {entry}")
    write.put(f"br label %{done}")


def allocate(manifest: Manifest) -> str:
    """New arrays for the outputs; those without axes are written to scratch space first."""
    write = _Function(
        manifest, "i1 @allocate(ptr %control, ptr %objects, ptr %table, ptr %scratch)"
    )
    array_type, new_array = write.fixed("array_type"), write.fixed("new_array")
    for i, output in enumerate(manifest.outputs):
        entry = write.address("%table", 8 * (first_output(manifest) + i))
        if not output.shape:
            place = write.address("%scratch", 8 * (len(manifest.inputs) + i))
            write.put(f"store ptr {place}, ptr {entry}")
            continue
        descriptor = write.word(write.layout.descriptor(output.dtype))
        write.put(f"call void @Py_IncRef(ptr {descriptor})")
        array = write.value(
            f"call ptr {new_array}(ptr {array_type}, ptr {descriptor}, i32 {len(output.shape)}, "
            f"ptr @shape.{i}, ptr null, ptr null, i32 0, ptr null)"
        )
        write.put(f"store ptr {array}, ptr {write.address('%objects', 8 * i)}")
        write.branch(write.value(f"icmp ne ptr {array}, null"), "refuse")
        write.put(f"store ptr {write.load(array, write.header)}, ptr {entry}")
    return write.finish("ret i1 true", "refuse:", "ret i1 false")


def execute(manifest: Manifest) -> str:
    """Complete the table with params and constants, and call the kernels. Where the interpreter's
    lock does not put calls in order, the executable's own lock guards its workspace."""
    write = _Function(manifest, "i32 @execute(ptr %control, ptr %table)")
    if held := len(manifest.params) + len(manifest.constants):
        first = write.address("%table", 8 * len(manifest.inputs))
        state = write.address("%control", 8 * write.layout.state)
        write.put(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {first}, ptr {state}, i64 {8 * held}, i1 false)"
        )
    workspace = write.fixed("workspace")
    call = f"call i32 {write.fixed('kernel')}(ptr %table, ptr {workspace})"
    is_short = manifest.work_nanoseconds < RELEASE_NANOSECONDS and not manifest.externals
    if is_short and not manifest.python.free_threaded:
        return write.finish(f"ret i32 {write.value(call)}")
    lock = write.fixed("lock")
    thread = write.value("call ptr @PyEval_SaveThread()")
    write.value(f"call i32 @PyThread_acquire_lock(ptr {lock}, i32 1)")
    status = write.value(call)
    write.put(f"call void @PyThread_release_lock(ptr {lock})")
    write.put(f"call void @PyEval_RestoreThread(ptr {thread})")
    return write.finish(f"ret i32 {status}")


def release(manifest: Manifest) -> str:
    """Let go of the outputs, as far as there are any."""
    write = _Function(manifest, "void @release(ptr %objects)")
    for i in range(len(manifest.outputs)):
        write.put(f"call void @Py_DecRef(ptr {write.load('%objects', 8 * i)})")
    return write.finish("ret void")


def collect(manifest: Manifest) -> str:
    """Make the scalars and put the outputs together as declared.

    A container is put into its parent before it is filled, so that one release undoes all.
    """
    write = _Function(manifest, "ptr @collect(ptr %control, ptr %objects, ptr %scratch)")
    new_scalar = write.fixed("new_scalar")
    outputs = []
    for i, output in enumerate(manifest.outputs):
        place = write.address("%objects", 8 * i)
        if output.shape:
            outputs.append(write.value(f"load ptr, ptr {place}"))
            continue
        descriptor = write.word(write.layout.descriptor(output.dtype))
        number = write.address("%scratch", 8 * (len(manifest.inputs) + i))
        scalar = write.value(f"call ptr {new_scalar}(ptr {number}, ptr {descriptor}, ptr null)")
        write.put(f"store ptr {scalar}, ptr {place}")
        write.branch(write.value(f"icmp ne ptr {scalar}, null"), "refuse")
        outputs.append(scalar)
    failed = ("refuse:", "call void @release(ptr %objects)", "ret ptr null")
    if manifest.structure.kind == "one":
        return write.finish(f"ret ptr {outputs[manifest.structure.output]}", *failed)
    root = _container(write, manifest.structure, "refuse")
    _fill(write, manifest.structure, root, outputs)
    write.put("call void @release(ptr %objects)")
    undo = ("undo:", f"call void @Py_DecRef(ptr {root})", "br label %refuse")
    return write.finish(f"ret ptr {root}", *undo, *failed)


def _container(write: _Function, structure: Structure, failure: str) -> str:
    """An empty tuple, list or dict."""
    size = "" if structure.kind == "dict" else f"i64 {len(structure.items)}"
    container = write.value(f"call ptr @Py{structure.kind.capitalize()}_New({size})")
    write.branch(write.value(f"icmp ne ptr {container}, null"), failure)
    return container


def _fill(write: _Function, structure: Structure, container: str, outputs: list[str]) -> None:
    """Tuples and lists take over a reference to what is put in, dicts add their own."""
    for position, item in enumerate(structure.items):
        leaf = item.kind == "one"
        value = outputs[item.output] if leaf else _container(write, item, "undo")
        if structure.kind == "dict":
            key = write.word(write.layout.key(structure.keys[position]))
            status = write.value(
                f"call i32 @PyDict_SetItem(ptr {container}, ptr {key}, ptr {value})"
            )
            if not leaf:
                write.put(f"call void @Py_DecRef(ptr {value})")
            write.branch(write.value(f"icmp eq i32 {status}, 0"), "undo")
        else:
            if leaf:
                write.put(f"call void @Py_IncRef(ptr {value})")
            setter = f"@Py{structure.kind.capitalize()}_SetItem"
            write.value(f"call i32 {setter}(ptr {container}, i64 {position}, ptr {value})")
        if not leaf:
            _fill(write, item, value, outputs)
