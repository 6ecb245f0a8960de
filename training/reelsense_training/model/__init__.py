"""Models as plain data: what the exporters write and the parity tests recompute."""
