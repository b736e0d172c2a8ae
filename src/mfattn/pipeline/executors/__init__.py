"""Ways to spread the blocks of a run over processors."""
