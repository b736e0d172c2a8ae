"""Compiled kernels of the posterior."""
