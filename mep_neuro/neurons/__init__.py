"""Neuron models: the equations of each and its numpy step."""
