"""Every error class of graphc in one place, for `except gc.errors.ShapeError`.

Owns nothing: the classes live where they are raised. Imports `ir.diagnostics` and
`runtime.errors`. Invariant: a class that a user can meet is found here.
"""

from __future__ import annotations

from graphc.ir.diagnostics import (
    AttributeValueError,
    BoundaryError,
    DTypeError,
    GradientError,
    GraphError,
    NameClashError,
    ParseError,
    ShapeError,
    VerificationError,
)
from graphc.runtime.errors import (
    AlignmentError,
    ArgumentCountError,
    ArgumentDTypeError,
    ArgumentShapeError,
    ArtifactError,
    ByteOrderError,
    CallError,
    CodedError,
    ContiguityError,
    IndexRangeError,
    InternalCallError,
    MissingInputError,
    NotAnArrayError,
    OutputStructureError,
    OverlapError,
    PythonVersionError,
    ReadOnlyError,
    ScalarValueError,
    StorageError,
    TargetError,
    UnexpectedArgumentError,
)

__all__ = [
    "AlignmentError",
    "ArgumentCountError",
    "ArgumentDTypeError",
    "ArgumentShapeError",
    "ArtifactError",
    "AttributeValueError",
    "BoundaryError",
    "ByteOrderError",
    "CallError",
    "CodedError",
    "ContiguityError",
    "DTypeError",
    "GradientError",
    "GraphError",
    "IndexRangeError",
    "InternalCallError",
    "MissingInputError",
    "NameClashError",
    "NotAnArrayError",
    "OutputStructureError",
    "OverlapError",
    "ParseError",
    "PythonVersionError",
    "ReadOnlyError",
    "ScalarValueError",
    "ShapeError",
    "StorageError",
    "TargetError",
    "UnexpectedArgumentError",
    "VerificationError",
]
