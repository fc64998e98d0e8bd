"""Which URIs the settings take as roots of document stores."""

from __future__ import annotations

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.domain.store_uris import ROOTS, read_root
from core.errors import SettingsError

_WRITTEN = ("TIDEGATE_QUARANTINE", "TIDEGATE_REPORTS")
_ALL = ("TIDEGATE_DOCUMENTS", *_WRITTEN)


def test_every_store_has_its_roots_and_each_example_is_one() -> None:
    assert list(ROOTS) == list(bootstrap.STORES)
    for scheme, root in ROOTS.items():
        assert root.example.startswith(f"{scheme}://")
        assert read_root(root.example, written=True) == root.example
        assert read_root(root.example, written=False) == root.example


@pytest.mark.parametrize("variable", _ALL)
@pytest.mark.parametrize(
    "uri",
    [
        "s3://docs",
        "s3://An.Old_bucket/a/b",
        "azure://myaccount/docs",
        "azure://myaccount/$web/a b/",
        f"azure://{'a' * 24}/{'c' * 63}/" + "f" * 200,
        "file:///",
        "file:///tmp/quarantine",
    ],
)
def test_a_root_is_taken_as_it_is(variable: str, uri: str) -> None:
    settings = Settings.from_env({variable: uri})
    assert uri in (settings.reports, settings.quarantine, *settings.documents)


@pytest.mark.parametrize("variable", _ALL)
@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("docs", "not a URI like s3://my-bucket/records/ or azure://myaccount/my-container/rec"),
        ("/var/docs", "not a URI like s3://my-bucket/records/"),
        ("gs://bucket/a/", "not a URI like s3://my-bucket/records/"),
        ("S3://bucket/a/", "not a URI like s3://my-bucket/records/"),
        ("s3:/bucket/a/", "not a URI like s3://my-bucket/records/"),
        ("https://myaccount.blob.core.windows.net/docs/", "not a URI like s3://my-bucket/rec"),
        ("s3://", "not s3:// with a bucket's name, like s3://my-bucket/records/"),
        ("s3:///records/", "not s3:// with a bucket's name, like s3://my-bucket/records/"),
        ("s3://ab/records/", "not s3:// with a bucket's name, like s3://my-bucket/records/"),
        ("s3://a b c/records/", "not s3:// with a bucket's name, like s3://my-bucket/records/"),
        ("azure://x/y", "not azure:// with the names of a storage account and a container, like"),
        ("azure://my-account/docs/", "like azure://myaccount/my-container/records/"),
        ("azure://myaccount/Docs/", "like azure://myaccount/my-container/records/"),
        ("azure://myaccount/do--cs/", "like azure://myaccount/my-container/records/"),
        (f"azure://myaccount/{'c' * 64}/", "like azure://myaccount/my-container/records/"),
        ("azure://myaccount//docs/", "like azure://myaccount/my-container/records/"),
        ("file://records/", "not file:// with an absolute path, like file:///var/lib/tidegate/"),
        ("file://", "not file:// with an absolute path, like file:///var/lib/tidegate/records/"),
        ("s3://docs/a\tb/", "not s3:// with a bucket's name"),
        ("s3://docs/../other/", "a folder in it is named . or .., unlike s3://my-bucket/records/"),
        ("file:///var/./docs", "a folder in it is named . or .., unlike file:///var/lib/tidega"),
    ],
)
def test_what_is_no_root_is_an_error_that_names_the_variable_and_a_good_example(
    variable: str, uri: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({variable: uri})
    assert error.value.message.startswith(f"{variable}: ")
    assert problem in error.value.message
    assert error.value.fix.startswith(f"correct {variable}: URI prefix")


def test_events_may_refer_to_a_whole_account_but_nothing_is_written_to_one() -> None:
    for uri in ("azure://myaccount", "azure://myaccount/"):
        assert Settings.from_env({"TIDEGATE_DOCUMENTS": uri}).documents == (uri,)
        for variable in _WRITTEN:
            with pytest.raises(SettingsError, match=f"{variable}: not azure:// with the names"):
                Settings.from_env({variable: uri})
