"""The errors of running compiled code: one class per kind of mistake, each with a stable code.

Owns the classes and how their messages are put together. Imports the standard library only.
Invariant: when one of these is raised, no parameter and no output has been changed.
"""

from __future__ import annotations

from typing import ClassVar


class CodedError(Exception):
    """What all errors of running compiled code derive from.

    `str(error)` is the whole message: what is wrong, then help.
    """

    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, summary: str, *, help: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.help = help

    def __str__(self) -> str:
        text = f"{self.code} {self.title}: {self.summary}"
        return f"{text}\n   = help: {self.help}" if self.help else text


class CallError(CodedError):
    """A call that an executable cannot carry out. Every such mistake has a class and a code of its
    own; this is the class to catch for all of them, and never raised itself.
    """

    code = "GC100"
    title = "invalid call"


class ArgumentCountError(CallError, TypeError):
    """More positional arguments than the executable has inputs.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        step(np.zeros(3, "float32"), np.zeros(3, "float32"))

    Fix:
        step(np.zeros(3, "float32"))
    """

    code = "GC101"
    title = "too many arguments"


class MissingInputError(CallError, TypeError):
    """An input that was given neither by position nor by name.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        step()

    Fix:
        step(np.zeros(3, "float32"))
    """

    code = "GC102"
    title = "missing input"


class UnexpectedArgumentError(CallError, TypeError):
    """A keyword that names no input, or an input given twice.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        step(z=np.zeros(3, "float32"))

    Fix:
        step(x=np.zeros(3, "float32"))
    """

    code = "GC103"
    title = "unexpected argument"


class NotAnArrayError(CallError, TypeError):
    """An argument that holds no array: a list, None, a Python number for an array input.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        step([1.0, 2.0, 3.0])

    Fix:
        step(np.array([1.0, 2.0, 3.0], "float32"))
    """

    code = "GC104"
    title = "not an array"


class ArgumentDTypeError(CallError, TypeError):
    """An array of another element type than declared. Nothing is converted silently.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        step(np.zeros(3))

    Fix:
        step(np.zeros(3, "float32"))
    """

    code = "GC105"
    title = "wrong dtype"


class ArgumentShapeError(CallError, ValueError):
    """An array of another shape than declared. Nothing is broadcast silently.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        step(np.zeros((1, 3), "float32"))

    Fix:
        step(np.zeros(3, "float32"))
    """

    code = "GC106"
    title = "wrong shape"


class ByteOrderError(CallError, TypeError):
    """An array whose elements are stored in the other byte order.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        values = np.zeros(3, ">f4")
        step(values)

    Fix:
        step(values.astype("float32"))
    """

    code = "GC107"
    title = "byte-swapped array"


class ContiguityError(CallError, ValueError):
    """An array whose elements do not lie one after the other in row-major order.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        values = np.zeros(6, "float32")
        step(values[::2])

    Fix:
        step(np.ascontiguousarray(values[::2]))
    """

    code = "GC108"
    title = "non-contiguous array"


class AlignmentError(CallError, ValueError):
    """An array whose elements do not start at multiples of their size.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        values = np.frombuffer(bytes(13), "float32", offset=1)
        step(values)

    Fix:
        step(values.copy())
    """

    code = "GC109"
    title = "unaligned array"


class ReadOnlyError(CallError, ValueError):
    """An `out=` array that cannot be written to.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        values = np.zeros(3, "float32")
        out = np.zeros(3, "float32")
        out.flags.writeable = False
        step(values, out=out)

    Fix:
        step(values, out=out.copy())
    """

    code = "GC110"
    title = "read-only output"


class OutputStructureError(CallError, TypeError):
    """An `out=` that is not built of tuples, lists and dicts as the outputs are.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], {"double": 2 * x, "square": x * x})
        values, out = np.zeros(3, "float32"), np.zeros((2, 3), "float32")
        step(values, out=out)

    Fix:
        step(values, out={"double": out[0], "square": out[1]})
    """

    code = "GC111"
    title = "wrong structure"


