"""A network as a folder that Brian2 runs without mep-neuro: a script to read and edit, and its numbers.

folder.py    export(): makes the folder, runs its script once, and only then puts it in place
script.py    text of the script: header, populations, projections
units.py     text and start of the units of each neuron model
template.py  the parts of the script that are the same for every network
arrays.py    weights.npz and golden.npz
"""
