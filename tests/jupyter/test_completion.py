"""Tab on a `%glm` line, asked of a real kernel as a front end asks."""

from __future__ import annotations

import pytest

from tests.jupyter.kernel import Kernel


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%glm --max", {"--max-tokens"}),
        ("%glm -m za", {"zai", "zai-coding", "zai/glm-4.7-flash"}),
        ("%glm -m zai/glm-4.6", {"zai/glm-4.6", "zai/glm-4.6v"}),
        ("%glm --think ", {"off", "low", "high", "max"}),
        ("%%glm -l tra", {"travel"}),
        ("%glmcmd hi", {"history"}),
        ("%glmcmd doctor v", {"vllm"}),
    ],
)
def test_tab_offers_flags_models_labels_and_commands(kernel: Kernel, line: str, expected: set[str]):
    """What a flag takes is offered, put in place of the word that was begun."""
    kernel.run("%load_ext glm_magic")
    kernel.run("%glm -m echo -l travel hi")
    content = kernel.complete(line)
    start = content["cursor_start"]
    assert expected <= {(line[:start] + match).split(" ")[-1] for match in content["matches"]}
