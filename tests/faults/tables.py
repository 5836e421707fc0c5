"""All tables of faults, by subject."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults import bodies, connection, statuses
from tests.faults.fault import Fault

#: A new table is entered here, and nowhere else.
TABLES: dict[str, tuple[Fault, ...]] = {
    module.__name__.rpartition(".")[2]: module.FAULTS for module in (connection, statuses, bodies)
}


def cases() -> list[Any]:
    """Return each fault with each of its wire formats, named after the table, fault and wire."""
    return [
        pytest.param(fault, wire, id=f"{subject}: {fault.name}, {wire.name}")
        for subject, faults in TABLES.items()
        for fault in faults
        for wire in fault.wires
    ]
