"""Figures: result arrays in, Matplotlib figures out."""
