"""JMESPath with the root `$` and two more functions, evaluated within a budget.

`$` is the root of the value and `items` gives an object's names and values, both as in JMESPath
Community Edition. `unnest` gives the items of lists within a list, each with what it is in, because
JMESPath has no way up; it is named after SQL's. The budget is needed because a short
expression can build much out of little: `[@, @] | [@, @] | ...` doubles at each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from jmespath.exceptions import JMESPathTypeError, LexerError
from jmespath.functions import Functions, signature
from jmespath.lexer import Lexer
from jmespath.parser import ParsedResult, Parser
from jmespath.visitor import Options, TreeInterpreter

from core.domain.expressions.expression import (
    CHARS_PER_UNIT,
    Budget,
    OverBudget,
    Search,
    Unevaluable,
)

MAX_DEPTH: Final = 40
"""Deepest nesting of an expression."""

_UNITS_PER_PAIR: Final = 4
_BUILDING: Final = frozenset(
    (
        "filter_projection",
        "flatten",
        "multi_select_dict",
        "multi_select_list",
        "projection",
        "slice",
        "value_projection",
    )
)
"""Nodes whose result is a new list or object, and never text."""
_SHALLOW: Final = frozenset(
    (
        "items",
        "keys",
        "length",
        "map",
        "max_by",
        "merge",
        "min_by",
        "not_null",
        "reverse",
        "sort_by",
        "to_array",
        "type",
        "unnest",
        "values",
    )
)
"""Functions that read no deeper than the elements of their arguments."""


def search_of(text: str) -> Search:
    """The search by an expression. Raises `ValueError` that says what is wrong with it."""
    try:
        parsed = _Parser().parse(text).parsed
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JMESPath expression: {_message(error)}") from error
    except (AttributeError, IndexError, KeyError, TypeError) as error:  # of unfinished expressions
        raise ValueError("not a JMESPath expression") from error
    _check(parsed, MAX_DEPTH)

    def search(value: object, root: object, budget: Budget) -> Any:
        try:
            interpreter = _Interpreter(root, budget)
            found = interpreter.visit(parsed, value)
        except JMESPathTypeError as error:  # it would write out all of the value
            raise Unevaluable(
                f"{error.function_name}() takes {' or '.join(error.expected_types)}, "
                f"and finds {error.actual_type}"
            ) from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise Unevaluable(_message(error)) from error
        if isinstance(found, list | dict):
            interpreter.charge(found)  # whoever takes it may read all of it
        return found

    return search


def _message(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, LexerError) and error.message.startswith("Unknown token"):
        text += """; a name with other characters than a-z, 0-9 and _ is written '"job-id"'"""
    return text


def _check(node: Any, levels: int) -> None:
    if not isinstance(node, dict):
        return  # a slice's number
    if levels == 0:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    name = node.get("value")
    if node["type"] == "function_expression":
        _check_call(str(name), len(node["children"]))
    if any("\ud800" <= character <= "\udfff" for character in str(name)):
        raise ValueError("it has half of a character in it, a lone surrogate")
    for child in node["children"]:
        _check(child, levels - 1)


class _Functions(Functions):
    """JMESPath's functions and our own."""

    @signature({"types": ["object"]})
    def _func_items(self, values: dict[str, Any]) -> list[list[Any]]:
        return [[name, value] for name, value in values.items()]

    @signature({"types": ["array"]}, {"types": ["expref"]})
    def _func_unnest(self, outer: list[Any], inner: Any) -> list[list[Any]]:
        pairs: list[list[Any]] = []
        for item in outer:
            found = inner.visit(inner.expression, item)
            if isinstance(found, list):
                inner.interpreter.charge_pairs(len(found))
                pairs += ([item, each] for each in found)
        return pairs


FUNCTIONS: Final = frozenset(_Functions.FUNCTION_TABLE)


def _check_call(name: str, arguments: int) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"JMESPath has no function {name}()")
    wanted = _Functions.FUNCTION_TABLE[name]["signature"]
    if arguments < len(wanted) or (arguments > len(wanted) and not wanted[-1].get("variadic")):
        raise ValueError(f"{name}() takes {len(wanted)}, not {arguments} arguments")


