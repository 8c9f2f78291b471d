"""A cube of 4x4x4 units, each coupled to its 26 neighbours, read from YAML and trained.

The digits enter at one face through fixed random weights and are read at the opposite one: what
lies between must learn to carry them. Beside it the same cube with its lattice frozen, where only
the read-out learns.

Run it: python examples/cube_from_yaml.py   (some seconds)
"""

from pathlib import Path

import mep_neuro as mep

CUBE = Path(__file__).with_name("small_cube.yaml")


def main(epochs: int = 10) -> dict[str, float]:
    """Train the cube and its control; returns the figures it prints."""
    content = mep.read_spec(CUBE).to_mapping()  # every mistake of the file at once, with line and column
    frozen = mep.read_spec(CUBE).to_mapping()
    frozen["projections"]["lattice"]["plastic"] = False
    frozen["populations"]["cube"]["plastic_bias"] = False

    figures = {}
    for name, variant in (("trained", content), ("frozen", frozen)):
        net = mep.load(variant)
        training = mep.train(net, "digits", epochs=epochs)
        last = training.metrics[-1]
        figures[name] = training.held_out.value
        print(
            f"lattice {name}: held-out accuracy {figures[name]:.3f}, settled {last['settled']:.1%} "
            f"in {last['free_steps']:.0f} sweeps, radius of the coupled map {last['radius']:.2f}"
        )
    return figures


if __name__ == "__main__":
    main()
