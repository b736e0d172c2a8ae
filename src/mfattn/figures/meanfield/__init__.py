"""Figures of the mean-field dynamics and its finite networks."""
