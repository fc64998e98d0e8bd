"""Mappings that are shipped: one YAML file for each sender, in core/formats/presets."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, Field

from core.formats.mapping.description import Description

FOLDER: Final = Path(__file__).parents[1] / "formats" / "presets"


class Preset(BaseModel):
    """A preset's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1, description="The sender's name as it writes it.")
    sources: tuple[str, ...] = Field(
        min_length=1, description="Where the sender documents the fields that are used."
    )
    unverified: tuple[str, ...] = Field(
        description="What the sender's documents leave open, and nobody has tried."
    )
    mapping: Description


def names() -> list[str]:
    """The names of all presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def preset(name: str) -> Preset:
    """The preset of this name. Raises `ValueError` if there is none."""
    known = names()
    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise ValueError(f"there is no preset {name!r}; {hint}")
    read = Preset.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")))
    mapping = read.mapping
    if mapping.source is None:
        mapping = mapping.model_copy(update={"source": name})
    return read.model_copy(update={"mapping": mapping})
