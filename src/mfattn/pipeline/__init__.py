"""How runs are described, planned, computed in blocks, stored and collected; knows no theory."""
