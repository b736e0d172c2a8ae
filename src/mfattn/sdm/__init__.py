"""Attention as sparse distributed memory (Bricken and Pehlevan, NeurIPS 2021)."""
