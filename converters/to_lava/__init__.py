"""Real Lava processes: the bundle, its private environment and its launch."""
