from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.secret_reference import SecretReference, check_reference, parse_reference

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hooks/github-AbCdEf"
VAULT = "https://team-1.vault.azure.net"


@pytest.mark.parametrize(
    ("text", "store", "place", "name"),
    [
        ("env:GITHUB_SECRET", "env", "GITHUB_SECRET", None),
        ("file:/run/secrets/a b#c", "file", "/run/secrets/a b#c", None),
        ("file:///run/secrets/x", "file", "///run/secrets/x", None),
        ("aws:hooks/github@v1", "aws", "hooks/github@v1", None),
        ("aws:hooks/github#a field", "aws", "hooks/github", "a field"),
        (f"aws:{ARN}", "aws", ARN, None),
        (f"aws:{ARN}#secret", "aws", ARN, "secret"),
        ("azure:team-1/hook", "azure", VAULT, "hook"),
        (f"azure:{VAULT}/hook", "azure", VAULT, "hook"),
        ("azure:https://t.vault.azure.cn:8443/h", "azure", "https://t.vault.azure.cn:8443", "h"),
    ],
)
def test_a_reference_says_where_a_secret_is(
    text: str, store: str, place: str, name: str | None
) -> None:
    assert parse_reference(text) == SecretReference(text, store, place, name)
    assert check_reference(text) == text
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "env:",
        "env:A-B",
        "env:1A",
        "env:A B",
        "env:Ä",
        "ENV:A",
        " env:A",
        "env:A\n",
        "file:",
        "file:/",
        "file:run/secrets/x",
        "file:~/x",
        "file:/run/secrets/",
        "file:/run/\x00",
        "aws:",
        "aws:#field",
        "aws:name#",
        "aws:a name",
        "aws:arn:aws:s3:::bucket",
        "azure:",
        "azure:team",
        "azure:team/",
        "azure:te/hook",
        "azure:team/hook/version",
        "azure:team/a_b",
        "azure:http://team.vault.azure.net/hook",
        "azure:https://user@team.vault.azure.net/hook",
        f"azure:{VAULT}/secrets/hook",
        "vault:secret/x",
        "hunter2",
        "env:hunter2!",
        "file:hunter2",
        "aws:hunter2!",
        "azure:hunter2",
        "whsec_hunter2:hunter2",
    ],
)
def test_an_invalid_reference_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="not a reference ") as caught:
        check_reference(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("env:", "env:NAME"),
        ("file:x", "file:/absolute/path"),
        ("aws:", "aws:NAME or aws:NAME#FIELD"),
        ("azure:x", "azure:VAULT/NAME"),
        ("x", "env:NAME, file:/PATH, aws:... or azure:..."),
    ],
)
def test_the_refusal_says_which_form_is_expected(text: str, form: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_reference(text)
    assert form in str(caught.value)


@given(st.sampled_from(["", "env:", "file:", "aws:", "azure:"]), st.text())
def test_any_text_is_a_reference_or_is_refused(prefix: str, rest: str) -> None:
    try:
        assert parse_reference(prefix + rest).text == prefix + rest
    except ValueError:
        return
