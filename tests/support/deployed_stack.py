"""A template with values for its parameters: the resources and outputs that CloudFormation makes.

Which values it refuses says `template_parameters`. What only a deployment knows stays as it is
written, e.g. `{"Ref": "DocumentsQueue"}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.cloudformation import template
from tests.support.nested_stack import NO_VALUE

PSEUDO: Final = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """The template at this path of the repository, with these values of its parameters; lists are
    comma-separated text, as on a command line. A parameter without a value is empty."""

    name: str
    values: dict[str, str] = field(default_factory=dict)

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties by logical ID of the resources of a kind that are made, e.g. `SQS::Queue`."""
        return {
            id: self._value(resource.get("Properties", {}))
            for id, resource in template(self.name)["Resources"].items()
            if resource["Type"] == f"AWS::{kind}" and self._made(resource)
        }

    def function_globals(self) -> dict[str, Any]:
        """The properties that SAM gives every function."""
        found: dict[str, Any] = self._value(template(self.name)["Globals"]["Function"])
        return found

    def outputs(self) -> dict[str, Any]:
        """The outputs' values."""
        outputs = template(self.name)["Outputs"]
        return {id: self._value(out["Value"]) for id, out in outputs.items() if self._made(out)}

    def _made(self, part: dict[str, Any]) -> bool:
        return "Condition" not in part or self._holds({"Condition": part["Condition"]})

    def _text(self, parameter: str) -> str:
        default = template(self.name)["Parameters"][parameter].get("Default", "")
        return str(self.values.get(parameter, default))

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Condition": name}:
                return self._holds(template(self.name)["Conditions"][name])
            case {"Fn::Equals": [one, other]}:
                return str(self._value(one)) == str(self._value(other))
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::And": parts}:
                return all(map(self._holds, parts))
            case {"Fn::Or": parts}:
                return any(map(self._holds, parts))
            case _:
                raise AssertionError(f"a condition has no such function: {condition}")

    def _value(self, value: Any) -> Any:
        match value:
            case {"Ref": name} if name in template(self.name)["Parameters"]:
                text = self._text(name)
                is_list = template(self.name)["Parameters"][name]["Type"] == "CommaDelimitedList"
                return [each for each in text.split(",") if each] if is_list else text
            case {"Ref": name} if name in PSEUDO:
                return PSEUDO[name]
            case {"Fn::If": [name, yes, no]}:
                return self._value(yes if self._holds({"Condition": name}) else no)
            case {"Fn::Join": [between, parts]}:
                return between.join(self._value(parts))
            case {"Fn::Sub": str(pattern)}:
                filled = re.sub(r"\$\{([\w:]+)\}", self._filled, pattern)
                return {"Fn::Sub": filled} if "${" in filled else filled
            case dict():
                members = {key: self._value(child) for key, child in value.items()}
                return {key: child for key, child in members.items() if child != NO_VALUE}
            case list():
                return [child for each in value if (child := self._value(each)) != NO_VALUE]
            case _:
                return value

    def _filled(self, reference: re.Match[str]) -> str:
        name = reference[1]
        if name in template(self.name)["Parameters"]:
            return self._text(name)
        return PSEUDO.get(name, reference[0])
