"""What the routes in force need: nothing else is worth a check, let alone a warning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.contracts import ROOT_WORKER, WORKERS, WorkerSpec
from core.domain.event import DOCUMENT_TYPES
from core.domain.routing.table import ATTRIBUTE_TYPES, Dialect, Filter, RoutingTable


@dataclass(frozen=True, slots=True)
class RouteAttribute:
    """A search attribute that a route sets: its type, by Temporal's name, and the first route that
    does."""

    type: str
    route: str


@dataclass(frozen=True, slots=True)
class Needs:
    """The workers that are needed, with who sends them work, by their names; the first route that
    takes documents; and the search attributes that routes set, by name."""

    senders: Mapping[str, str]
    documents: str | None
    route_attributes: Mapping[str, RouteAttribute]

    @classmethod
    def of(cls, table: RoutingTable | None) -> Needs:
        """The needs of a table. The root worker is always needed: it gets what no route matches."""
        senders = {ROOT_WORKER.name: "the listeners"}
        documents = None
        attributes: dict[str, RouteAttribute] = {}
        for route in table.routes if table else ():
            for worker in WORKERS:
                if route.task_queue == worker.task_queue:
                    senders.setdefault(worker.name, f"route {route.name}")
            if documents is None and any(map(_takes_documents, route.match)):
                documents = route.name
            for name, rule in (route.options or {}).get("search_attributes", {}).items():
                for kind in rule:
                    attributes.setdefault(name, RouteAttribute(ATTRIBUTE_TYPES[kind], route.name))
        return cls(senders, documents, attributes)

    @property
    def workers(self) -> list[WorkerSpec]:
        return [worker for worker in WORKERS if worker.name in self.senders]

    @property
    def reports(self) -> bool:
        return any("TIDEGATE_REPORTS" in worker.settings for worker in self.workers)

    @property
    def pages(self) -> bool:
        return any(worker.pages for worker in self.workers)

    @property
    def search_attributes(self) -> list[str]:
        return [name for worker in self.workers for name in worker.search_attributes]


def _takes_documents(part: Filter) -> bool:
    """Whether a filter names a type of event that is about a document."""
    match part.dialect:
        case Dialect.EXACT | Dialect.PREFIX | Dialect.SUFFIX:
            if (text := (part.attributes or {}).get("type")) is None:
                return False
            named = Filter(part.dialect, {"type": text})
            return any(named.matches({"type": name}) for name in DOCUMENT_TYPES)
        case Dialect.ALL | Dialect.ANY:
            return any(map(_takes_documents, part.parts))
        case Dialect.NOT | Dialect.JMESPATH:
            return False
