"""Losses: how far predictions are from targets.

Owns those. Invariant: finite for saturated predictions. A loss gives one number an example, to be
averaged by the caller, unless its name says that it is a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.arithmetic import where
from graphc.functions.axes import axis_of
from graphc.functions.creation import one_hot
from graphc.functions.elementwise import apply
from graphc.functions.indexing import take_along_axis
from graphc.functions.layout import expand_dims, squeeze
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.functions.softmax import log_softmax
from graphc.ir.build import ops
from graphc.ir.diagnostics import DTypeError, ShapeError
from graphc.nn.activations import relu, softplus
from graphc.promotion import as_tensor
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def softmax_cross_entropy(logits: TensorLike, labels: TensorLike, axis: int = -1) -> Tensor:
    """-log(softmax(logits)) at the label: one number an example.

    `labels` are integers of the shape of `logits` without `axis`, or probabilities (one-hot rows,
    for instance) of the shape of `logits`. Raises `ShapeError` for anything else.
    """
    scores, targets = as_floats(logits), as_tensor(labels)
    place = axis_of("softmax_cross_entropy", axis, scores.node)
    if targets.shape == scores.shape:
        return -(targets.astype(scores.dtype) * log_softmax(scores, place)).sum(place)
    _check_labels("softmax_cross_entropy", scores, targets, place)
    chosen = take_along_axis(log_softmax(scores, place), expand_dims(targets, place), place)
    return -squeeze(chosen, place)


@at_user_line
def sigmoid_cross_entropy(logits: TensorLike, targets: TensorLike) -> Tensor:
    """Binary cross-entropy of sigmoid(z) for logits z, element by element: `log(1 + e^z) - t z`.

    It is added up from parts of one sign where t is 0 or 1, so that nothing cancels.
    """
    scores, wanted = alike("sigmoid_cross_entropy", logits, targets)
    positive = scores > 0
    linear = where(positive, (1 - wanted) * scores, -wanted * scores)
    return linear + softplus(where(positive, -scores, scores))


@at_user_line
def binary_cross_entropy(probabilities: TensorLike, targets: TensorLike) -> Tensor:
    """`-t log(p) - (1 - t) log(1 - p)`, element by element.

    Probabilities of 0 and 1 count as the smallest positive number, so that the loss is finite. Of
    `sigmoid(z)` it is computed from z, and does not saturate; for a given p near 1, `1 - p` is
    rounded, and `sigmoid_cross_entropy` of the logits is more accurate.
    """
    given, wanted = alike("binary_cross_entropy", probabilities, targets)
    return -(wanted * _log(given) + (1 - wanted) * _log(1 - given))


@at_user_line
def categorical_cross_entropy(probabilities: TensorLike, targets: TensorLike) -> Tensor:
    """`-sum(t log(p))` over the last axis: one number an example.

    `targets` are probabilities, one-hot rows for instance. A probability of 0 counts as the
    smallest positive number; of `softmax(z)` the loss is computed from z, and does not saturate.
    """
    given, wanted = alike("categorical_cross_entropy", probabilities, targets)
    return -(wanted * _log(given)).sum(axis_of("categorical_cross_entropy", -1, given.node))


@at_user_line
def sparse_categorical_cross_entropy(probabilities: TensorLike, labels: TensorLike) -> Tensor:
    """-log(p) at the label, on the last axis: one number an example.

    `labels` are integers of the shape of the other axes; otherwise as `categorical_cross_entropy`.
    """
    name = "sparse_categorical_cross_entropy"
    given, wanted = as_floats(probabilities), as_tensor(labels)
    place = axis_of(name, -1, given.node)
    _check_labels(name, given, wanted, place)
    chosen = take_along_axis(given, expand_dims(wanted, place), place)
    return -squeeze(_log(chosen), place)


@at_user_line
def mean_squared_error(predictions: TensorLike, targets: TensorLike) -> Tensor:
    """The mean of the squared differences, over all elements: a scalar."""
    given, wanted = alike("mean_squared_error", predictions, targets)
    return apply(ops.square, given - wanted).mean()


@at_user_line
def half_squared_error(predictions: TensorLike, targets: TensorLike) -> Tensor:
    """Half the sum of the squared differences over the last axis: one number an example.

    Its derivative is `predictions - targets`.
    """
    given, wanted = alike("half_squared_error", predictions, targets)
    return apply(ops.square, given - wanted).sum(-1 if given.shape else None) / 2


@at_user_line
def hinge(scores: TensorLike, targets: TensorLike) -> Tensor:
    """max(0, 1 - t * s) for targets of -1 and 1, element by element."""
    given, wanted = alike("hinge", scores, targets)
    return relu(1 - wanted * given)


@at_user_line
def multiclass_hinge(scores: TensorLike, labels: TensorLike, margin: float = 1.0) -> Tensor:
    """The sum over all classes but the label's of max(0, s_j - s_label + margin), an example.

    Classes are on the last axis; `labels` are integers of the shape of the other axes.
    """
    given, wanted = as_floats(scores), as_tensor(labels)
    place = axis_of("multiclass_hinge", -1, given.node)
    _check_labels("multiclass_hinge", given, wanted, place)
    true_class = one_hot(wanted, given.shape[place], given.dtype) > 0
    own = where(true_class, given, 0).sum(place, True)
    return where(true_class, 0, relu(given - own + margin)).sum(place)


def _log(probabilities: Tensor) -> Tensor:
    """The logarithm, finite at 0. The smallest number guards it in a form that the pass
    `stabilize` sees through."""
    smallest = probabilities.dtype.arithmetic.smallest_normal
    return apply(ops.log, apply(ops.maximum, probabilities, smallest))


def _check_labels(name: str, scores: Tensor, labels: Tensor, place: int) -> None:
    expected = (*scores.shape[:place], *scores.shape[place + 1 :])
    nodes = (scores.node, labels.node)
    if not labels.dtype.is_integer:
        raise refused(
            DTypeError(
                f"{name} takes integer labels",
                operand=1,
                detail=f"and has not the shape {list(scores.shape)} of probabilities",
            ),
            *nodes,
        )
    if labels.shape != expected:
        raise refused(
            ShapeError(
                f"{name} needs one label an example",
                operand=1,
                detail=f"expected shape {list(expected)} for scores {scores.node.type}",
            ),
            *nodes,
        )


def alike(name: str, predictions: TensorLike, targets: TensorLike) -> tuple[Tensor, Tensor]:
    """Both as floats of one dtype and one shape."""
    given, wanted = as_floats(predictions), as_tensor(targets)
    if given.shape != wanted.shape:
        raise refused(
            ShapeError(
                f"{name} needs predictions and targets of one shape",
                operand=1,
                detail=f"but the predictions are {given.node.type}",
                help="reshape one of them; nothing is broadcast here",
            ),
            given.node,
            wanted.node,
        )
    return given, wanted.astype(given.dtype)
