"""Holds the CloudFormation templates to what `tests.gates.cloudformation_faults` looks for.

Templates go through SAM's transform first, as they do at AWS, but offline. What CloudFormation
would say during a deployment, or not at all, is said here.

Runs with the Python of .venv-deploy, which has SAM: `python -m tests.gates.cloudformation_graph
TEMPLATE...`.
"""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.gates.cloudformation_conditions import Conditions
from tests.gates.cloudformation_faults import Template, faults, unused
from tests.support.cloudformation import ROOT, template

ANYWHERE: Final = "https://s3.amazonaws.com/bucket/key"
"""Stands for a nested template, or for code, after its upload."""


def transformed(template: Template) -> list[Template]:
    """What SAM makes of a template: once with the defaults, and once with each allowed value of
    each parameter, because SAM evaluates some of them itself. A template that is not SAM's is
    returned as it is.

    Raises `ValueError` for what SAM refuses.
    """
    if "Transform" not in template:
        return [template]
    parameters = template.get("Parameters", {})
    defaults = {name: spec["Default"] for name, spec in parameters.items() if "Default" in spec}
    choices = [defaults] + [
        defaults | {name: value}
        for name, spec in parameters.items()
        for value in spec.get("AllowedValues", [])
        if value != spec.get("Default")
    ]
    made = [_transform(template, values) for values in choices]
    return [each for place, each in enumerate(made) if each not in made[:place]]


def _transform(template: Template, values: Mapping[str, Any]) -> Template:
    import boto3
    from samtranslator.model.exceptions import (  # type: ignore[import-not-found]
        InvalidDocumentException,
    )
    from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
    from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]

    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)
    uploaded = copy.deepcopy(template)
    for body in uploaded["Resources"].values():
        if body["Type"] == "AWS::Serverless::Application":
            body["Properties"]["Location"] = ANYWHERE
    if "CodeUri" in uploaded.get("Globals", {}).get("Function", {}):
        uploaded["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    session = boto3.Session(region_name="eu-west-1")
    translator = Translator({}, Parser(), boto_session=session)
    try:
        result: Template = translator.translate(uploaded, dict(values))
    except InvalidDocumentException as error:
        raise ValueError("; ".join(cause.message for cause in error.causes)) from error
    return result


def nested_of(path: Path, source: Template) -> dict[str, Template]:
    """The templates of a template's nested stacks, by logical ID."""
    return {
        id: template(str(path.parent / body["Properties"]["Location"]))
        for id, body in source["Resources"].items()
        if body["Type"] == "AWS::Serverless::Application"
    }


class Checked(NamedTuple):
    """One line for each fault of a template; how many results of SAM's transform were looked at,
    and how many combinations of values of its conditions were tried."""

    lines: list[str]
    results: int
    tried: int


def check(name: str) -> Checked:
    """What is found in the template at a path."""
    source = template(name)
    try:
        results = transformed(source)
    except ValueError as error:
        return Checked([f"{name}: {error}"], 0, 0)
    nested = nested_of(ROOT / name, source)
    conditions = [Conditions(each) for each in (source, *results)]
    lines = unused(source, conditions[0])
    for each, its_own in zip(results, conditions[1:], strict=True):
        lines += faults(each, nested, its_own)
    named = [f"{name}: {line}" for line in dict.fromkeys(lines)]
    return Checked(named, len(results), sum(each.tried for each in conditions))


def main() -> int:
    checked = [check(name) for name in sys.argv[1:]]
    found = [line for each in checked for line in each.lines]
    for line in found:
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(
        f"{len(checked)} templates, {sum(each.results for each in checked)} after the transform, "
        f"{sum(each.tried for each in checked)} combinations of conditions, {len(found)} faults\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
