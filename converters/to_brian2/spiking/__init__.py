"""Spiking populations in Brian2: sif, lif and sigma-delta units, slot for slot those of `neurons/`.

A slot is one step. Every unit takes what arrived, is updated in Brian2's slot 'groups', crosses its
threshold in 'thresholds', sends through its Synapses in 'synapses' (forward by on_pre, back by
on_post, with the one weight w), and is reset in 'resets'; what is sent arrives in the next step.
Phases follow each other in one run: TimedArrays hold the sign of the nudge and the weights of the
windows that read the rates.

All numbers lie on the grid of `neurons/fixed_point.py`, so that sums are exact in any order and every
target sends the same spikes as the numpy reference.
"""
