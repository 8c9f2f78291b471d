"""Brian2: a network as real NeuronGroup and Synapses objects in one explicit Network.

Each settling population is a NeuronGroup, and each projection between two of them is one Synapses
object that carries w forward and g * w back, so its weights are tied by construction. Of rate units:

    dv/dt = (-v + current) / tau_mem        current = drive + every projection's part
    r = rho(v)

(`spiking/` has the spiking units, `learning/` the plasticity, `standalone/` the compiled programs,
`dense.py` matrix products in place of Synapses.)

The clamped input sends a current that does not change while the network settles, so the input
population is no group: it is folded, with the bias, into `drive`. A softmax read-out is outside
the dynamics and is computed from the settled rates. Many samples settle at once in replicated
populations: unit i of sample b is neuron b * n + i of its group.

Brian2 is imported inside functions only; no preference, device or seed of the user is changed.
"""
