"""Figures of attention as Sparse Distributed Memory."""
