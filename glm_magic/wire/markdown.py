"""Pieces of a chatglm.cn message as Markdown. No I/O."""

from __future__ import annotations

import re
from urllib.parse import quote

#: A segment, a kind, and Markdown.
Block = tuple[str, str, str]
#: The last block that is shown, its text only where that matters, and the last two characters of
#: the text up to its end.
Place = tuple[Block, str]
NOWHERE: Place = (("", "", ""), "")

#: The kind of block that is left out behind another that says the same.
_REPEATED = "execution_output"

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


def join_blocks(blocks: list[Block], place: Place = NOWHERE) -> tuple[list[str], list[Place]]:
    """Return *blocks* as the pieces of one text that goes on at *place*, and where each leaves it.

    There are blank lines between them, but texts of one segment are one text. Repeats are empty.
    """
    pieces, places = [], []
    for block in blocks:
        piece = _piece(block, *place)
        if piece:
            last = block if block[1] == _REPEATED else (*block[:2], "")  # no text for nothing
            place = (last, (place[1] + piece[-2:])[-2:])
        pieces.append(piece)
        places.append(place)
    return pieces, places


def _piece(block: Block, before: Block, ending: str) -> str:
    segment, kind, text = block
    is_repeated = kind == _REPEATED and block[1:] == before[1:]
    if not text or is_repeated:
        return ""
    is_one = kind in ("text", "think", "text_thinking") and (segment, kind) == before[:2]
    return text if is_one or not ending else _gap(ending) + text


def _gap(text: str) -> str:
    return "" if text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"


def _is_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _address(url: str) -> str:
    return quote(url.strip(), safe="%/:=&?~#+!$,;@'")


def _label(title: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(title.split()))
