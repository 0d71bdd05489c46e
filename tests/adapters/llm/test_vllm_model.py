"""vLLM's real engine with a tiny random model: `make vllm-test`, in an environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from support.fakes import FakeChunker, FakeEngine

from voiceagent import VoiceAgent
from voiceagent.adapters.llm.vllm_model import VllmModel
from voiceagent.agent import speak
from voiceagent.errors import InputError, LanguageModelError
from voiceagent.talk.dialogue import Message

pytest.importorskip("vllm", reason="make vllm-test")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.asyncio(loop_scope="module")]

QUESTION = [Message("system", "Be brief."), Message("user", "Who are you?")]
TEMPLATE = "{% for m in messages %}{{ m.role }} says {{ m.content }} . {% endfor %}"
WORDS = (
    "the a cat dog sees hears is was big small and then . , system user assistant says Be Who are you brief ?".split()
)
CONTEXT = 256


def make_model(folder: Path, *, template: str | None = TEMPLATE) -> str:
    """Two random layers and a tokenizer of whole words."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<unk>", "<s>", "</s>", *(f" {word}" for word in WORDS), *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.decoder = Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", chat_template=template
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=CONTEXT, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 2}))
    return str(folder)


ENGINE = {"dtype": "float32", "enforce_eager": True, "max_model_len": CONTEXT, "kv_cache_memory_bytes": 64 << 20}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VllmModel]:
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    folder = make_model(tmp_path_factory.mktemp("model"))
    sampling = {"max_tokens": 200, "ignore_eos": True, "temperature": 1.0, "seed": 0}
    async with VllmModel(folder, sampling=sampling, engine=ENGINE) as loaded:
        yield loaded


async def idle(model: VllmModel) -> None:
    for _ in range(200):
        if not model.busy:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the engine still works on an answer that nobody wants")


async def test_an_answer_streams(model: VllmModel) -> None:
    pieces = [piece async for piece in model.answer(QUESTION)]
    assert len(pieces) > 100
    assert set("".join(pieces).split()) & set(WORDS)


async def test_tokens_go_straight_into_speech_and_an_interruption_aborts(model: VllmModel) -> None:
    engine = FakeEngine(threaded=True)
    written = 0

    async def counted() -> AsyncIterator[str]:
        nonlocal written
        async with aclosing(model.answer(QUESTION)) as pieces:
            async for piece in pieces:
                written += 1
                yield piece + ". "

    async with VoiceAgent(engine, make_chunker=FakeChunker) as agent, agent.session() as session:
        async with aclosing(speak(session, counted())) as frames:
            assert len((await anext(frames)).samples)
            assert model.busy == 1, "speech began while the model was writing"
        await idle(model)
    assert 0 < written < 200
    assert engine.spoken


async def test_closing_the_answer_aborts(model: VllmModel) -> None:
    async with aclosing(model.answer(QUESTION)) as pieces:
        await anext(pieces)
        assert model.busy == 1
    await idle(model)


async def test_a_dialogue_too_long_for_the_model_is_told(model: VllmModel) -> None:
    with pytest.raises(LanguageModelError, match="vLLM failed"):
        await anext(model.answer([Message("user", "the cat " * CONTEXT)]))
    assert [piece async for piece in model.answer(QUESTION)], "the next one works"


async def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vLLM cannot load"):
        async with VllmModel(str(tmp_path), engine=ENGINE):
            pass