_OPTIONS: Final = Options(custom_functions=_Functions())


class _Lexer(Lexer):
    SIMPLE_TOKENS: ClassVar = {**Lexer.SIMPLE_TOKENS, "$": "root"}


class _Parser(Parser):
    BINDING_POWER: ClassVar = {**Parser.BINDING_POWER, "root": 0}

    def parse(self, expression: str) -> ParsedResult:
        """Without the cache, which all parsers share."""
        return self._do_parse(expression)  # type: ignore[attr-defined, no-any-return]

    def _parse(self, expression: str) -> ParsedResult:
        self._tokens = list(_Lexer().tokenize(expression))
        self._index = 0
        parsed = self._expression(binding_power=0)  # type: ignore[attr-defined]
        token = self._tokens[self._index]
        if token["type"] != "eof" and self._tokens[self._index - 1]["type"] == "root":
            raise ValueError(f"write $.{token['value']}, with a dot after the $")
        if token["type"] != "eof":
            raise ValueError(f"unexpected {token['value']!r} at column {token['start'] + 1}")
        return ParsedResult(expression, parsed)

    def _token_nud_root(self, token: object) -> dict[str, Any]:
        return {"type": "root", "children": []}


class _Interpreter(TreeInterpreter):
    """Charges what each step costs before or just after it, so that neither time nor memory goes
    far beyond the budget."""

    def __init__(self, root: object, budget: Budget) -> None:
        super().__init__(_OPTIONS)
        self._root = root
        self._budget = budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        budget, type = self._budget, node["type"]
        budget.left -= 1
        if budget.left < 0:
            raise OverBudget
        result = _VISITS[type](self, node, *args, **kwargs)
        if type in _BUILDING and result is not None:
            budget.spend(len(result))
        return result

    def visit_root(self, node: Any, value: object) -> object:
        return self._root

    def visit_comparator(self, node: Any, value: object) -> Any:
        # As JMESPath has it, but both sides are charged for between finding and comparing them.
        left, right = (self.visit(child, value) for child in node["children"])
        self.charge(left)
        self.charge(right)
        if node["value"] not in ("eq", "ne") and not (_is_ordered(left) and _is_ordered(right)):
            return None
        return self.COMPARATOR_FUNC[node["value"]](left, right)

    def visit_function_expression(self, node: Any, value: object) -> Any:
        name, arguments = node["value"], [self.visit(child, value) for child in node["children"]]
        for argument in arguments:
            if name not in _SHALLOW:
                self.charge(argument)
            elif isinstance(argument, list | dict):
                self._budget.spend(len(argument))
        if name == "join" and len(arguments) == 2:
            glue, parts = arguments
            if isinstance(glue, str) and isinstance(parts, list):
                self._budget.spend(len(glue) * len(parts) // CHARS_PER_UNIT)
        if name == "items" and isinstance(arguments[0], dict):
            self.charge_pairs(len(arguments[0]))
        return self._functions.call_function(name, arguments)  # type: ignore[attr-defined]

    def charge_pairs(self, count: int) -> None:
        """Charge for making so many lists of two."""
        self._budget.spend(_UNITS_PER_PAIR * count)

    def charge(self, value: object) -> None:
        """Charge for reading all of a value: one unit for each value in it, and for its text,
        however often a part occurs in it."""
        layer = [value]
        while layer:
            below: list[object] = []
            chars = 0
            for item in layer:
                if isinstance(item, str):
                    chars += len(item)
                elif isinstance(item, list):
                    self._budget.spend(len(item))
                    below += item
                elif isinstance(item, dict):
                    self._budget.spend(len(item))
                    chars += sum(map(len, item))
                    below += item.values()
            self._budget.spend(1 + chars // CHARS_PER_UNIT)
            layer = below


_VISITS: Final[dict[str, Callable[..., Any]]] = {
    name.removeprefix("visit_"): getattr(_Interpreter, name)
    for name in dir(_Interpreter)
    if name.startswith("visit_")
}


def _is_ordered(value: object) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)
