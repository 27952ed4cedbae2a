"""The errors of running compiled code: one class per kind of mistake, each with a stable code.

Owns the classes and how their messages are put together. Imports the standard library only.
Invariant: when one of these is raised, no parameter and no output has been changed.
"""

from __future__ import annotations

from typing import ClassVar


class CodedError(Exception):
    """An error with a stable code. `str(error)` is the whole message: what is wrong, then help."""

    code: ClassVar[str] = "GC100"
    title: ClassVar[str] = "runtime error"

    def __init__(self, summary: str, *, help: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.help = help

    def __str__(self) -> str:
        text = f"{self.code} {self.title}: {self.summary}"
        return f"{text}\n   = help: {self.help}" if self.help else text


class CallError(CodedError):
    """A call that an executable cannot carry out."""

    code = "GC100"
    title = "invalid call"


class ArgumentCountError(CallError, TypeError):
    """More positional arguments than the executable has inputs."""

    code = "GC101"
    title = "too many arguments"


class MissingInputError(CallError, TypeError):
    """An input that was given neither by position nor by name."""

    code = "GC102"
    title = "missing input"


class UnexpectedArgumentError(CallError, TypeError):
    """A keyword that names no input, or an input given twice."""

    code = "GC103"
    title = "unexpected argument"


class NotAnArrayError(CallError, TypeError):
    """An argument that holds no array: a list, None, a Python number for an array input."""

    code = "GC104"
    title = "not an array"


class ArgumentDTypeError(CallError, TypeError):
    """An array of another element type than declared. Nothing is converted silently."""

    code = "GC105"
    title = "wrong dtype"


class ArgumentShapeError(CallError, ValueError):
    """An array of another shape than declared. Nothing is broadcast silently."""

    code = "GC106"
    title = "wrong shape"


class ByteOrderError(CallError, TypeError):
    """An array whose elements are stored in the other byte order."""

    code = "GC107"
    title = "byte-swapped array"


class ContiguityError(CallError, ValueError):
    """An array whose elements do not lie one after the other in row-major order."""

    code = "GC108"
    title = "non-contiguous array"


class AlignmentError(CallError, ValueError):
    """An array whose elements do not start at multiples of their size."""

    code = "GC109"
    title = "unaligned array"


class ReadOnlyError(CallError, ValueError):
    """An `out=` array that cannot be written to."""

    code = "GC110"
    title = "read-only output"


class OutputStructureError(CallError, TypeError):
    """An `out=` that is not built of tuples, lists and dicts as the outputs are."""

    code = "GC111"
    title = "wrong structure"


class OverlapError(CallError, ValueError):
    """An `out=` array that shares memory with an input, a parameter or another output."""

    code = "GC112"
    title = "overlapping memory"


class IndexRangeError(CallError, IndexError):
    """An index input with a value outside of the axis that it indexes."""

    code = "GC113"
    title = "index out of range"


class ScalarValueError(CallError, ValueError):
    """A Python integer that the input's element type cannot hold."""

    code = "GC114"
    title = "value out of range"


class InternalCallError(CallError):
    """The native entry and its Python half disagree: a defect in graphc, not in a program."""

    code = "GC119"
    title = "internal error"


class StorageError(CodedError, ValueError):
    """Parameter or constant storage that does not fit what the compiled code expects."""

    code = "GC120"
    title = "wrong storage"


class ArtifactError(CodedError):
    """An artifact that is damaged, incomplete, foreign, or made for another machine."""

    code = "GC130"
    title = "unusable artifact"


class TargetError(ArtifactError):
    """An artifact for another processor or operating system."""

    code = "GC131"
    title = "artifact for another machine"


class PythonVersionError(ArtifactError):
    """An artifact whose entry was made for another Python or NumPy."""

    code = "GC132"
    title = "artifact for another Python"
