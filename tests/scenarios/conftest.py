"""The far side and the wires that the tests of providers have."""

from tests.providers.conftest import far_side, short_pauses, wire

__all__ = ["far_side", "short_pauses", "wire"]
