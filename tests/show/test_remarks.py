"""What stands under a reply."""

from __future__ import annotations

from glm_magic.messages import Reply
from glm_magic.show.remarks import ending


def test_repeated_notices():
    """A notice that was given more than once is one line, which says how often."""
    reply = Reply(finish_reason="error", notices=["asked again", "skipped", "asked again"])
    assert ["asked again (2 times)", "skipped"] == ending(reply, show_footer=False)
