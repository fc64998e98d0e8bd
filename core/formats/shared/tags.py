"""Tags as labels: `service:checkout` is the label `service`; a bare word has no value."""

from __future__ import annotations


def labels_of(tags: object, *, separator: str = ":", between: str = ",") -> dict[str, str]:
    """The labels of a list of tags, or of one text with `between` between them. A name that occurs
    twice has both values, comma-separated. What is not a tag is left out."""
    if isinstance(tags, str):
        tags = tags.split(between)
    labels: dict[str, list[str]] = {}
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, str):
            name, _, value = (part.strip() for part in tag.partition(separator))
            labels.setdefault(name, []).extend([value] if value else [])
    return {name: ",".join(values) for name, values in labels.items() if name}
