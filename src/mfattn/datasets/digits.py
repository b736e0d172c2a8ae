"""The handwritten digits of 8 x 8 pixels that scikit-learn brings along: the extra ``mfattn[digits]``.

References
----------
Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI Machine Learning Repository (1998).
"""

from importlib.util import find_spec
from typing import Literal

import numpy as np

from mfattn.datasets.files import BadData, Part
from mfattn.datasets.images import Images

DIGIT_SIDE = 8
"""Rows and columns of a digit."""

DIGITS = {"train": 1200, "test": 597, "all": 1797}
"""Number of digits in each part; no split is published with them."""


def digits_installed() -> bool:
    """Whether scikit-learn is there, without the second that its import takes."""
    return find_spec("sklearn") is not None


def load_digits(part: Part | Literal["all"] = "all") -> Images:
    """The digits: the first 1,200 as part 'train', the other 597 as part 'test', or all of them.

    Parameters
    ----------
    part : {'train', 'test', 'all'}

    Returns
    -------
    Images
        Of 8 x 8 pixels, of which the brightest are 16.

    Raises
    ------
    BadData
        If scikit-learn is not installed.

    Examples
    --------
    >>> images = load_digits()
    >>> images.pixels.shape, images.largest, images.labels[:3].tolist()
    ((1797, 8, 8), 16, [0, 1, 2])
    """
    if not digits_installed():
        raise BadData("digits: scikit-learn is not installed; pip install 'mfattn[digits]'")
    # It takes a second to import, and few need it.
    from sklearn import datasets

    found = datasets.load_digits()
    chosen = {"train": slice(DIGITS["train"]), "test": slice(DIGITS["train"], None), "all": slice(None)}[part]
    return Images(found.images[chosen].astype(np.uint8), found.target[chosen].astype(np.int64), largest=16)
