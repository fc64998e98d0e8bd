"""Tags as labels: `service:checkout` is a label `service`, a mere word is one without a value."""

from __future__ import annotations


def labels_of(tags: object) -> dict[str, str]:
    """The labels in a list of tags, or in one text of tags with commas between them. A name that
    comes twice has both values, with a comma between them. What is no tag is left out."""
    if isinstance(tags, str):
        tags = tags.split(",")
    found: dict[str, list[str]] = {}
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, str):
            name, _, value = (part.strip() for part in tag.partition(":"))
            found.setdefault(name, []).extend([value] if value else [])
    return {name: ",".join(values) for name, values in found.items() if name}
