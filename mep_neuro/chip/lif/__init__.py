"""Lava's stock LIF neurons: quantization to a rate code, and the exact integer emulation."""
