"""Images from files that a user has, and the digits that scikit-learn brings along."""

from mfattn.datasets.cifar import cifar_files, load_cifar
from mfattn.datasets.digits import digits_installed, load_digits
from mfattn.datasets.files import BadData, Part
from mfattn.datasets.idx import idx_files, load_idx
from mfattn.datasets.images import Images

__all__ = [
    "BadData",
    "Images",
    "Part",
    "cifar_files",
    "digits_installed",
    "idx_files",
    "load_cifar",
    "load_digits",
    "load_idx",
]
