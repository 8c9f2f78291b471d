"""Converters to other simulators and formats, found by name through mep_neuro.backends."""
