"""Pieces of a chatglm.cn message as Markdown. No I/O."""

from __future__ import annotations

import re
from urllib.parse import quote

#: A segment, a kind, and Markdown.
Block = tuple[str, str, str]
NO_BLOCK: Block = ("", "", "")

# Citation marks such as 【3†source】, and what may still become one.
_MARK = re.compile(r"【[^【】\n]{0,40}†[^【】\n]{0,40}】")
_OPEN_MARK = re.compile(r"【[^【】\n]{0,81}\Z")
_BACKTICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\\[\]`*_<>!])")


def strip_citations(text: str, *, is_open: bool) -> tuple[str, str]:
    """Return *text* without citation marks, and the end kept back.

    While the text *is_open*, its end is kept back if it may become a mark.
    """
    start = text.rfind("【") if is_open else -1
    cut = start if start >= 0 and _OPEN_MARK.match(text, start) else len(text)
    return _MARK.sub("", text[:cut]), text[cut:]


def fenced(code: str, language: str, *, is_open: bool) -> str:
    """Return *code* as a code block, left open while it grows; nothing for no code."""
    if not code:
        return ""
    longest = max(map(len, _BACKTICKS.findall(code)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if is_open else fence if code.endswith("\n") else f"\n{fence}"
    return f"{fence}{language}\n{code}{end}"


def images(urls: list[str]) -> str:
    """Return the http addresses among *urls* as Markdown images, one on a line."""
    return "\n".join(f"![image]({_address(url)})" for url in urls if _is_web(url))


def sources(pages: list[tuple[str, str]]) -> str:
    """Return *pages*, each a title and an address, as a list of links; http only."""
    links = ((_label(title or url), _address(url)) for title, url in pages if _is_web(url))
    return "\n".join(f"- [{label}]({address})" for label, address in links)


def join_blocks(blocks: list[Block], before: Block = NO_BLOCK, ending: str = "") -> list[str]:
    """Return *blocks* as the pieces of one text, with blank lines between them; repeats are empty.

    Texts of one segment are one text. *before* is the block in front of them
    all, and *ending* the last two characters there.
    """
    pieces = []
    for block in blocks:
        segment, kind, text = block
        is_repeated = kind == "execution_output" and block[1:] == before[1:]
        if not text or is_repeated:
            pieces.append("")
            continue
        is_one = kind in ("text", "think", "text_thinking") and (segment, kind) == before[:2]
        pieces.append(text if is_one or not ending else _gap(ending) + text)
        before, ending = block, (ending + pieces[-1][-2:])[-2:]
    return pieces


def _gap(text: str) -> str:
    return "" if text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"


def _is_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _address(url: str) -> str:
    return quote(url.strip(), safe="%/:=&?~#+!$,;@'")


def _label(title: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(title.split()))
