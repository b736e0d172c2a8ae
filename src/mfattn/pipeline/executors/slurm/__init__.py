"""Everything that knows of SLURM: its commands, its variables, and what runs inside its jobs."""
