"""Kinds of runs of the statistical mechanics of attention paths."""
