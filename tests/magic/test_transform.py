"""What a cell with `%glm` in it comes to, in a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import no_var_expand
from traitlets.config import Config

from glm_magic.magic.transform import cleanup

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=30)


class Recorder:
    """The magics `%glm` and `%%glm` of a test: they keep what they are called with."""

    def __init__(self) -> None:
        self.calls: list[str | tuple[str, str]] = []

    @no_var_expand
    def glm(self, line: str, cell: str | None = None) -> str:
        """Note the call and return the answer to it."""
        self.calls.append(line if cell is None else (line, cell))
        return f"answer to {line}"


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Iterator[InteractiveShell]:
    """A shell of our own with the transform of the extension, and no history on disk."""
    config = Config()
    config.HistoryManager.enabled = False
    folder = tmp_path_factory.mktemp("ipython")
    shell = InteractiveShell(config=config, ipython_dir=str(folder))
    shell.input_transformers_cleanup.append(cleanup)
    yield shell
    shell.reset(new_session=False)


@pytest.fixture
def run(shell):
    """Run a cell, which must go well, and return what `%glm` was called with."""
    recorder = Recorder()
    shell.register_magic_function(recorder.glm, "line_cell", "glm")
    shell.register_magic_function(
        lambda line: recorder.calls.append(f"cmd {line}"), "line", "glmcmd"
    )

    def run(cell: str) -> list[str | tuple[str, str]]:
        recorder.calls.clear()
        shell.run_cell(cell, silent=True).raise_error()
        return list(recorder.calls)

    return run


# -- Text to the letter --------------------------------------------------------------------------

TEXTS = [
    "what is x?",
    "what is x??",
    "?",
    "列表是什么?",
    "列表是什么？",
    "it's \"odd\" {'a': 1} $5",
    "explain (a",
    "explain a]",
    '"""',
    "'''",
    "f'{x}'",
    "what is %glm x?",
    "why `x = 1  # not`?",
    "!ls?",
    "a ; b",
    "ends in blanks  ",
    "\\n is a newline",
    "in $HOME {x} {{x}}?",
    "is y = %glm x?",
    "cut\u2028here\x0cor\x85here?",
    "😀 \u202e \x1b[0m",
    "-q --model zai what?",
]


@pytest.mark.parametrize("text", TEXTS)
def test_line(run, text: str):
    """The text after `%glm` reaches the magic as typed."""
    assert run(f"%glm {text}") == [text]
    assert run(f"%glm {text}\n") == [text]


@pytest.mark.parametrize("text", TEXTS)
def test_line_among_others(run, shell, text: str):
    """Lines before and after run, and leave the text alone."""
    assert run(f"before = 1\n%glm {text}\nafter = before + 1\n") == [text]
    assert shell.user_ns["after"] == 2


@pytest.mark.parametrize("text", TEXTS)
def test_line_in_a_loop(run, text: str):
    """An indented `%glm` runs as often as its loop."""
    assert run(f"for n in range(2):\n    if n >= 0:\n        %glm {text}\n") == [text, text]


@pytest.mark.parametrize("text", [text for text in TEXTS if "\u2028" not in text])
def test_header_without_a_body(run, text: str):
    """A `%%glm` that is only one line is a question with an empty body; IPython trims its end."""
    assert run(f"%%glm {text}") == [(text.rstrip(), "\n")]
    assert run(f"%%glm {text}\n") == [(text.rstrip(), "\n")]


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.endswith(" ")])
def test_body(run, text: str):
    """A body reaches the magic as typed, lines with `%glm` in it too."""
    body = f"{text}\n\n  %glm what?\n{text}\n"
    assert run(f"%%glm explain?\n{body}") == [("explain?", body)]


@given(WORDS)
def test_any_text(text: str):
    """Whatever the text, the line becomes one call with exactly that text."""
    calls: list[str] = []

    class Shell:
        def run_line_magic(self, name: str, line: str) -> None:
            calls.append(f"{name} {line}")

    text = f"x{text}"
    cell = f"a = 1\n%glm {text}\nb = a\n"
    while text.endswith("\\"):
        text = text[:-1]
        cell = f"a = 1\n%glm {text}\nb = a\n"
    code = "".join(cleanup(cell.splitlines(keepends=True)))
    names = {"get_ipython": Shell}
    exec(code, names)  # noqa: S102
    assert calls == [f"glm {text}"]
    assert names["b"] == 1


# -- Where a question may stand ------------------------------------------------------------------


def test_assignment(run, shell):
    """The answer can be kept in a variable or an attribute."""
    assert run("ans = %glm what?") == ["what?"]
    assert shell.user_ns["ans"] == "answer to what?"
    assert run("class A: pass\nA.b=%glm it's?\nc = A.b") == ["it's?"]
    assert shell.user_ns["c"] == "answer to it's?"
    assert run("if 1:\n    ans = %glm where?") == ["where?"]
    assert shell.user_ns["ans"] == "answer to where?"


@pytest.mark.parametrize(
    "target", ["kept['a']", "kept['= %glm']", "kept['a']: object", "x = kept['a']", "[*x]", "s +"]
)
def test_assignment_to_anything(run, target: str):
    """Whatever Python can assign to may stand in front of it."""
    assert run(f"kept, s = {{}}, ''\n{target}= %glm what?") == ["what?"]


@pytest.mark.parametrize(
    "line", ["x = 1  # y = %glm what\\", "x = 'y = %glm what?'", "print(1, end='= %glm what?')"]
)
def test_no_assignment(run, shell, line: str):
    """A comment or a string that only looks like one stays as it is."""
    assert run(f"{line}\nlast = {len(line)}\n") == []
    assert shell.user_ns["last"] == len(line)


