"""From batches to new weights: trainer, learner, traces, what earlier tasks need; and backprop beside it."""
