"""Images, and the digits that come with scikit-learn."""

import numpy as np
import pytest

from mfattn.datasets import BadData, Images, digits, load_digits

from .helpers import random_pixels

PIXELS = random_pixels(5, 4)
LABELS = np.arange(5)


def test_vectors_are_from_black_to_white():
    vectors = Images(PIXELS, LABELS).vectors()
    assert vectors.shape == (5, 16) and vectors.dtype == np.float64
    assert np.allclose(vectors * 255, PIXELS.reshape(5, 16))


def test_the_first_images_are_taken():
    images = Images(PIXELS, LABELS, largest=255).first(3)
    assert len(images) == 3 and images.size == (4, 4) and images.labels.tolist() == [0, 1, 2]


def test_a_fingerprint_depends_on_everything():
    images = Images(PIXELS, LABELS)
    others = [
        Images(PIXELS, LABELS[::-1].copy()),
        Images(PIXELS[::-1], LABELS),
        Images(PIXELS.reshape(5, 2, 8), LABELS),
        Images(PIXELS, LABELS, largest=256),
        images.first(4),
    ]
    assert len({one.fingerprint() for one in (images, *others)}) == 6
    assert Images(PIXELS.copy(), LABELS.copy()).fingerprint() == images.fingerprint()


@pytest.mark.parametrize(
    ("pixels", "labels", "largest", "message"),
    [
        (PIXELS.astype(float), LABELS, 255, "pixels must be uint8"),
        (PIXELS[0], LABELS, 255, "pixels must be uint8"),
        (PIXELS[:0], LABELS[:0], 255, "pixels must be uint8"),
        (PIXELS, LABELS[:3], 255, "labels must be int64"),
        (PIXELS, LABELS.astype(float), 255, "labels must be int64"),
        (PIXELS, LABELS, 16, "pixels must be at most 16, found 2"),
    ],
)
def test_arrays_that_are_no_images_are_refused(pixels, labels, largest, message):
    with pytest.raises(ValueError, match=message):
        Images(pixels, labels, largest)


def test_the_digits_come_in_two_parts():
    parts = [load_digits(part) for part in ("train", "test")]
    whole = load_digits()
    assert len(whole) == digits.DIGITS["all"] and whole.size == (digits.DIGIT_SIDE, digits.DIGIT_SIDE)
    assert [len(part) for part in parts] == [digits.DIGITS["train"], digits.DIGITS["test"]]
    assert (np.concatenate([part.pixels for part in parts]) == whole.pixels).all()
    assert whole.vectors().max() == 1.0 and set(whole.labels.tolist()) == set(range(10))


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(BadData, match="scikit-learn is not installed"):
        load_digits()
