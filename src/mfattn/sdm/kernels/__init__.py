"""Compiled kernels of the memories: Hamming distances, counters of neurons, and products added in one order.

All of them work on integers, or add in one order without fused operations, so that results do not depend on threads,
blocks or the processor.
"""

from mfattn.sdm.kernels.neurons import read, write
from mfattn.sdm.kernels.popcount import CHUNK, LANES
from mfattn.sdm.kernels.products import ordered_product
from mfattn.sdm.kernels.scan import distances, histograms

__all__ = ["CHUNK", "LANES", "distances", "histograms", "ordered_product", "read", "write"]
