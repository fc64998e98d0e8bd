"""Prices and assumptions, from docs/costs."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

FOLDER: Final = Path(__file__).parents[2] / "docs" / "costs"

Seen = Literal["vendor", "elsewhere", "nowhere"]
Basis = Literal["measured", "documented", "assumed"]
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    price: float
    """Dollars for one unit."""
    unit: str
    page: str
    seen: Seen

    @property
    def each(self) -> float:
        """Dollars for one of what a price for a million names."""
        return self.price / (MILLION if self.unit.startswith("million ") else 1)


@dataclass(frozen=True, slots=True)
class Assumption:
    value: float
    unit: str
    basis: Basis
    note: str


@dataclass(frozen=True, slots=True)
class Figures:
    prices: dict[str, Price]
    assumptions: dict[str, Assumption]

    def price(self, name: str, quantity: float) -> float:
        """Dollars for a quantity."""
        return quantity * self.prices[name].each

    def __getitem__(self, assumption: str) -> float:
        return self.assumptions[assumption].value


class BadFigures(ValueError):
    """A file of figures that cannot be used, with the key."""


def load(own: Path | None = None) -> Figures:
    """The figures of docs/costs; with the values of a file of assumptions instead of ours.

    Raises `BadFigures`.
    """
    prices = {name: Price(**each) for name, each in _read(FOLDER / "prices.toml").items()}
    given = _read(FOLDER / "assumptions.toml")
    assumptions = {name: Assumption(**each) for name, each in given.items()}
    for name, each in _read(own).items() if own else ():
        if name not in assumptions:
            raise BadFigures(
                f"{own}: there is no assumption {name}; there are {', '.join(assumptions)}"
            )
        value = each.get("value") if isinstance(each, dict) else each
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BadFigures(f"{own}: {name} must be a number, not negative")
        assumptions[name] = replace(assumptions[name], value=value)
    for name, price in prices.items():
        if price.price <= 0 or price.seen not in get_args(Seen):
            raise BadFigures(
                f"prices.toml: {name} has no price, or was seen in no place that counts"
            )
    for name, assumption in assumptions.items():
        if assumption.basis not in get_args(Basis):
            raise BadFigures(f"assumptions.toml: {name} has no basis")
    return Figures(prices, assumptions)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFigures(f"{path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadFigures(f"{path}: {error}") from error
