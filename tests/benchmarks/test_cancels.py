"""Cancels at random times: the bench that makes thousands of them, with a few hundred and an engine whose words are known."""

from __future__ import annotations

import asyncio
import os
import threading

from cancels import storm
from support.fakes import FakeEngine
from support.loopback import running
from support.waiting import eventually

COUNT, CLIENTS = 300, 12
WORD_MS = 100


async def test_no_frame_after_cancelled_and_nothing_left_behind() -> None:
    texts = ["One two three four five six seven eight nine ten eleven twelve. ", "Yes. ", "No, not at all, my friend! "]
    engine = FakeEngine(threaded=True, word_s=WORD_MS / 1000, latency_s=0.0005)
    with running(engine) as server:
        before, tasks = (
            (threading.active_count(), len(os.listdir("/proc/self/fd"))),
            len(asyncio.all_tasks(server.loop)),
        )
        result = await storm(server.address, texts, voice="heart", count=COUNT, clients=CLIENTS)
        await eventually(lambda: server.service.connections == 0)
        await eventually(lambda: len(asyncio.all_tasks(server.loop)) <= tasks)
        await eventually(lambda: (threading.active_count(), len(os.listdir("/proc/self/fd"))) <= before)
        assert not engine.live
        assert server.service.open_utterances == 0
    assert len(result.answer_s) == COUNT
    assert (result.stale, result.split_wrong) == (0, 0)
    assert 10 < result.before_sound < COUNT
    # Every word sounds as long as every other: what was heard to its end can be counted.
    wrong = [(ms, text) for ms, text in result.heard if abs(len(text.split()) - ms // WORD_MS) > 1]
    assert wrong == []
