"""Messages in chats that show how the incident stands: when they are updated, and with what."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.incident.decisions import posts
from core.domain.incident.effects import FollowUp, UpdatePost
from core.domain.incident.inputs import FollowedUp, PageSettled, PostSettled
from core.domain.incident.model import KEPT_LINES, KEPT_POSTS, PageStatus
from core.domain.targets import Post
from tests.unit.incident.examples import (
    ID,
    ON_CALL,
    SECOND_LINE,
    Life,
    cleared,
    levels,
    opened,
    policy,
)

POST = Post(channel="C0123", ts="1700000000.000100")
OTHER = Post(channel="C0456", ts="1700000000.000200")


def posted(life: Life | None = None, post: Post = POST) -> Life:
    """An incident whose page is a message in a chat."""
    life = life or opened()
    for key, page in life.incident.pages.items():
        if page.status is PageStatus.SENDING:
            life.give(PageSettled(key=key, via=page.target, post=post))
    return life


def updates(life: Life) -> list[UpdatePost]:
    return [effect for effect in life.effects if isinstance(effect, UpdatePost)]


def settle(life: Life, **fields: Any) -> None:
    """End the last update."""
    last = updates(life)[-1]
    outcome = fields or {"post": last.post}
    life.give(PostSettled(target=last.target, number=last.number, **outcome))


def told(update: UpdatePost) -> list[str]:
    return [line.partition(" ")[2] for line in update.story]


def test_a_message_is_not_updated_before_something_happens() -> None:
    assert updates(posted()) == []


def test_an_acknowledgement_is_shown_and_told() -> None:
    life = posted()
    life.do("acknowledge", note="looking")
    [update] = updates(life)
    assert (update.target, update.post, update.number) == (ON_CALL, POST, 1)
    assert update.title == "[MEDIUM] Disk 5f2e is full"
    assert update.stands == "Acknowledged by ana"
    assert update.buttons == ("escalate", "snooze", "resolve")
    assert told(update) == ["ana: Acknowledged: looking"]
    assert update.dedup_key == ID


def test_who_has_a_message_that_shows_it_gets_no_news_besides() -> None:
    life = posted()
    life.do("acknowledge")
    assert [effect for effect in life.effects if isinstance(effect, FollowUp)] == []


@pytest.mark.parametrize(
    ("commands", "stands", "buttons"),
    [
        (["comment"], "Open: nobody has it", ("acknowledge", "escalate", "snooze", "resolve")),
        (["acknowledge"], "Acknowledged by ana", ("escalate", "snooze", "resolve")),
        (["mitigate"], "Mitigated", ("snooze", "resolve")),
        (["resolve"], "Resolved by ana", ()),
        (["resolve", "close"], "Closed as false alarm", ()),
    ],
)
def test_the_buttons_fit_the_state(
    commands: list[str], stands: str, buttons: tuple[str, ...]
) -> None:
    fields: dict[str, dict[str, Any]] = {
        "comment": {"note": "hm"},
        "resolve": {"force": True},
        "close": {"reason": "false_alarm"},
    }
    life = posted()
    for name in commands:
        life.do(name, **fields.get(name, {}))
        settle(life)
    update = updates(life)[-1]
    assert (update.stands, update.buttons) == (stands, buttons)


def test_a_snooze_is_shown() -> None:
    life = posted()
    life.do("snooze", for_=3600)
    [update] = updates(life)
    assert update.stands == "Open: nobody has it; snoozed until 2026-01-02 04:04:05 UTC"


def test_what_happens_while_a_message_is_updated_is_gathered_for_the_next_time() -> None:
    life = posted()
    life.do("acknowledge")
    life.do("comment", note="one")
    life.do("comment", note="two")
    life.wait(60)  # nothing is due for a message that is being updated
    assert len(updates(life)) == 1
    assert posts.due(life.incident) is None
    settle(life)
    [_, second] = updates(life)
    assert second.number == 2
    assert told(second) == ["ana: Comment: one", "ana: Comment: two"]
    settle(life)
    assert len(updates(life)) == 2


def test_a_message_that_was_posted_anew_is_the_one_to_edit() -> None:
    life = posted()
    life.do("acknowledge")
    settle(life, post=OTHER)
    life.do("comment", note="one")
    assert updates(life)[-1].post == OTHER


def test_an_update_that_failed_is_made_with_the_next_change_and_loses_no_word() -> None:
    life = posted()
    life.do("acknowledge")
    settle(life, failure="no answer")
    assert life.deadline is None or len(updates(life)) == 1
    life.do("comment", note="one")
    [_, second] = updates(life)
    assert told(second) == ["ana: Acknowledged", "ana: Comment: one"]
    assert not any("out of date" in sentence for sentence in life.sentences())


def test_a_message_that_is_lost_is_named_on_the_timeline_and_left_alone() -> None:
    life = posted()
    life.do("acknowledge")
    settle(life, failure="answered account_inactive", lost=True)
    assert life.sentences()[-1] == (
        f"The message at {ON_CALL} cannot be updated any more: answered account_inactive"
    )
    life.do("comment", note="one")
    assert len(updates(life)) == 1
    assert life.incident.posts == {}


def test_what_became_of_an_earlier_update_changes_nothing() -> None:
    life = posted()
    life.do("acknowledge")
    before = life.incident
    life.give(PostSettled(target=ON_CALL, number=7, post=OTHER))
    life.give(PostSettled(target="nobody", number=1, failure="x", lost=True))
    assert life.incident == before


def test_a_second_page_knows_the_message_of_the_first() -> None:
    life = posted(opened(policy(levels=levels((0, ON_CALL), (300, ON_CALL)))))
    life.wait(300)
    [first, second] = life.pages()
    assert (dict(first.posts), dict(second.posts)) == ({}, {ON_CALL: POST})
    assert second.buttons == ("acknowledge", "escalate", "snooze", "resolve")


def test_a_page_that_fails_may_have_been_sent_when_it_is_tried_again() -> None:
    life = opened()
    [key] = life.incident.pages
    life.give(PageSettled(key=key, failure="no answer"))
    life.wait(30)
    assert [page.again for page in life.pages()] == [False, True]


def test_a_page_that_arrives_after_the_acknowledgement_is_brought_up_to_date() -> None:
    life = opened()
    life.do("acknowledge")
    posted_late = [key for key, page in life.incident.pages.items()]
    life.give(PageSettled(key=posted_late[0], via=ON_CALL, post=POST))
    [update] = updates(life)
    assert update.stands == "Acknowledged by ana"


def test_every_target_has_a_message_of_its_own() -> None:
    life = posted(opened(policy(levels=levels((0, f"{ON_CALL} {SECOND_LINE}")))))
    life.do("acknowledge")
    assert [update.target for update in updates(life)] == [ON_CALL, SECOND_LINE]


def test_a_resolution_by_the_source_is_shown() -> None:
    life = posted()
    life.give(cleared())
    assert updates(life)[-1].stands.startswith("Resolved by ")


def test_a_storm_costs_no_more_than_what_the_chat_answers_and_keeps_the_last_words() -> None:
    life = posted()
    life.do("acknowledge")
    for number in range(100):
        life.do("comment", note=f"{number} " + "\N{FIRE}" * 1000)
    assert len(updates(life)) == 1
    settle(life)
    [_, second] = updates(life)
    assert len(second.story) == KEPT_LINES
    assert second.omitted == 100 - KEPT_LINES
    assert " 99 " in second.story[-1]
    assert all(len(line) <= 200 for line in second.story)


def test_the_last_messages_are_kept_up_to_date() -> None:
    life = opened()
    for number in range(2 * KEPT_POSTS):
        life.give(FollowedUp(posts={f"ops {number}": POST}))
    assert [*life.incident.posts] == [f"ops {n}" for n in range(KEPT_POSTS, 2 * KEPT_POSTS)]


def test_who_is_told_of_an_assignment_has_a_message_from_then_on() -> None:
    life = opened()
    life.give(FollowedUp(posts={"ana/slack": POST}))
    life.do("acknowledge")
    assert [update.target for update in updates(life)] == ["ana/slack"]
