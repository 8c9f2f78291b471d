"""What runs beside Lava: standard library, numpy and lava only."""
