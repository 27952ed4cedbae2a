"""The digits and the batches made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphc as gc


def test_digits_are_the_uci_test_set() -> None:
    images, labels = gc.datasets.digits()
    assert images.shape == (1797, 64)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0, 1)
    assert labels.dtype == np.int32
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The first image of the original file, a zero.
    first = (images[0] * 16).astype(int)[:16].tolist()
    assert first == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]


def test_digits_name_source_and_licence() -> None:
    notice = Path(gc.datasets.__file__).with_name("DIGITS.txt").read_text()
    for words in ("UCI", "Alpaydin", "10.24432/C50P49", "CC BY 4.0"):
        assert words in notice


def test_held_out_is_fixed_and_complete() -> None:
    images, labels = gc.datasets.digits()
    split = gc.datasets.held_out(images, labels)
    assert len(split.test_labels) == 359
    again = gc.datasets.held_out(images, labels)
    np.testing.assert_array_equal(split.test_images, again.test_images)
    everything = np.concatenate([split.train_labels, split.test_labels])
    assert np.bincount(everything).tolist() == np.bincount(labels).tolist()
    other = gc.datasets.held_out(images, labels, seed=1)
    assert not np.array_equal(split.test_labels, other.test_labels)


def test_batches_cover_an_epoch_once() -> None:
    examples = np.arange(10)
    shuffled = gc.training.batches(examples, examples * 2, size=3, seed=5)
    assert len(shuffled) == 3
    seen = []
    for first, second in shuffled:
        assert first.shape == (3,)
        assert first.flags.c_contiguous
        np.testing.assert_array_equal(second, first * 2)
        seen += first.tolist()
    assert len(set(seen)) == 9
    assert seen == [each for first, _ in shuffled for each in first.tolist()]
    other = [each for (first,) in gc.training.batches(examples, size=3, seed=6) for each in first]
    assert seen != other


def test_batches_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one length"):
        gc.training.batches(np.zeros(3), np.zeros(4), size=2)
    with pytest.raises(ValueError, match="batches of 4"):
        gc.training.batches(np.zeros(3), size=4)
    with pytest.raises(ValueError, match="one length"):
        gc.training.batches(size=4)
