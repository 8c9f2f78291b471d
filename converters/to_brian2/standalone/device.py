"""A standalone device for one model, beside Brian2's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


def new_device() -> Any:
    """A fresh device; nothing is active but inside `active`."""
    device = _device_class()()
    with active(device):
        device.activate(build_on_run=False)
    device.insert_code(
        "before_start", "const double ep_duration = std::stod(args.at(0)); args.erase(args.begin());"
    )
    return device


@contextmanager
def active(device: Any) -> Iterator[None]:
    """Make Brian2 use one of our devices and its names, and the user's again afterwards.

    Brian2's set_device would also copy the default clock's dt and reset the user's build options.
    """
    from brian2.core.names import find_name
    from brian2.devices.device import get_device

    # The modules' own variables: brian2.devices has an attribute `device` that hides its module.
    devices, names = get_device.__globals__, find_name.__globals__
    before = devices["active_device"], names["find_name"]
    devices["active_device"], names["find_name"] = device, device.own_name
    try:
        yield
    finally:
        devices["active_device"], names["find_name"] = before


@cache
def _device_class() -> Any:
    from brian2.core.names import find_name
    from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

    class OwnDevice(CPPStandaloneDevice):  # type: ignore[misc]  # brian2 has no types
        """Brian2's device, with names that the rest of the process does not change.

        The same network then gives the same code, whatever else lives beside it. The duration of a
        run is an argument of the program, so that one program serves any.
        """

        def __init__(self) -> None:
            super().__init__()
            self._names: set[str] = set()

        def own_name(self, name: str, names: Any = None) -> str:
            """What Brian2's find_name does, among the names of this device."""
            found: str = find_name(name, self._names if names is None else names)
            self._names.add(found)
            return found

        def code_object(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            return super().code_object(owner, self.own_name(name), *args, **kwargs)

        def network_run(self, net: Any, duration: Any, *args: Any, **kwargs: Any) -> None:
            before = len(self.main_queue)
            super().network_run(net, duration, *args, **kwargs)
            place = max(n for n, item in enumerate(self.main_queue) if item[0] == "run_network")
            # Brian2 keeps clocks in a set: the lines that set their times come in any order
            self.main_queue[before:place] = sorted(self.main_queue[before:place], key=str)
            _, (_, lines) = self.main_queue[place]
            written = f"{net.name}.run({float(duration)!r},"
            lines[:] = [line.replace(written, f"{net.name}.run(ep_duration,") for line in lines]

    return OwnDevice
