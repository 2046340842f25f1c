"""Many nodes: matrix, pool, diff, by class."""
