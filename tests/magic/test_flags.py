"""The flags of `%glm`: each is read, and every other character is text."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_magic.errors import ConfigError
from glm_magic.magic.flags import BY_NAME, FLAGS, Arguments, help_text, parse, quoted

#: Text as one line of a cell can hold it.
LINES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"))


def refusal(line: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(line)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-m zai/glm-4.6 q", Arguments("q", model="zai/glm-4.6")),
        ("--model zai q", Arguments("q", model="zai")),
        ("--model=zai q", Arguments("q", model="zai")),
        ("-m=zai q", Arguments("q", model="zai")),
        ("-s brief q", Arguments("q", system="brief")),
        ('-s "be brief" q', Arguments("q", system="be brief")),
        ("--system='be \"brief\"' q", Arguments("q", system='be "brief"')),
        (r'-s "say \"no\" \\ it' + "'" + 's" q', Arguments("q", system=r'say "no" \ it' + "'s")),
        ('-s "" q', Arguments("q", system="")),
        ("-s 你好 q", Arguments("q", system="你好")),
        ("-s “be brief” q", Arguments("q", system="be brief")),
        ("-s “brief q", Arguments("q", system="“brief")),
        ('-s "-t" q', Arguments("q", system="-t")),
        ("-t 0.5 q", Arguments("q", temperature=0.5)),
        ("--temperature 2 q", Arguments("q", temperature=2.0)),
        ("-t 0 q", Arguments("q", temperature=0.0)),
        ("--max-tokens 100 q", Arguments("q", max_tokens=100)),
        ("--think off q", Arguments("q", think="off")),
        ("--think=max q", Arguments("q", think="max")),
        ("-p top_k=5 q", Arguments("q", params={"top_k": 5})),
        ("--param a=b -p c=true q", Arguments("q", params={"a": "b", "c": True})),
        ("-p 'a={\"b\": [1]}' q", Arguments("q", params={"a": {"b": [1]}})),
        ("-p a=b=c q", Arguments("q", params={"a": "b=c"})),
        ('-p stop="a b" q', Arguments("q", params={"stop": "a b"})),
        ("-p a=NaN q", Arguments("q", params={"a": "NaN"})),
        ("-p a= q", Arguments("q", params={"a": ""})),
        ("-l side q", Arguments("q", label="side")),
        ("--label side q", Arguments("q", label="side")),
        ("-n q", Arguments("q", new=True)),
        ("--new q", Arguments("q", new=True)),
        ("--once q", Arguments("q", once=True)),
        ("-o ans q", Arguments("q", out="ans")),
        ("--out 答 q", Arguments("q", out="答")),
        ("--out ａｎｓ q", Arguments("q", out="ans")),
        ("--raw {{x}}", Arguments("{{x}}", raw=True)),
        ("--continue", Arguments(go_on=True)),
        ("--timeout 2.5 q", Arguments("q", timeout=2.5)),
        ("--no-stream q", Arguments("q", stream=False)),
        ("--dry q", Arguments("q", dry=True)),
        ("-q q", Arguments("q", quiet=True)),
        ("--quiet q", Arguments("q", quiet=True)),
        ("  -q \t -n   q", Arguments("q", quiet=True, new=True)),
        ("-m a -m b q", Arguments("q", model="b")),
        ("-q", Arguments(quiet=True)),
        ("", Arguments()),
    ],
)
def test_flags(line: str, expected: Arguments):
    """A flag fills its field, in every way it can be written."""
    assert expected == parse(line)


def test_every_flag_is_tested():
    """Every name of every flag stands in one of the cases above."""
    [cases] = [mark.args[1] for mark in test_flags.pytestmark]
    words = {word.partition("=")[0] for line, _ in cases for word in line.split()}
    assert set(BY_NAME) <= words


def test_every_flag_fills_a_field():
    """Each flag fills one field, and each field but the text has its flag."""
    names = [flag.field for flag in FLAGS]
    assert sorted(names) == sorted({each.name for each in fields(Arguments)} - {"text"})


@pytest.mark.parametrize(
    "text",
    [
        "it's \"odd\" {'a': 1} $5 {x} {{x}} ",
        '"quoted"',
        "what is -m?",
        "列表是什么?  ",
        "ends in a backslash \\",
        "a  b\tc",
        "-5 + 3",
        "-> is an arrow",
        "- a list",
        "-",
        "---",
        "--- a rule",
        "-3.5",
        "-abc",
        "--",
        "% 5",
    ],
)
def test_text_to_the_letter(text: str):
    """Quotes, dollars, braces, blanks at the end and a dash that is no flag are text."""
    assert text == parse(f"-- {text}").text
    if text != "--":
        assert text == parse(text).text
        assert text == parse(f"-q {text}").text


@given(LINES)
def test_any_text_to_the_letter(text: str):
    """Text that begins with neither a dash nor a blank comes out as it went in."""
    if text[:1].isspace() or text.startswith("-"):
        text = f"x{text}"
    assert Arguments(text) == parse(text)
    assert Arguments(text, model="zai", quiet=True) == parse(f"-m zai -q {text}")


@given(LINES)
def test_any_text_after_two_dashes(text: str):
    """After `--` and a blank everything is text, flags and blanks too."""
    assert Arguments(text) == parse(f"-- {text}")
    assert Arguments(text, new=True) == parse(f"-n --\t{text}")


@given(LINES)
def test_anything_is_read_or_refused(line: str):
    """A line gives arguments or a ConfigError, nothing else."""
    try:
        arguments = parse(f"-{line}")
    except ConfigError:
        return
    assert arguments.text in f"-{line}"


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("--modle zai q", "--model"),
        ("--no-steam q", "--no-stream"),
        ("--max-token 5 q", "--max-tokens"),
        ("--labels=x", "--label"),
    ],
)
def test_near_miss(line: str, near: str):
    """An unknown flag is refused by name, with the one that was meant."""
    message = refusal(line)
    assert f"no flag {re.split('[ =]', line, maxsplit=1)[0]}." in message
    assert f"Did you mean {near}?" in message


@pytest.mark.parametrize("line", ["-x q", "--wibble", "-q -z"])
def test_unknown_flag(line: str):
    """Where nothing is near, the way to the list and to plain text is shown."""
    message = refusal(line)
    assert "Did you mean" not in message
    assert "%glm? lists the flags; put -- before text" in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-t hot q", "-t does not take 'hot'."),
        ("-s -t 0 q", "-s needs a value."),
        ("-l -n q", "-l needs a value."),
        ("-o class q", "-o does not take 'class'."),
        ("-o None q", "-o does not take 'None'."),
        ("-t 2.1 q", "-t does not take '2.1'."),
        ("-t -1 q", "-t does not take '-1'."),
        ("-t nan q", "-t does not take 'nan'."),
        ("--max-tokens 0 q", "--max-tokens does not take '0'."),
        ("--max-tokens 1.5 q", "--max-tokens does not take '1.5'."),
        ("--timeout 0 q", "--timeout does not take '0'."),
        ("--timeout=soon q", "--timeout does not take 'soon'."),
        ("--think hard q", "--think does not take 'hard'."),
        ("-o 1x q", "-o does not take '1x'."),
        ("-o a.b q", "-o does not take 'a.b'."),
        ("-p top_k q", "-p does not take 'top_k'."),
        ("-p =5 q", "-p does not take '=5'."),
        ('-s "never closed', "-s does not take '\"never'."),
        ("-m", "-m needs a value."),
        ("-q --model", "--model needs a value."),
        ("--model=", "--model needs a value."),
        ("--raw=no q", "--raw takes no value."),
    ],
)
def test_bad_value(line: str, said: str):
    """A value that does not fit is named, with what the flag is for."""
    message = refusal(line)
    [name] = [word for word in said.split() if word.startswith("-")][:1]
    assert message.startswith(said)
    assert BY_NAME[name].help in message


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.names[-1])
def test_help_names_every_flag(flag):
    """The help has a line for each flag, with its names, its value and its meaning."""
    [line] = [line for line in help_text().splitlines() if line.strip().startswith(flag.names[0])]
    assert flag.usage in line
    assert line.endswith(flag.help)


def test_help_shows_the_braces():
    """Braces stand in the help as they are typed."""
    assert "  {{expression}} " in help_text()
    assert "{flags}" not in help_text()


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.choices])
def test_choices_are_taken(flag):
    """What completion offers is what the flag takes."""
    for choice in flag.choices:
        assert choice == getattr(parse(f"{flag.names[0]} {choice}"), flag.field)


@given(LINES | st.text("a -'\"\\"))
def test_quoted_value_is_read_back(value: str):
    """A value as a hint writes it is the same value when it is typed."""
    assert Arguments("q", label=value) == parse(f"-l {quoted(value)} q")


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        ("-q explain", "x = 1\n", "explain\n\nx = 1"),
        ("explain ", "", "explain"),
        ("", "x = 1\n", "x = 1"),
        ("", "\n\n    x = 1  \n    y\n\n", "    x = 1  \n    y"),
        ("-q", "-m zai\n", "-m zai"),
        ("", "", ""),
    ],
)
def test_cell(head: str, body: str, text: str):
    """First line and body are joined by a blank line; no flag is looked for in the body."""
    assert text == parse(head).with_body(body).text
