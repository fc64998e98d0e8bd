"""The Bicep gate finds the mistakes that it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bicep import names, typecheck
from tests.bicep.definitions import Definition
from tests.support import bicep, bicep_model
from tests.support.bicep_model import Choice, Each, Expression


def read(folder: Path, text: str) -> bicep_model.BicepFile:
    path = folder / "example.bicep"
    path.write_text(text, encoding="utf-8")
    return bicep.read(path)


def value(folder: Path, text: str) -> Any:
    return read(folder, f"var it = {text}\n").variables["it"]


# ---- the reader ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'it\\'s'", "it's"),
        ("'''\nas it is: ${x}\n'''", "\nas it is: ${x}\n"),
        ("-1", -1),
        ("{ a: true, 'b.c': null }", {"a": True, "b.c": None}),
        ("['a'\n 2]", ["a", 2]),
        ("'p${q}'", Expression("'p${q}'", ("p", Expression("${q}", (Expression("q"),))))),
        ("x ? 1 : 2", Choice(Expression("x"), 1, 2)),
        (
            "x ? y.z : 1",
            Choice(Expression("x"), Expression("y.z", (Expression("y"), Expression("z"))), 1),
        ),
        ("x ? 1 : y.z", Choice(Expression("x"), 1, Expression("y.z"))),
        (
            "x ? 1 : y ? 2 : z.a",
            Choice(Expression("x"), 1, Choice(Expression("y"), 2, Expression("z.a"))),
        ),
        ("[for a in b: a]", Each(Expression("b"), Expression("a"))),
    ],
)
def test_literals_are_parsed_to_their_values(tmp_path: Path, text: str, expected: Any) -> None:
    assert value(tmp_path, text) == expected


def test_resources_are_parsed_with_their_loops_conditions_and_children(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        """
resource outer 'A.B/c@2025-01-01' existing = {
  name: 'x'
  resource inner 'd' existing = { name: 'y' }
}
resource many 'A.B/e@2025-01-01' = [for n in ['p', 'q']: if (n == 'p') { name: n }]
""",
    )
    outer, inner, many = file.resources
    assert (outer.type, outer.version, outer.existing) == ("A.B/c", "2025-01-01", True)
    assert (inner.type, inner.version, inner.body) == ("A.B/c/d", "2025-01-01", {"name": "y"})
    assert (many.over, many.existing, many.body) == (["p", "q"], False, {"name": Expression("n")})
    assert many.condition is not None


def test_parameters_without_a_default_are_required(tmp_path: Path) -> None:
    file = read(tmp_path, "@minValue(2)\nparam a int\nparam b string?\nparam c string[] = []\n")
    assert {name: param.required for name, param in file.params.items()} == {
        "a": True,
        "b": False,
        "c": False,
    }
    assert file.params["a"].decorators == {"minValue": 2}
    assert file.params["b"].decorators == {}


@pytest.mark.parametrize("text", ["param", "resource x = {", "var a = [for b: c]"])
def test_a_syntax_error_is_reported_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(bicep.NotBicep, match=r"example\.bicep:2"):
        read(tmp_path, f"// first\n{text}\n")


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("output a string = b\n", "b is not declared"),
        ("output a string = '${b}'\n", "b is not declared"),
        ("output a string = lenght([])\n", "lenght() is not among the known functions"),
        ("param a string\n", "a is declared and not used"),
        ("resource a 'T@1' existing = { name: 'x' }\n", "a is declared and not used"),
        ("output a array = [for (b, c) in []: d]\n", "d is not declared"),
    ],
)
def test_unknown_and_unused_names_are_found(tmp_path: Path, text: str, problem: str) -> None:
    assert list(names.problems(read(tmp_path, text))) == [f"example.bicep:1: {problem}"]


@pytest.mark.parametrize(
    "text",
    [
        "param a string\noutput b string = a\n",
        "output a array = [for (b, c) in []: { b: b, c: c }]\n",
        "output a array = [for b in []: b]\n",
        "output a array = map([], each => each.name)\n",
        "@export()\nvar a = 1\n",
        "resource a 'T@1' = { name: 'x' }\n",
    ],
)
def test_correct_names_are_accepted(tmp_path: Path, text: str) -> None:
    assert list(names.problems(read(tmp_path, text))) == []


# ---- types ---------------------------------------------------------------------------------------


def prop(name: str, type: str, flags: str = "", modifiers: str = "") -> dict[str, str]:
    return {"name": name, "type": type, "flags": flags, "modifiers": modifiers}


DEFINITION = Definition(
    "2025-01-01",
    {
        "$type": "Object",
        "properties": [
            prop("name", "string", "Required", "minLength: 2, maxLength: 5, pattern: ^[a-z]+$"),
            prop("id", "string", "ReadOnly"),
            prop("kind", "Big | Small"),
            prop("tags", "Tags"),
            prop("size", "int", "", "minValue: 1, maxValue: 9"),
            prop("on", "bool"),
            prop("ends", "End[]"),
            prop("filter", "Filter"),
            prop("free", "any"),
        ],
    },
    {
        "Tags": {"$type": "Object", "properties": [], "additionalPropertiesType": "string"},
        "End": {"$type": "Object", "properties": [prop("port", "int", "Required")]},
        "Filter": {
            "$type": "DiscriminatedObject",
            "discriminator": "type",
            "baseProperties": [prop("note", "string")],
            "elements": [
                {
                    "$type": "Object",
                    "properties": [prop("type", "A"), prop("a", "int", "Required")],
                },
                {"$type": "Object", "properties": [prop("type", "B")]},
            ],
        },
    },
)


def found(folder: Path, body: str, version: str = "2025-01-01") -> list[str]:
    file = read(folder, f"resource it 'A.B/c@{version}' = {{ {body} }}\n")
    return list(typecheck.problems(file.resources[0], DEFINITION))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("kind: 'Big'", ".name is required"),
        ("name: 'abc', colour: 'red'", ".colour: there is no such property"),
        ("name: 'abc', id: 'x'", ".id cannot be set"),
        ("name: 'abc', kind: 'Huge'", ".kind: 'Huge' is none of Big | Small"),
        ("name: 'abc', kind: x ? 'Big' : 'Huge'", ".kind: 'Huge' is none of Big | Small"),
        ("name: 'a'", ".name: 1 is beyond minLength: 2"),
        ("name: 'abcdef'", ".name: 6 is beyond maxLength: 5"),
        ("name: 'a1'", ".name: 'a1' does not match ^[a-z]+$"),
        ("name: 'abc', size: 10", ".size: 10 is beyond maxValue: 9"),
        ("name: 'abc', size: '1'", ".size: a string, where int is wanted"),
        ("name: 'abc', on: 1", ".on: a number, where bool is wanted"),
        ("name: 'abc', kind: true", ".kind: a boolean, where Big | Small is wanted"),
        ("name: 'abc', kind: {}", ".kind: an object, where Big | Small is wanted"),
        ("name: 'abc', kind: []", ".kind: an array, where Big | Small is wanted"),
        ("name: 'abc', ends: [{ port: 1 }, {}]", ".ends[1].port is required"),
        ("name: 'abc', ends: [for e in x: { door: e }]", ".ends[0].port is required"),
        ("name: 'abc', tags: { a: 1 }", ".tags.a: a number, where string is wanted"),
        ("name: 'abc', filter: { type: 'C' }", ".filter.type: 'C' is none of ['A', 'B']"),
        ("name: 'abc', filter: { type: 'A' }", ".filter.a is required"),
    ],
)
def test_a_resource_that_azure_would_refuse_is_found(
    tmp_path: Path, body: str, problem: str
) -> None:
    assert found(tmp_path, body)[0] == problem


def test_an_old_version_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, "name: 'abc'", "2020-01-01") == [
        "version 2020-01-01: the newest stable one is 2025-01-01"
    ]


def test_a_correct_resource_is_accepted(tmp_path: Path) -> None:
    body = (
        "name: 'abc', kind: x, tags: { a: 'b' }, size: 3, on: true, ends: [{ port: y }], "
        "filter: { type: 'A', a: 1, note: 'n' }, free: { any: [1] }, dependsOn: [], scope: z"
    )
    assert found(tmp_path, body) == []
