"""Associative memories behind one interface: write, read, and read again until nothing changes.

Of bits: sparse distributed memory with real neurons, with infinitely many, and with the counts of finitely many;
attention; Hopfield networks. Of unit vectors: sparse distributed memory on the sphere, and attention.
"""

from mfattn.sdm.memories.attention import BinaryAttention
from mfattn.sdm.memories.bits import hamming_distances, pack_bits, random_bits, random_words, unpack_bits
from mfattn.sdm.memories.hopfield import Hopfield
from mfattn.sdm.memories.interface import BinaryMemory, Memory, Result, Status
from mfattn.sdm.memories.neurons import NeuronSDM
from mfattn.sdm.memories.patterns import FiniteSDM, InfiniteSDM
from mfattn.sdm.memories.vectors import CapSDM, ContinuousAttention, RoundedSDM, transformer_attention

__all__ = [
    "BinaryAttention",
    "BinaryMemory",
    "CapSDM",
    "ContinuousAttention",
    "FiniteSDM",
    "Hopfield",
    "InfiniteSDM",
    "Memory",
    "NeuronSDM",
    "Result",
    "RoundedSDM",
    "Status",
    "hamming_distances",
    "pack_bits",
    "random_bits",
    "random_words",
    "transformer_attention",
    "unpack_bits",
]
