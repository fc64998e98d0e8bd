"""A nested CloudFormation stack as if its resources stood in the parent's template."""

from __future__ import annotations

import re
from typing import Any, Final

NO_VALUE: Final = {"Ref": "AWS::NoValue"}


class NestedStack:
    """The `template` of a nested stack with the logical `id` and these values of its parameters:
    references lead to the parent's parameters and resources, and branches that the values rule out
    are gone."""

    def __init__(self, id: str, template: dict[str, Any], values: dict[str, Any]) -> None:
        parameters = template["Parameters"]
        defaults = {n: spec["Default"] for n, spec in parameters.items() if "Default" in spec}
        assert set(values) <= set(parameters) == set(defaults | values)
        self._id = id
        self._resources = template["Resources"]
        self._values = {name: _alone(value) for name, value in (defaults | values).items()}
        self._conditions = {name: self._of(c) for name, c in template["Conditions"].items()}

    def resources(self) -> dict[str, Any]:
        """Its resources; the stack's ID stands before the ID of each."""
        return {f"{self._id}{id}": self._of(body) for id, body in self._resources.items()}

    def _of(self, value: Any) -> Any:
        match value:
            case {"Ref": name} if name in self._values:
                return self._values[name]
            case {"Ref": name} if name in self._resources:
                return {"Ref": f"{self._id}{name}"}
            case {"Fn::GetAtt": [name, attribute]}:
                return {"Fn::GetAtt": [f"{self._id}{name}", attribute]}
            case {"Fn::Sub": str(pattern)}:
                filled = re.sub(r"\$\{([\w.]+)\}", self._filled, pattern)
                return {"Fn::Sub": filled} if "${" in filled else filled
            case {"Fn::If": [name, yes, no]}:
                holds = _holds(self._conditions[name])
                if holds is None:
                    return {"Fn::If": [name, self._of(yes), self._of(no)]}
                return self._of(yes if holds else no)
            case dict():
                members = {key: self._of(child) for key, child in value.items()}
                return {key: child for key, child in members.items() if child != NO_VALUE}
            case list():
                return [child for each in value if (child := self._of(each)) != NO_VALUE]
            case _:
                return value

    def _filled(self, reference: re.Match[str]) -> str:
        """What stands in the parent for a reference in the pattern of a Sub."""
        name, dot, attribute = reference[1].partition(".")
        if name in self._resources:
            return f"${{{self._id}{name}{dot}{attribute}}}"
        value = self._values.get(name, {"Ref": name})
        return value if isinstance(value, str) else f"${{{value['Ref']}}}"


def _alone(value: Any) -> Any:
    """A value as the nested template sees it: lists are passed joined, and arrive as lists."""
    match value:
        case {"Fn::Join": [",", joined]}:
            return joined
        case _:
            return value


def _holds(condition: Any) -> bool | None:
    """Whether a condition is met, or None where that depends on the parent's parameters."""
    match condition:
        case {"Fn::Equals": [str(one), str(other)]}:
            return one == other
        case {"Fn::Not": [inner]}:
            holds = _holds(inner)
            return None if holds is None else not holds
        case _:
            return None
