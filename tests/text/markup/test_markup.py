"""What is spoken of markdown, HTML, code, formulas, emoji and the rest, and what is not."""

from __future__ import annotations

import json
import re

import pytest
from markdown_it import MarkdownIt

from voiceagent.text import Chunker, SpeechPolicy
from voiceagent.text.markup.latex import speak_math
from voiceagent.text.markup.ssml import PLAIN, pause_seconds, prosody_of
from voiceagent.text.report import report


def spoken(text: str, policy: SpeechPolicy | None = None) -> str:
    chunker = Chunker(policy)
    return " ".join(chunk.spoken for chunk in chunker.feed(text) + chunker.end() if chunk.spoken)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is **very *bold* text** here", "This is very bold text here"),
        ("a __strong__ and _soft_ word", "a strong and soft word"),
        ("~~gone~~ and ==kept==", "gone and kept"),
        ("keep snake_case and __init__ names", "keep snake case and init names"),
        ("# Big Title #\ntext", "Big Title. text"),
        ("- one\n- two\n* three\n+ four\n", "one. two. three. four."),
        ("1. First step\n2. Second step\n", "one. First step. two. Second step."),
        ("- [ ] open\n- [x] done\n", "open. done."),
        ("> quoted words\n> go on\n", "quoted words go on"),
        ("see [the docs](https://a.b/c?d=e_f) now", "see the docs now"),
        ("see ![a cat](cat.png) now", "see a cat now"),
        ("see [this][1] now", "see this now"),
        ("see <https://example.com> now", "see example dot com now"),
        ("above\n\n---\n\nbelow", "above. below"),
        ("| a | b |\n|---|---|\n| c | d |\n", "a, b. c, d."),
        ("use `max_len` here", "use max len here"),
        ("```python\nx = 1\n```\nafter", "Code omitted. after"),
        ("~~~\nx = 1\n~~~\nafter", "Code omitted. after"),
        ("a fact[1] and[^2] more【3†source】", "a fact and more"),
        ("text\n\n[^1]: a note here\nmore", "text. more"),
        ("one<br>two", "one. two"),
        ("<p>Hello <b>you</b></p>", "Hello you."),
        ("fish &amp; chips &lt;3 &nbsp;ok", "fish and chips ok"),
        ("<!-- hidden --> shown", "shown"),
        ("<script>alert(1)</script>shown", "shown"),
        ("<think>secret plan</think>The answer.", "The answer."),
        ('{"name": "get_weather", "arguments": {"city": "Paris {x}"}}\nIt is sunny.', "It is sunny."),
        ("<tool_call>{}</tool_call>It is sunny.", "It is sunny."),
        ('Wait. {"name": "f", "arguments": {"city": "Paris {x}"}} It rains.', "Wait. It rains."),
        ("I call functions.get_weather({\"city\": \"Paris\"}) now.", "I call. now."),
        ("Sure { \"name\": \"f\", \"x\": [1, 2] } done {name}.", "Sure. done name."),
        ("Use `{\"a\": 1}` here.", "Use a: one here."),
        ('[TOOL_CALLS][{"name": "x", "arguments": {}}]\nIt is two.', "It is two."),
        ('<function=get_weather>{"city": "Paris"}</function>Done.', "Done."),
        ("<|python_tag|>get_weather.call(city='Paris')<|eom_id|>It is so.", "It is so."),
        ("<function_calls><invoke name='x'></invoke></function_calls>Done.", "Done."),
        ("<｜tool▁calls▁begin｜>x<｜tool▁calls▁end｜>Fine.", "Fine."),
        (
            "<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|>"
            "<|start|>assistant<|channel|>final<|message|>Hello.<|return|>",
            "Hello.",
        ),
        ('<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>It rains.', "It rains."),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>", "Hello."),
        ("<|im_start|>assistant\nHello.<|im_end|>", "Hello."),
        ("[INST] hi [/INST] Hello.", "hi Hello."),
        ("<think>one <think>two</think> three</think>Answer.", "Answer."),
        ("[THINK]secret[/THINK]Answer.", "Answer."),
        ("thought so</think>Answer.", "thought so. Answer."),
        ("wow~~~ that is it~~~", "wow that is it"),
        ("about $2 \\times 10^7$ steps for $5 each", "about two times ten to the power of seven steps for five dollars each"),
        ("so $\\sum_{i=1}^{n} i$ and $\\text{rate of}\\ x$", "so the sum from i equals one to n of i and rate of x"),
        ("Great 🎉🎉 job 👩‍👩‍👧!", "Great job!"),
        ("thumbs 👍🏽 up ❤️", "thumbs up"),
        ("the area is $\\pi r^2$ here", "the area is pi r squared here"),
        ("so \\(a + b\\) it is", "so A plus b it is"),
        ("so\n$$\nE = mc^2\n$$\nyes", "so. Formula omitted. yes"),
        ("from $5 to $10 in all", "from five dollars to ten dollars in all"),
        ("it costs \\$5 now", "it costs five dollars now"),
        ("2 * 3 and 2*3", "two times three and two times three"),
        ("═══════ wow ═══════", "wow"),
        ("half-\u200bway ca\u00adfé", "half-way café"),
        ("“Hi,” she’d said", '"Hi," she\'d said'),
        ("x" * 300, ""),
    ],
)  # fmt: skip
def test_default_policy(text: str, expected: str) -> None:
    assert spoken(text).rstrip(".") == expected.rstrip(".")


