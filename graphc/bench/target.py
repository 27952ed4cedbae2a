"""What is aimed at: bounds on what was measured.

Owns the kinds of targets and `Figures`, what they are read from. Imports nothing. Invariant: a
target that cannot be judged, because a framework is missing or failed, has no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

OWN = "graphc"


@dataclass(frozen=True)
class Figures:
    """Of one case: seconds and bytes for each framework, and which part of a limit is reached."""

    seconds: Mapping[str, float]
    workspaces: Mapping[str, int]
    elements: int = 1
    of_limit: float | None = None


class Target(Protocol):
    """A bound."""

    def value(self, figures: Figures) -> float | None:
        """What is bounded, or None where it is not known."""

    def met(self, value: float) -> bool: ...

    def show(self, value: float | None) -> str:
        """The bound, and the value if there is one."""


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}} "


@dataclass(frozen=True)
class TimesPeer:
    """At most this many times as long as the fastest of some peers."""

    bound: float
    peers: tuple[str, ...]

    def value(self, figures: Figures) -> float | None:
        known = [figures.seconds[peer] for peer in self.peers if peer in figures.seconds]
        own = figures.seconds.get(OWN)
        return own / min(known) if known and own else None

    def met(self, value: float) -> bool:
        return value <= self.bound

    def show(self, value: float | None) -> str:
        return f"{_shown(value, '.2f')}(<= {self.bound:g}) x {self.peers[0]}"


@dataclass(frozen=True)
class Speedup:
    """At least this many times as fast as something else that was timed."""

    bound: float
    other: str

    def value(self, figures: Figures) -> float | None:
        own, other = figures.seconds.get(OWN), figures.seconds.get(self.other)
        return other / own if own and other else None

    def met(self, value: float) -> bool:
        return value >= self.bound

    def show(self, value: float | None) -> str:
        return f"{_shown(value, '.2f')}(>= {self.bound:g}) times as fast as {self.other}"


@dataclass(frozen=True)
class OfLimit:
    """At least this part of what the machine can do."""

    bound: float

    def value(self, figures: Figures) -> float | None:
        return figures.of_limit

    def met(self, value: float) -> bool:
        return value >= self.bound

    def show(self, value: float | None) -> str:
        return f"{_shown(value, '.0%')}(>= {self.bound:.0%}) of the limit"


@dataclass(frozen=True)
class Within:
    """At most so many seconds, for each element of the case if it counts elements."""

    bound: float

    def value(self, figures: Figures) -> float | None:
        own = figures.seconds.get(OWN)
        return own / figures.elements if own else None

    def met(self, value: float) -> bool:
        return value <= self.bound

    def show(self, value: float | None) -> str:
        unit, scale = next((u, s) for u, s in UNITS if self.bound >= s or u == "ns")
        shown = "" if value is None else f"{value / scale:.3g} "
        return f"{shown}(<= {self.bound / scale:g}) {unit}"


UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


@dataclass(frozen=True)
class Workspace:
    """At most as much memory beside arguments and results as a peer."""

    peer: str = "jax"

    def value(self, figures: Figures) -> float | None:
        own, other = figures.workspaces.get(OWN), figures.workspaces.get(self.peer)
        return None if own is None or other is None else own / max(other, 1)

    def met(self, value: float) -> bool:
        return value <= 1

    def show(self, value: float | None) -> str:
        return f"{_shown(value, '.2f')}(<= 1) x workspace of {self.peer}"


def of_jax(bound: float) -> TimesPeer:
    return TimesPeer(bound, ("jax",))


def of_torch(bound: float) -> TimesPeer:
    """Of PyTorch, run eagerly or compiled, whichever is faster."""
    return TimesPeer(bound, ("torch", "torch.compile"))


def of_pytensor(bound: float) -> TimesPeer:
    return TimesPeer(bound, ("pytensor",))
