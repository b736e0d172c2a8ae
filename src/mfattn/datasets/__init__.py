"""Images and characters from files that a user has, and the digits that scikit-learn brings along."""

from mfattn.datasets.cifar import cifar_files, load_cifar
from mfattn.datasets.digits import digits_installed, load_digits
from mfattn.datasets.files import BadData, Part
from mfattn.datasets.idx import idx_files, load_idx
from mfattn.datasets.images import Images
from mfattn.datasets.omniglot import OmniglotFolder, read_split, write_omniglot

__all__ = [
    "BadData",
    "Images",
    "OmniglotFolder",
    "Part",
    "cifar_files",
    "digits_installed",
    "idx_files",
    "load_cifar",
    "load_digits",
    "load_idx",
    "read_split",
    "write_omniglot",
]
