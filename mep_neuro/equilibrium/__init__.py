"""Energy, settling, phases, contrast, plasticity and training, in torch."""
