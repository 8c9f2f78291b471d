"""`mep-neuro fit`: does a network fit a chip, what does rounding cost, what does one inference cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mep_neuro.cli.chip_options import StateBitsOption, ThresholdOption, WeightBitsOption
from mep_neuro.cli.output import note, out_console, print_json, progress

if TYPE_CHECKING:
    from mep_neuro.backends.fit import Fit


def fit(
    source: Annotated[
        str, typer.Argument(metavar="RUN|NET.yaml", help="RUN folder, topology file, or library name.")
    ],
    chip: Annotated[
        str,
        typer.Option("--chip", metavar="NAME", help="Profile of hardware/, or a .yaml file of one's own."),
    ] = "loihi2",
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DATA", help="digits, xor, mnist:DIR, FILE.npz or FILE.csv; a RUN's own."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", min=1, metavar="N", help="Held-out samples to count events on.")
    ] = 100,
    weight_bits: WeightBitsOption = None,
    state_bits: StateBitsOption = None,
    threshold: ThresholdOption = None,
    inputs: Annotated[
        str,
        typer.Option("--input", metavar="WHERE", help="host: it computes the input currents; or chip."),
    ] = "host",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.png", help="Draw the core map into this file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Hold a network against a chip: limits, cores, rounding, events, cost.

    Nothing runs on a chip: events are counted in the exact integer emulation,
    and energies are estimates from published constants, or unknown.

    \b
    Example:
      mep-neuro fit RUN --chip loihi2 --out cores.png
    Exit code 0: it fits; 1: it does not, and the last line says which limit
    is broken first; 2: the chip cannot run such networks at all, or a mistake.
    """
    from mep_neuro.backends.fit import fit as fit_network

    if inputs not in ("host", "chip"):
        raise typer.BadParameter(f"'{inputs}' is no place; write host or chip", param_hint="--input")
    network, features, labels = _source(source, data, samples)
    with progress(100, f"fitting {network.spec.name} to {chip}", quiet=json) as advance:
        shown = 0.0

        def watch(done: int, total: int) -> None:
            nonlocal shown
            advance(100 * done / total - shown)
            shown = 100 * done / total

        found = fit_network(
            network,
            chip,
            features=features,
            labels=labels,
            weight_bits=weight_bits,
            state_bits=state_bits,
            threshold=threshold,
            inputs_on_chip=inputs == "chip",
            watch=watch,
        )
    if out is not None and found.placement is not None:
        from mep_neuro.cli.picture_cores import draw

        draw(found, out)
    if json:
        print_json(as_dict(found))
    else:
        _print(found)
        if out is not None and found.placement is not None:
            note(f"wrote {out}")
    if found.broken is not None:
        raise typer.Exit(1)


def _source(source: str, data: str | None, samples: int) -> tuple[Any, Any, Any]:
    """The network, and held-out samples where there are data."""
    from mep_neuro.backends.data.load import load_data
    from mep_neuro.cli.held_out import held_out
    from mep_neuro.cli.show import network_of

    if Path(source).is_dir():
        held = held_out(source, data, samples)
        return held.network, held.features, held.labels
    network = network_of(source)
    if data is None:
        return network, None, None
    found = load_data(data, seed=network.spec.seeds.data)
    found.check(network)
    return network, found.x_test[:samples], found.y_test[:samples]


def as_dict(found: "Fit") -> dict[str, Any]:
    """The report as plain values; unknown values are null."""
    from dataclasses import asdict

    placement, rounding = found.placement, found.rounding
    return {
        "network": found.network,
        "chip": found.profile.name,
        "fits": found.broken is None,
        "first_broken": found.broken,
        "neuron": found.neuron,
        "units": found.circuit.size,
        "synapses": found.circuit.count,
        "checks": [asdict(check) for check in found.checks],
        "cores": None if placement is None else [asdict(core) for core in placement.cores],
        "precision": [asdict(row) for row in found.precision],
        "rounding": None if rounding is None else asdict(rounding),
        "counts": None if found.counts is None else asdict(found.counts),
        "energy_J": None if found.energy is None else asdict(found.energy),
        "latency_s": None if found.latency is None else asdict(found.latency),
        "notes": list(found.notes),
    }


def _print(found: "Fit") -> None:
    profile, placement = found.profile, found.placement
    title = f"{found.network} on {profile.title} ({profile.name})"
    cores = "no placement" if placement is None else f"cores in use: {len(placement.cores)}"
    typer.echo(
        f"{title}: {found.circuit.size:,} units and {found.circuit.count:,} synapses on the chip; "
        f"neuron: {found.neuron or 'none'}; {cores}"
    )
    console = out_console()
    console.print(_limits(found))
    if found.precision:
        console.print(_precision(found))
    _print_costs(found)
    for line in found.notes:
        typer.echo(f"note: {line}")
    unknown = sum(check.verdict == "unknown" for check in found.checks)
    known = f", as far as is known ({unknown} limits of the chip are not)" if unknown else ""
    typer.echo(f"fits: yes{known}" if found.broken is None else f"fits: no\n{found.broken}")


def _limits(found: "Fit") -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table("limit", "where", "needs", "chip has", "", "source")
    for check in found.checks:
        mark = " (assumed)" if check.assumed else ""
        row = (
            check.limit,
            check.where,
            _shown(check.value),
            _shown(check.allowed),
            check.verdict,
            check.source + mark,
        )
        table.add_row(*map(escape, row))
    return table


def _precision(found: "Fit") -> Any:
    from rich.table import Table

    table = Table(
        "projection", "scale", "synapses", "worst error", "mean error", "at the end", "to 0", "dead units"
    )
    if found.rounding is not None:
        table.add_column("accuracy change")
    for row in found.precision:
        cells = [
            row.projection,
            f"{row.scale:g}",
            f"{row.synapses:,}",
            f"{row.worst:.2g}",
            f"{row.mean:.2g}",
            str(row.saturated),
            str(row.zeroed),
            str(row.dead),
        ]
        if found.rounding is not None:
            cells.append(f"{found.rounding.changes[row.projection]:+.4f}")
        table.add_row(*cells)
    return table


def _print_costs(found: "Fit") -> None:
    rounding, counts = found.rounding, found.counts
    if rounding is not None:
        typer.echo(
            f"accuracy: {rounding.accuracy:.4f} in integers, {rounding.accuracy_float:.4f} in float; "
            f"same class in {rounding.agreement:.1%}"
        )
    if counts is not None:
        typer.echo(
            f"one inference, mean of {counts.samples}: {counts.steps:.1f} steps, "
            f"{counts.neuron_updates:,.0f} neuron updates, {counts.messages:,.0f} messages "
            f"({counts.core_messages:,.0f} to cores), "
            f"{counts.synaptic_events:,.0f} synaptic events; silent units: {counts.silent_units}"
        )
        typer.echo(
            f"on the host: {counts.host_products:,} products, {counts.bias_writes:,} biases written; "
            f"settled: {counts.settled:.1%}"
        )
    if found.energy is not None and found.latency is not None:
        typer.echo(f"energy: {found.energy.words('J')}")
        typer.echo(f"latency: {found.latency.words('s')}")
    power = found.profile.power
    if power.known:
        if power.low is None or power.high is None:
            told = f"at most {power.high:g}" if power.low is None else f"at least {power.low:g}"
        else:
            told = f"{power.low:g} to {power.high:g}"
        typer.echo(f"power of the chip, not of this network: {told} W ({power.source})")


def _shown(value: int | str | None) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:,}"
