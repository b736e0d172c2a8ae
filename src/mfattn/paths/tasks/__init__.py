"""Tasks for which the attention paths are understood: hidden Markov chains, and one-shot recognition of images."""
