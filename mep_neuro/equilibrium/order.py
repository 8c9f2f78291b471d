"""The order in which populations settle."""

from mep_neuro.simulation.network import Network


def from_input_to_output(network: Network) -> list[str]:
    """Settling populations by their distance from the input, ties in the file's order."""
    names = [p.name for p in network.dynamic]
    after: dict[str, list[str]] = {}
    for projection in network.projections.values():
        after.setdefault(projection.pre, []).append(projection.post)
    distance, frontier = {network.input.name: 0}, [network.input.name]
    for name in frontier:  # grows while it is read
        for post in after.get(name, []):
            if post not in distance:
                distance[post] = distance[name] + 1
                frontier.append(post)
    return sorted(names, key=lambda name: distance.get(name, len(names) + 1))
