"""Text of senders that a channel must not obey."""

from __future__ import annotations

import pytest

from core.adapters.notifiers.markup import harmless

GAP = "\u200b"


@pytest.mark.parametrize(
    "text",
    [
        "@everyone",
        "wake @here now",
        "@channel",
        "(@all)",
        "x@everyone",
        "@EVERYONE",
        "@ada look",
        "<@U012AB3CD>",
        "<@!123>",
        "<@&456>",
        "<!channel>",
        "<!here|here>",
        "<!subteam^S012>",
        "<#C012AB3CD>",
        "<at>Ada</at>",
        "<https://evil.example|https://bank.example>",
        "[https://bank.example](https://evil.example)",
        "![](https://evil.example/track.png)",
        "[bank][1]",
    ],
)
def test_a_mention_or_a_masked_link_is_broken_up_and_reads_the_same(text: str) -> None:
    plain = harmless(text)
    assert plain != text
    assert plain.replace(GAP, "") == text
    assert harmless(plain) == plain


@pytest.mark.parametrize(
    "text",
    [
        "mail ada@example.com",
        "https://medium.example/@ada/post",
        "incident:webhook:prod:5f2e@20260102T030405.678Z",
        "a < b, c <= d",
        "p[99] (of 100)",
        "https://runbooks.example.com/x?a=[1]",
        "load @ 5",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text
