"""What facts and stored bytes have of each other, counted: the ground on which they are said to belong together."""

from collections.abc import Iterable
from dataclasses import dataclass

from transfer_service.services.upkeep.orphans import Shelf


@dataclass(frozen=True, slots=True)
class Census:
    """One shelf: `facts` that need bytes, those `lacking` them, things `stored`, those `unknown` to the facts."""

    facts: int
    lacking: int
    stored: int
    unknown: int


def take_census(shelf: Shelf) -> Census:
    """Count everything. Blocking."""
    facts = lacking = stored = unknown = 0
    for names in shelf.expected():
        facts += len(names)
        lacking += sum(not shelf.is_there(name) for name in names)
    for batch in shelf.batches():
        stored += len(batch)
        unknown += len(batch) - len(shelf.known({each.name for each in batch}))
    return Census(facts, lacking, stored, unknown)


def clearly_belong(shelves: Iterable[tuple[Shelf, Census]]) -> bool:
    """Whether most facts have their bytes, and most bytes their facts. Nothing and nothing belong together."""
    counted = list(shelves)
    needed = [census for shelf, census in counted if shelf.must_be_there]
    lacking, facts = sum(each.lacking for each in needed), sum(each.facts for each in needed)
    unknown, stored = sum(each.unknown for _, each in counted), sum(each.stored for _, each in counted)
    return 2 * lacking <= facts and 2 * unknown <= stored
