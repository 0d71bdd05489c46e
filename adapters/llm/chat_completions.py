"""Text from any server that speaks OpenAI's `chat/completions`, token by token: vLLM, llama.cpp, Ollama, OpenAI.

    async with ChatServer("http://127.0.0.1:8000/v1", "my-model") as model:
        async for token in model.answer([Message("user", "Hello!")]):
            await session.send(token)

Leaving the loop early closes the HTTP stream, which is how a server learns that nobody wants the rest.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from voiceagent.errors import InputError, LanguageModelError
from voiceagent.errors.extras import install_hint

if TYPE_CHECKING:
    import httpx

    from voiceagent.talk.dialogue import Message

CONNECT_S = 5.0
# A model that is being loaded, or that thinks before it writes, is silent for long.
SILENCE_S = 120.0
SHOWN_CHARS = 300


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list)
    error: Any = None


class ChatServer:
    """A `LanguageModel` behind HTTP; enter it with `async with`.

    Args:
        url: up to and with `/v1`.
        model: as the server calls it; None is its first one.
        api_key: sent as a bearer token; None sends none.
        options: more fields of the request, such as `temperature` or `max_tokens`.

    Raises:
        InputError: the URL is none, or httpx is not installed.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        api_key: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        try:
            import httpx
            import httpx_sse  # noqa: F401  found missing now rather than in the middle of a talk
        except ImportError as error:
            raise InputError(f"a language model over HTTP needs more: {install_hint('llm')}") from error
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{url!r} is no URL of a language model; one looks like http://127.0.0.1:8000/v1")
        self.url = url.rstrip("/")
        self.model = model
        self._options = options or {}
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
        )

    async def __aenter__(self) -> ChatServer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def models(self) -> list[str]:
        """Names of the models that the server has.

        Raises:
            LanguageModelError: it cannot be asked.
        """
        import httpx

        try:
            response = await self._client.get(f"{self.url}/models")
            await self._check(response)
            return [str(model["id"]) for model in response.json()["data"]]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except (KeyError, TypeError, ValueError) as error:
            raise LanguageModelError(f"{self.url}/models is no list of models: name the model yourself") from error

    async def answer(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The answer to the last message, piece by piece; closing the generator closes the HTTP stream.

        Raises:
            LanguageModelError: not reachable, refused, or broken off; what came before is good.
        """
        import httpx
        import httpx_sse

        if self.model is None:
            self.model = next(iter(await self.models()), None)
        request = {
            **self._options,
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "stream": True,
        }
        headers = {"Accept": "text/event-stream"}
        finished = False
        try:
            async with self._client.stream(
                "POST", f"{self.url}/chat/completions", json=request, headers=headers
            ) as response:
                await self._check(response)
                # Not response.aiter_lines(): it also splits at U+2028, which JSON may hold unescaped.
                async with aclosing(httpx_sse.EventSource(response).aiter_sse()) as events:
                    async for event in events:
                        if event.data == "[DONE]":
                            finished = True
                            break
                        piece, over = self._read(event.data)
                        finished = finished or over
                        if piece:
                            yield piece
        except httpx_sse.SSEError as error:
            raise LanguageModelError(f"{self.url} does not stream: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if not finished:
            raise LanguageModelError(f"{self.url} broke off in the middle of its answer")

    def _read(self, data: str) -> tuple[str, bool]:
        """Text of an event, and whether it was the last one."""
        try:
            chunk = msgspec.json.decode(data, type=_Chunk)
        except msgspec.MsgspecError as error:
            raise LanguageModelError(
                f"{self.url} sends what is no chat completion: {data[:SHOWN_CHARS]!r} ({error})"
            ) from error
        if chunk.error is not None:
            raise LanguageModelError(f"{self.url} failed: {_message(chunk.error)}")
        if not chunk.choices:
            return "", False
        choice = chunk.choices[0]
        return choice.delta.content or choice.delta.refusal or "", choice.finish_reason is not None

    async def _check(self, response: httpx.Response) -> None:
        """Raises what an answer that is no success means."""
        if response.is_success:
            return
        body = (await response.aread()).decode("utf-8", "replace")
        try:
            reason = _message(msgspec.json.decode(body).get("error", body))
        except (msgspec.MsgspecError, AttributeError):
            reason = body[:SHOWN_CHARS]
        mend = {
            401: "; give the right key: --api-key, or OPENAI_API_KEY",
            403: "; give a key that may: --api-key, or OPENAI_API_KEY",
            404: "; does the URL end in /v1, and has the server this model?",
        }.get(response.status_code, "")
        raise LanguageModelError(f"{self.url} answers {response.status_code}: {reason.strip() or 'no reason'}{mend}")

    def _unreachable(self, error: Exception) -> LanguageModelError:
        import httpx

        what = str(error) or type(error).__name__
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return LanguageModelError(f"no language model at {self.url}: {what}; start one, or name another: --llm-url")
        if isinstance(error, httpx.TimeoutException):
            return LanguageModelError(f"{self.url} was silent for {SILENCE_S:.0f} s")
        return LanguageModelError(f"{self.url} broke off in the middle of its answer: {what}")


def _message(error: Any) -> str:
    """The words in an error, which servers put in three different places."""
    if isinstance(error, dict):
        error = error.get("message", error)
    return str(error)[:SHOWN_CHARS]