class OverlapError(CallError, ValueError):
    """An `out=` array that shares memory with an input, a parameter or another output.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        values = np.zeros(3, "float32")
        step(values, out=values)

    Fix:
        step(values, out=np.empty_like(values))
    """

    code = "GC112"
    title = "overlapping memory"


class IndexRangeError(CallError, IndexError):
    """An index input with a value outside of the axis that it indexes.

    Example:
        x, i = gc.input("x", 5), gc.input("i", 2, gc.int32)
        pick = gc.compile([x, i], gc.take(x, i))
        values = np.zeros(5, "float32")
        pick(values, np.array([1, 7], "int32"))

    Fix:
        pick(values, np.array([1, 4], "int32"))
    """

    code = "GC113"
    title = "index out of range"


class ScalarValueError(CallError, ValueError):
    """A Python integer that the input's element type cannot hold.

    Example:
        n = gc.input("n", (), gc.int8)
        step = gc.compile([n], 2 * n)
        step(300)

    Fix:
        step(100)
    """

    code = "GC114"
    title = "value out of range"


class NonFiniteError(CallError, FloatingPointError):
    """A step compiled with `debug_nans=True` that made a NaN or an infinity. No parameter has been
    changed, but `out=` arrays have been written to.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], gc.log(x), debug_nans=True)
        values = np.array([1, 0, 2], "float32")
        step(values)

    Fix:
        step = gc.compile([x], gc.log(x + 1e-6), debug_nans=True)
        step(values)
    """

    code = "GC115"
    title = "not finite"


class CallbackResultError(CallError, ValueError):
    """A Python function given to `gc.call` that returned other results than declared. No parameter
    has been changed, but `out=` arrays may have been written to.

    Example:
        x = gc.input("x", 3)
        y = gc.call(lambda x: x.sum(), x, like=x)
        step = gc.compile([x], y)
        step(np.zeros(3, "float32"))

    Fix:
        y = gc.call(lambda x: x.sum(), x, shape=())
        step = gc.compile([x], y)
        step(np.zeros(3, "float32"))
    """

    code = "GC116"
    title = "wrong result of a called function"


class ReentryError(CallError, RuntimeError):
    """A step that was called by a function which it calls itself, by `gc.call`: it works in one
    piece of memory, and cannot begin again before it has ended.

    Example:
        x = gc.input("x", 3)
        y = gc.call(lambda x: step(x), x, like=x)
        step = gc.compile([x], y)
        step(np.zeros(3, "float32"))

    Fix:
        double = gc.compile([x], 2 * x)
        y = gc.call(lambda x: double(x), x, like=x)
        step = gc.compile([x], y)
        step(np.zeros(3, "float32"))
    """

    code = "GC117"
    title = "called while it runs"


class InternalCallError(CallError):
    """The native entry and its Python half disagree: a defect in graphc, not in a program. No
    program should get to see it; please report one that does.
    """

    code = "GC119"
    title = "internal error"


class StorageError(CodedError, ValueError):
    """Parameter or constant storage that does not fit what the compiled code expects.

    Example:
        w = gc.param("w", np.zeros((3, 2), "float32"))
        step = gc.compile([], w.sum())
        step.params["w"].value = np.ones(5)

    Fix:
        step.params["w"].value = np.ones((3, 2))
    """

    code = "GC120"
    title = "wrong storage"


class ArtifactError(CodedError):
    """An artifact that is damaged, incomplete, foreign, or made for another machine.

    Example:
        x = gc.input("x", 3)
        step = gc.compile([x], 2 * x)
        step.save("double")
        gc.load("duoble")

    Fix:
        gc.load("double")
    """

    code = "GC130"
    title = "unusable artifact"


class TargetError(ArtifactError):
    """An artifact for another processor or operating system. To see it takes two machines; the fix
    is to compile the program and save the step on a machine like the one that loads it.
    """

    code = "GC131"
    title = "artifact for another machine"


class PythonVersionError(ArtifactError):
    """An artifact whose entry was made for another Python or NumPy. To see it takes two
    installations; the fix is to save the step with the versions that load it.
    """

    code = "GC132"
    title = "artifact for another Python"
