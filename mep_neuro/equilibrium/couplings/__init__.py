"""Projections as torch operators, one connector a file; the table of them."""
