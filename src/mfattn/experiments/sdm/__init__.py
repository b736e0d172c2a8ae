"""Kinds of runs of attention as Sparse Distributed Memory."""
