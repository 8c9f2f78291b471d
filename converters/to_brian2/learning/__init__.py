"""Learning inside Brian2: the phases, the plasticity and the update happen in one simulation.

A pattern is shown for one cycle of the timetable,

    free phase | nudged phase (+beta) | nudged phase (-beta) | rest

and everything below happens between two steps of the membranes, at a tick of the timetable:

    end of the free phase        each output unit keeps its own error, target - s
    end of a nudged phase        each synapse adds +- s_pre s_post to its trace, each unit +- s
    start of the rest            after the last pattern of a batch, each synapse moves its weight along
                                 its trace (stochastic gradient or Adam, one state per synapse)

A synapse reads its two ends, its own variables and the clock of the training: nothing else. What is not
local (Muon, Dion, the spectral bound) is a consolidation, which happens outside, every `period` updates.

    timetable      steps of each phase, and at which of them something happens
    schedule       which pattern is shown when, in which batch, at which learning rate
    rules          the text of the plasticity: code that Brian2 runs, and that a user can print
    spiking_rules  the text of a spiking unit that learns from what its window reads
    told           patterns and schedule, as the simulation is told them
    objects        makes the Brian2 objects; `plastic` is what a user reaches of them
    checks         what is refused, by name
    metrics        accuracy, cost and settling of each epoch, from what the simulation recorded
    choice         which target
    simulation     the objects and what runs them, on a target
    numbers        weights and traces, as a RUN holds them and as the synapses do
    runtime        one run() shows all patterns
    standalone     a program that starts again where weights are consolidated
    trainer        the training: the interface that RUN folders are written through
"""