def test_answer_is_the_value_of_the_cell(run, shell, capsys):
    """As the last line it is the value of the cell, which IPython shows."""
    run("x = 1")
    assert shell.run_cell("%glm what?").result == "answer to what?"
    assert "answer to what?" in capsys.readouterr().out


def test_several(run):
    """Each question of a cell is asked, in order."""
    assert run("%glm one?\n\n  # note\n%glm it's two (\nx = 1\n%glm three?") == [
        "one?",
        "it's two (",
        "three?",
    ]


def test_after_other_magics(run):
    """Magics and shell lines before, odd quotes in them too, do not hide a question."""
    assert run("%env X=\"'''\n!true '\"\"\"'\n%glm what?") == ["what?"]
    assert run("%glm one '''\n%glm two?") == ["one '''", "two?"]


def test_indented_cell(run):
    """A cell that is indented as a whole is read as if it were not."""
    assert run("    x = 1\n    %glm what?\n") == ["what?"]


def test_pasted_prompt(run):
    """A line pasted with its prompt is read without it."""
    assert run("In [1]: %glm what?") == ["what?"]


def test_blank_lines_before_a_cell_magic(run):
    """Blank lines before `%%glm` change nothing."""
    assert run("\n\n%%glm what?") == [("what?", "\n")]


@pytest.mark.parametrize("cell", ["%%time\n{}", "%%capture\n{}", "%%time\n\nfor n in [1]:\n    {}"])
def test_in_the_body_of_a_cell_magic_that_runs_it(run, capsys, cell: str):
    """Where a cell magic runs its body, a question in it is asked."""
    assert run(cell.format("%glm what is x?")) == ["what is x?"]


def test_continued_line(run, shell):
    """A backslash at the end of the line continues the question on the next."""
    assert run("%glm one \\\n  two \\\n\tthree?\nx = 5") == ["one  two  three?"]
    assert shell.user_ns["x"] == 5


def test_continued_on_a_blank_line(run, shell):
    """A backslash before a blank line leaves the line after it alone."""
    assert run("%glm one \\\n\nx = 6") == ["one  "]
    assert shell.user_ns["x"] == 6


def test_backslash_at_the_end(run):
    """A backslash that continues nothing is text."""
    assert run("%glm C:\\") == ["C:\\"]


def test_windows_line_ends(run):
    """Carriage returns are no part of the text."""
    assert run("%glm one?\r\n%glm two\r\n") == ["one?", "two"]


# -- What stays as it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "x = 5 %glm\n",
        "# %glm what?\n",
        "%glm\n",
        "%glm?\n",
        "%glm??\n",
        "?%glm\n",
        "%%glm?\n",
        "%%glm what?\nbody\n",
        "%glmcmd status?\n",
        "%glm_chat what?\n",
        "%%glmcmd\n",
        "%%bash\n%glm what?\n",
        "%%writefile notes.txt\n%glm what?\n",
        'text = """\n%glm what?\n"""\n',
        "text = '''a\n\n%glm what?\nb'''\n",
        'text = f"""{x}\n  %glm what?\n"""\n',
        'text = """\n%s"""\nmore = """\n%glm what?\n"""\n',
        "x = (a\n  %glm what\n)\n",
        "x = a \\\n  %glm\n",
        "x = [\n%glm (b)\n]\n",
    ],
)
def test_left_alone(cell: str):
    """Help, other magics, comments, strings, expressions and foreign cells are not touched."""
    assert cell == "".join(cleanup(cell.splitlines(keepends=True)))


def test_question_after_a_string(run, shell):
    """A question after a string with `%glm` in it is asked, the string kept."""
    assert run('text = """\n%s"""\nmore = """\n%glm no?\n"""\n%glm yes?') == ["yes?"]
    assert (shell.user_ns["text"], shell.user_ns["more"]) == ("\n%s", "\n%glm no?\n")


def test_string_in_an_expression_that_divides(run, shell):
    """A line that begins with a percent sign within brackets is arithmetic."""
    assert run("glm = 4\nx = (7\n%glm )\n%glm what?") == ["what?"]
    assert shell.user_ns["x"] == 3


def test_body_of_writefile(run, tmp_path):
    """A file is written as typed."""
    file = tmp_path / "notes.txt"
    assert run(f"%%writefile {file}\n%glm what?\n") == []
    assert file.read_text() == "%glm what?\n"


def test_body_of_bash(run, capfd):
    """A shell script is run as typed."""
    assert run("%%bash\ncat <<'END'\n%glm what?\nEND\n") == []
    assert capfd.readouterr().out == "%glm what?\n"


def test_help_is_still_shown(run, capsys):
    """`%glm?` and `%glm??` show help and ask nothing."""
    for cell in ("%glm?", "%glm??", "?%glm"):
        assert run(cell) == []
        assert "Note the call" in capsys.readouterr().out


def test_other_magics_are_called(run):
    """`%glmcmd` and an empty `%glm` go their usual way."""
    assert run("%glmcmd undo main") == ["cmd undo main"]
    assert run("%glm") == [""]


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("%%glm what?", "incomplete"),
        ("%%glm what?\nbody\n", "incomplete"),
        ("%%glm what?\nbody\n\n", "complete"),
        ("%glm what?", "complete"),
        ("%glm explain (a", "complete"),
        ("for n in x:\n    %glm what?", "incomplete"),
    ],
)
def test_completeness_in_a_terminal(shell, cell: str, status: str):
    """The terminal still waits for the body of `%%glm`, and runs `%glm` at once."""
    assert status == shell.check_complete(cell)[0]
