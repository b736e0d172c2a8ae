"""The statistical physics of attention, as one reproducible research pipeline."""

__version__ = "0.1.0"
