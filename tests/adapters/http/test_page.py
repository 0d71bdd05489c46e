"""The page in a headless Chromium, against a real server whose engine speaks noise: every sample counts."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from support.chromium import Page, browser_page
from support.cutter import line_to
from support.loopback import Server, running
from support.noise import NoiseEngine

from voiceagent.adapters.http.page import FOLDER
from voiceagent.settings.serve import ServeConfig

TEXT = "Good morning! The \u201cslow\u201d train, 🚂 it seems, leaves late. Five more words come here."
WORDS = [word.rstrip(".?!,") for word in TEXT.split()]

# On the audio thread: whatever the processor writes is sent out, too.
TAP = """
const register = registerProcessor;
globalThis.registerProcessor = (name, Processor) => register(name, class extends Processor {
  process(inputs, outputs, parameters) {
    const alive = super.process(inputs, outputs, parameters);
    const played = outputs[0][0];
    if (played.some(Boolean)) this.port.postMessage({ tapped: played.slice(), at: currentFrame });
    return alive;
  }
});
"""
# In the page: what comes from there is kept, and so is what the page sends, and which words lit up when.
WATCH = """
window.tapped = []; window.sent = []; window.lit = [];
window.AudioContext = class extends AudioContext { constructor(...a) { super(...a); window.context = this; } };
window.AudioWorkletNode = class extends AudioWorkletNode {
  constructor(...a) {
    super(...a);
    this.port.addEventListener("message", ({ data }) => data.tapped && tapped.push(data));
  }
};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  sent.push({ ...JSON.parse(data), ms: performance.now() });
  return send.call(this, data);
};
new MutationObserver((changes) => {
  for (const { target, oldValue } of changes) {
    if (target.classList.contains("said") && !(oldValue ?? "").includes("said")) {
      lit.push({ text: target.textContent, ms: performance.now() });
    }
  }
}).observe(document, { subtree: true, attributeFilter: ["class"], attributeOldValue: true });
"""
CONNECTED = "document.getElementById('line').textContent === 'connected'"
PLAYED_OUT = "document.getElementById('stop').disabled && Number(document.getElementById('played').value) > 0"


@pytest.fixture
def server() -> Iterator[Server]:
    with running(NoiseEngine()) as server:
        yield server


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Page]:
    async with browser_page(before=WATCH) as page:
        await page.replace_script("player.js", TAP + (FOLDER / "player.js").read_text())
        await page.go(url)
        yield page


async def speak(page: Page, text: str = TEXT) -> None:
    await page.until(CONNECTED)
    await page.evaluate(f"document.getElementById('text').value = {json.dumps(text)}")
    await page.evaluate("document.getElementById('speak').click()")


async def played(page: Page) -> NDArray[np.int16]:
    """All samples that left the audio thread; noise is never silent, so that zeros are gaps, which are left out."""
    values = await page.evaluate("tapped.flatMap(({ tapped }) => Array.from(tapped, (v) => Math.round(v * 32767)))")
    samples: NDArray[np.int16] = np.array([value for value in values if value], np.int16)
    return samples


def said(server: Server) -> NDArray[np.int16]:
    assert isinstance(server.fake, NoiseEngine)
    return np.frombuffer(server.fake.said(), "<i2")


async def test_what_is_played_is_what_was_sent_and_words_light_up_in_time(server: Server) -> None:
    async with visiting(server.http) as page:
        await speak(page)
        await page.until(PLAYED_OUT)
        np.testing.assert_array_equal(await played(page), said(server))
        lit = await page.evaluate("lit")
        bare = [entry["text"].strip("\u201c\u201d,.!?") for entry in lit]
        assert bare == [word.strip("\u201c\u201d") for word in WORDS]
        # As often as a word is 0.2 s long; a machine with much else to do may stutter.
        steps = np.diff([entry["ms"] for entry in lit])
        assert 120 < statistics.median(steps) < 300
        assert await page.evaluate("document.getElementById('words').textContent") == TEXT
        assert 0 <= int(await page.evaluate("document.getElementById('first').value")) < 10_000
        assert page.problems == []


async def test_text_comes_as_a_language_model_writes_it(server: Server) -> None:
    async with visiting(server.http) as page:
        await page.evaluate("document.getElementById('tokens').click()")
        await speak(page)
        await page.until(PLAYED_OUT)
        texts = await page.evaluate("sent.filter(({ type }) => type === 'text')")
        np.testing.assert_array_equal(await played(page), said(server))
    assert "".join(message["text"] for message in texts) == TEXT
    assert len(texts) > 15
    seconds = (texts[-1]["ms"] - texts[0]["ms"]) / 1000
    assert seconds > (len(texts) - 1) / 30 - 0.02


async def test_stop_is_silence_at_once_and_shows_what_was_heard(server: Server) -> None:
    for attempt in range(3):
        async with visiting(server.http) as page:
            await speak(page)
            await page.until("lit.length >= 4")
            stopped_s = await page.evaluate(
                "(() => { const at = context.currentTime; document.getElementById('stop').click(); return at; })()"
            )
            await page.until("!document.getElementById('heard').hidden")
            lit = await page.evaluate("lit.length")
            begun_s = await page.evaluate("context.currentTime")
            await page.until(f"context.currentTime > {begun_s} + 0.3")
            last_s = (await page.evaluate("tapped.at(-1).at + tapped.at(-1).tapped.findLastIndex(Boolean)")) / 24_000
            spoken = await page.evaluate("document.getElementById('spoken').textContent")
            remaining = await page.evaluate("document.getElementById('remaining').textContent")
        assert TEXT.startswith(spoken)
        assert TEXT.endswith(remaining)
        assert len(spoken) + len(remaining) + 1 == len(TEXT)
        assert lit - 2 <= len(spoken.split()) <= lit
        assert not server.fake.live
        if last_s - stopped_s < 0.05:
            return
        print(f"attempt {attempt}: silent after {last_s - stopped_s:.3f} s")
    raise AssertionError("sound went on for more than 50 ms each time")


async def test_a_lost_connection_is_told_and_taken_up_again(server: Server) -> None:
    server.fake.latency_s = 0.05
    async with line_to(server.address) as (line, url), visiting(url.replace("ws:", "http:")) as page:
        await speak(page)
        await page.until("lit.length >= 2")
        line.dead = True
        line.cut()
        notice = await page.until("document.getElementById('notice').textContent")
        assert notice == "The server went away. Connecting again\u2026"
        assert await page.evaluate("document.getElementById('speak').disabled")
        line.dead = False
        await page.until(CONNECTED)
        assert await page.evaluate("document.getElementById('notice').hidden")
        await page.until(PLAYED_OUT)
        np.testing.assert_array_equal(await played(page), said(server))
        lit = await page.evaluate("lit.map(({ text }) => text)")
        assert len(lit) == len(WORDS)


async def test_a_server_that_has_forgotten_is_told_apart() -> None:
    with running(NoiseEngine(latency_s=0.05), ServeConfig(resume_window_s=0)) as server:
        async with line_to(server.address) as (line, url), visiting(url.replace("ws:", "http:")) as page:
            await speak(page)
            await page.until("lit.length >= 2")
            line.cut()
            await page.until("document.getElementById('notice').textContent.includes('not spoken')")
            await page.until(PLAYED_OUT)  # what had come is still played
            samples = await played(page)
            np.testing.assert_array_equal(samples, said(server)[: len(samples)])
            await page.evaluate("tapped.length = 0")
            await speak(page, "Again. And stopped while nobody is there.")
            await page.until("lit.at(-1).text === 'stopped'")
            line.dead = True
            line.cut()
            await page.until("document.getElementById('notice').textContent.includes('went away')")
            await page.evaluate("document.getElementById('stop').click()")
            spoken = await page.evaluate("document.getElementById('spoken').textContent")
            assert "Again. And stopped while".startswith(spoken)
            assert spoken.startswith("Again. And")


async def test_what_cannot_be_spoken_is_told_and_the_next_text_is(server: Server) -> None:
    async with visiting(server.http) as page:
        await speak(page, "...")
        notice = await page.until("document.getElementById('notice').textContent")
        assert notice == "nothing in this text can be spoken"
        await page.until("document.getElementById('stop').disabled")
        await page.evaluate("document.getElementById('voice').append(new Option('nobody', 'nobody', true, true))")
        await speak(page, "Hello.")
        await page.until("document.getElementById('notice').textContent.startsWith('unknown voice')")
        await page.until("document.getElementById('stop').disabled")
        await page.evaluate("document.getElementById('voice').value = 'joe'")
        await speak(page, "Hello.")
        await page.until(PLAYED_OUT)
        assert await page.evaluate("document.getElementById('notice').hidden")


async def test_a_token_in_the_address_or_by_hand() -> None:
    with running(NoiseEngine(), ServeConfig(auth_tokens=("secret & more",))) as server:
        async with visiting(f"{server.http}/?token=secret+%26+more") as page:
            await speak(page, "One two.")
            await page.until(PLAYED_OUT)
            np.testing.assert_array_equal(await played(page), said(server))
        async with visiting(server.http) as page:
            await page.until("!document.getElementById('door').hidden")
            assert "token" in await page.evaluate("document.getElementById('notice').textContent")
            await page.evaluate("document.getElementById('token').value = 'secret & more'")
            await page.evaluate("document.getElementById('door').requestSubmit()")
            await page.until(CONNECTED)
            assert await page.evaluate("document.getElementById('door').hidden")


async def test_everything_has_a_name_and_fits_a_phone(server: Server) -> None:
    async with browser_page() as page:
        await page.call("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=1, mobile=True)
        await page.go(server.http)
        await page.until(CONNECTED)
        unnamed = "[...document.querySelectorAll('input, select, textarea')].filter((e) => !e.labels.length).length"
        assert await page.evaluate(unnamed) == 0
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await page.evaluate("[...document.getElementById('voice').options].map((o) => o.value)") == [
            "heart",
            "joe",
        ]
        assert (await page.screenshot()).startswith(b"\x89PNG")
        # The policy holds: what is injected does not run.
        await page.evaluate("document.body.append(Object.assign(document.createElement('img'), { src: 'data:,' }))")
        await asyncio.sleep(0.1)
        assert any("Content Security Policy" in problem for problem in page.problems)


def test_nothing_but_the_files_of_the_page_is_served(server: Server) -> None:
    index = httpx.get(server.http)
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in index.headers["content-security-policy"]
    assert "unsafe" not in index.headers["content-security-policy"]
    for path in FOLDER.iterdir():
        assert httpx.get(f"{server.http}/page/{path.name}").content == path.read_bytes()
    for name in ("../page.py", "%2e%2e%2fpage.py", "nothing.js", ""):
        assert httpx.get(f"{server.http}/page/{name}").status_code in (404, 307)
    assert "http" not in index.text.replace("http-equiv", "")  # nothing comes from elsewhere
