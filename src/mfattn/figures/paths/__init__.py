"""Figures of the statistical mechanics of attention paths."""