@pytest.mark.parametrize(
    ("policy", "text", "expected"),
    [
        (SpeechPolicy(code_block="skip"), "```\nx\n```\nafter", "after"),
        (SpeechPolicy(code_block="speak"), "```python\nhello there\n```\nafter", "hello there. after"),
        (SpeechPolicy(inline_code="skip"), "use `x` now", "use now"),
        (SpeechPolicy(emoji="name"), "nice 🎉", "nice party popper"),
        (SpeechPolicy(think="speak"), "<think>plan</think> go", "plan. go"),
        (SpeechPolicy(url="skip"), "see https://example.com/a now", "see now"),
        (SpeechPolicy(image="skip"), "see ![a cat](c.png) now", "see now"),
        (SpeechPolicy(footnotes="speak"), "fact[1] here", "fact one here"),
        (SpeechPolicy(list_numbers=False), "1. First\n2. Second\n", "First. Second."),
        (SpeechPolicy(data="phrase"), '{"a": 1}\nok', "Data omitted. ok"),
        (SpeechPolicy(math_block="skip"), "$$x$$\nok", "ok"),
        (
            SpeechPolicy(math_block="speak"),
            "so\n$$\nE = mc^2\n$$\nand \\[a+b\\] ok",
            "so. E equals m c squared and A plus b ok",
        ),
        (SpeechPolicy(table="skip"), "Here:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nafter", "Here: after"),
        (SpeechPolicy(table="phrase"), "| a | b |\n|---|---|\n| 1 | 2 |\n\nafter", "Table omitted. after"),
        (SpeechPolicy(hashtag="word"), "a #tag for C# here", "a tag for C sharp here"),
        (
            SpeechPolicy(url="full"),
            "see https://a.org/b_c?d=1 now",
            "see a dot org slash b underscore c question mark d equals one now",
        ),
        (SpeechPolicy(data="phrase"), 'ok {"a": 1} so', "ok. Data omitted. so"),
    ],
)
def test_policies(policy: SpeechPolicy, text: str, expected: str) -> None:
    assert spoken(text, policy) == expected


MARKDOWN = [
    "## Plan\n\nWe *will* go to the **big** house, and then [home](http://a.b).\n\n- first thing\n"
    "- second thing with `code`\n\nThat is all.",
    'A paragraph with ***both*** kinds, an ![image](x.png "t") and <em>html</em>.\n\n> A quote\n> in two lines\n\nEnd.',
    "1. Alpha\n2. Beta\n   continued here\n\nText _after_ the list\nwith a soft break.",
]


@pytest.mark.parametrize("text", MARKDOWN)
def test_agrees_with_a_markdown_parser(text: str) -> None:
    """The words are those that a full parser finds in the text (numbers of lists aside)."""
    words: list[str] = []
    for token in MarkdownIt().parse(text):
        for child in token.children or []:
            if child.type in ("text", "code_inline", "image"):
                words += re.findall(r"[a-z']+", child.content.lower())
    policy = SpeechPolicy(list_numbers=False)
    assert re.findall(r"[a-z']+", spoken(text, policy).lower()) == words


def test_ssml() -> None:
    text = (
        '<speak>Say <say-as interpret-as="characters">ABC</say-as> and <sub alias="World Wide Web">WWW</sub>.</speak>'
    )
    assert spoken(text) == "Say A B C and World Wide Web."
    assert (pause_seconds("400ms"), pause_seconds("1.5s"), pause_seconds("99s"), pause_seconds("", "weak")) == (
        0.4,
        1.5,
        10.0,
        0.2,
    )
    rates = {"fast": 1.25, "80%": 0.8, "+10%": 1.1, "9": 2.0, "?": 1.0}
    assert {rate: prosody_of({"rate": rate}, PLAIN)[0].rate for rate in rates} == rates


def test_unknown_tags_and_entities_warn() -> None:
    chunker = Chunker()
    chunks = chunker.feed("Hello <bogus>you</bogus> there. ") + chunker.end()
    assert [chunk.spoken for chunk in chunks if chunk.spoken] == ["Hello you there."]
    assert "unknown tag <bogus> was skipped" in chunks[0].warnings
    chunker = Chunker()
    chunks = chunker.feed('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;&a;</x> fine') + chunker.end()
    assert any("entity" in warning for chunk in chunks for warning in chunk.warnings)


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        ("x^2 + y^2 = z^2", "x squared plus y squared equals z squared"),
        ("\\frac{1}{2}", "1 over 2"),
        ("\\sqrt{x_1}", "the square root of x sub 1"),
        ("\\alpha \\leq 5\\%", "alpha is at most 5 percent"),
        ("{" * 500, ""),
        ("^", "to the power of"),
    ],
)
def test_formulas(tex: str, expected: str) -> None:
    assert speak_math(tex) == expected


def test_report() -> None:
    lines = ["Dr. Lee has 2 cats.\n", "Bye!"]
    rows = list(report(lines))
    assert json.loads(json.dumps(rows)) == rows
    assert "".join(row["text"] for row in rows) == "".join(lines)
    assert rows[0]["spoken"] == "Doctor Lee has two cats."
    assert {"word": "two", "start": 12, "end": 13} in rows[0]["spans"]
    assert rows[0]["phonemes"].startswith("dˈɑktəɹ lˈi hæz tˈu")
    assert rows[-1]["final"] is True
