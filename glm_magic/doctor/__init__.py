"""What `%glmcmd doctor` looks at: one check after another, each over within seconds.

A check that fails stops no other; one that depends on it says so. Nothing is asked of a model.
"""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ..providers import Preset, presets, split_name
from ..state import State
from .check import PATIENCE, Check
from .embedded import embedded, version_of
from .far_side import far_side

Checks = AsyncGenerator[Check, None]


async def examine(state: State, wanted: str = "", *, patience: float = PATIENCE) -> Checks:
    """Yield the checks of the provider that *wanted*, as `-m` names it, or the settings choose.

    None takes much longer than *patience*, in seconds.
    """
    parts = {
        "provider": _provider(state, wanted, patience),
        "widgets": _widgets(),
        "versions": _versions(),
    }
    for name, checks in parts.items():
        async with aclosing(_kept(name, checks)) as kept:
            async for check in kept:
                yield check


async def _kept(name: str, checks: Checks) -> Checks:
    """Yield *checks*; what is raised among them is what they found, and the others still come."""
    try:
        async with aclosing(checks):
            async for check in checks:
                yield check
    except Exception as error:  # noqa: BLE001, the user sees it, and the rest of the report
        finding = f"this check failed ({type(error).__name__}: {error})"
        yield Check(name, "wrong", finding, "Please report it, with this line.")


async def _provider(state: State, wanted: str, patience: float) -> Checks:
    name, model, why = state.resolve(wanted or None)
    preset = presets()[name]
    yield Check("provider", "right", f"{'/'.join(filter(None, (name, model)))} ({why})")
    is_here = preset.kind in ("local", "echo")
    way = _here(state, preset, model) if is_here else far_side(state, preset, model, patience)
    own = embedded(state, model, patience, is_chosen=name == "local")
    for part, checks in (("server", way), ("embedded", own)):
        async with aclosing(_kept(part, checks)) as kept:
            async for check in kept:
                yield _naming_providers(check) if _is_stray(wanted) else check


def _is_stray(wanted: str) -> bool:
    """Say whether *wanted* names no provider, and so passes for a model of the current one."""
    return bool(wanted) and not split_name(wanted)[0]


def _naming_providers(check: Check) -> Check:
    if check.verdict == "wrong" and check.name in ("model", "embedded"):
        remedy = f"The providers are {', '.join(presets())}. {check.remedy}"
        return replace(check, remedy=remedy)
    return check


async def _here(state: State, preset: Preset, model: str) -> Checks:
    yield Check("key", "right", state.key_place(preset))
    if preset.models and model and model not in preset.models:
        have = f"It has {', '.join(preset.models)}"
        yield Check("model", "wrong", f"{preset.name} has no model {model}", have)


async def _widgets() -> Checks:
    from IPython import get_ipython  # loaded already wherever there are magics

    names = ("anywidget", "ipywidgets", "jupyterlab_widgets")
    found = ", ".join(f"{name} {version_of(name) or 'missing'}" for name in names)
    is_kernel = getattr(get_ipython(), "kernel", None) is not None
    where = "in a kernel" if is_kernel else "in a terminal, which shows no panel"
    if missing := [name for name in names if not version_of(name)]:
        remedy = f"pip install {' '.join(missing)} where Jupyter runs, then reload its page."
        yield Check("widgets", "wrong", f"{found}; {where}", remedy)
    else:
        yield Check("widgets", "right", f"{found}; {where}")


async def _versions() -> Checks:
    names = ("glm_magic", "ipython", "ipykernel", "aiohttp")
    found = [f"{name} {version_of(name) or 'missing'}" for name in names]
    yield Check("versions", "right", f"Python {platform.python_version()}, {', '.join(found)}")
