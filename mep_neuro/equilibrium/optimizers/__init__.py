"""Equilibrium Propagation as torch optimizers, on plain torch models."""
