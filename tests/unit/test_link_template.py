"""The address of an incident in a web application, made of a template."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.link_template import FIELDS, MAX_CHARS, checked, filled
from infra.local.temporal import workflow_page

VALUES = {field: f"{field} of a/b" for field in FIELDS}


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_filled_in_and_percent_encoded(field: str) -> None:
    template = f"https://ui.example/{{id}}/{{{field}}}"
    assert checked(template) == template
    address = filled(template, **VALUES)
    assert address.endswith(f"/{field}%20of%20a%2Fb")
    assert unquote(urlsplit(address).path).endswith(VALUES[field])


def test_the_local_stacks_template_is_one() -> None:
    template = checked(workflow_page("http://127.0.0.1:8233"))
    assert filled(template, **VALUES) == (
        "http://127.0.0.1:8233/namespaces/default/workflows/workflow_id%20of%20a%2Fb"
        "/run_id%20of%20a%2Fb/history"
    )


@pytest.mark.parametrize(
    "template",
    [
        "https://ui.example/?q={id}#{handle}",
        "http://localhost:8233/{workflow_id}",
        "https://ui.example/{id}".ljust(MAX_CHARS, "x"),
    ],
)
def test_an_address_is_a_template_wherever_its_fields_stand(template: str) -> None:
    assert checked(template) == template


@given(st.text(max_size=60))
def test_no_value_leads_to_another_host_or_breaks_the_address(value: str) -> None:
    address = filled("https://ui.example/i/{id}", id=value)
    assert address.startswith("https://ui.example/i/")
    assert address.isascii()
    assert address.isprintable()
    assert " " not in address
    assert urlsplit(address).hostname == "ui.example"
