"""Attention paths: statistical mechanics of deep multi-head self-attention (Tiberi et al., NeurIPS 2024)."""
