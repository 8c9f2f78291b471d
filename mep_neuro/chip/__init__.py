"""Chip profiles, quantization and the exact integer emulation, numpy only."""
