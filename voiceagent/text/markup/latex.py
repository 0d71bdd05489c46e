"""Formulas as people read them aloud. Simple ones; what is not understood is left out."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["speak_math"]

_COMMANDS: Final = {
    "times": "times", "cdot": "times", "div": "divided by", "pm": "plus or minus", "leq": "is at most",
    "le": "is at most",
    "geq": "is at least", "ge": "is at least", "neq": "is not equal to", "ne": "is not equal to",
    "approx": "is approximately", "equiv": "is equivalent to", "to": "to", "rightarrow": "to", "infty": "infinity",
    "sum": "the sum of", "prod": "the product of", "int": "the integral of", "partial": "partial", "nabla": "nabla",
    "in": "in", "cup": "union", "cap": "intersection", "forall": "for all", "exists": "there exists",
    "ldots": "and so on",
    "dots": "and so on", "cdots": "and so on", "lt": "is less than", "gt": "is greater than", "log": "log", "ln": "log",
    "sin": "sine", "cos": "cosine", "tan": "tangent", "lim": "the limit of", "max": "max", "min": "min",
    "Rightarrow": "implies", "implies": "implies", "abs": "the absolute value of", "vec": "vector",
    "circ": "degrees", "percent": "percent", "therefore": "therefore",
}  # fmt: skip
_GREEK: Final = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega".split()
)
_SIGNS: Final = {
    "+": "plus", "-": "minus", "−": "minus", "=": "equals", "<": "is less than", ">": "is greater than",
    "/": "over", "*": "times", "%": "percent", "!": "factorial", ",": ",", "'": "prime",
}  # fmt: skip
_POWERS: Final = {"2": "squared", "3": "cubed", "\\circ": "degrees", "'": "prime"}
_BOUNDED: Final = {"\\sum": "the sum", "\\prod": "the product", "\\int": "the integral", "\\lim": "the limit"}
_TOKEN: Final = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname)\{[^{}]*\}|\\[A-Za-z]+|\\.|\d+(?:[.,]\d+)*|[A-Za-z]|[{}^_]|\S"
)
_ABSOLUTE: Final = re.compile(r"\|([^|]{1,40})\|")
_DEPTH: Final = 8
_LIMIT: Final = 300


def speak_math(tex: str) -> str:
    r"""Words for a formula such as "x^2 + \frac{1}{2}"; "" when nothing of it can be said."""
    tex = tex[:_LIMIT]
    if "|" in tex:
        tex = _ABSOLUTE.sub(r"\\abs{\1}", tex)
    words = _Reader(_TOKEN.findall(tex)).read(0)
    return " ".join(" ".join(words).split())


class _Reader:
    """Reads tokens left to right; groups nest at most _DEPTH deep."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def read(self, depth: int) -> list[str]:
        words: list[str] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token == "}":
                if depth:
                    break
            elif token == "{":
                words += self.read(depth + 1) if depth < _DEPTH else []
            elif token == "^":
                raised = " ".join(self._argument(depth))
                words.append(_POWERS.get(raised, "degrees" if raised == "degrees" else f"to the power of {raised}"))
            elif token == "_":
                words += ["sub", *self._argument(depth)]
            elif token in ("\\frac", "\\tfrac", "\\dfrac"):
                words += [*self._argument(depth), "over", *self._argument(depth)]
            elif token in _BOUNDED:
                words += [_BOUNDED[token], *self._bounds(depth, token), "of"]
            elif token == "\\sqrt":
                words += ["the square root of", *self._argument(depth)]
            else:
                words += self._word(token)
        return words

    def _bounds(self, depth: int, token: str) -> list[str]:
        """From where to where: "_{i=1}^{n}", in either order."""
        words: dict[str, list[str]] = {}
        while self.at < len(self.tokens) and self.tokens[self.at] in ("_", "^") and len(words) < 2:
            mark = self.tokens[self.at]
            self.at += 1
            words[mark] = self._argument(depth)
        first = "as" if token == "\\lim" else "from" if "^" in words else "over"
        said = [first, *words["_"]] if "_" in words else []
        return said + (["to", *words["^"]] if "^" in words else [])

    def _argument(self, depth: int) -> list[str]:
        if self.at >= len(self.tokens):
            return []
        token = self.tokens[self.at]
        self.at += 1
        if token == "{":
            return self.read(depth + 1) if depth < _DEPTH else []
        return self._word(token)

    def _word(self, token: str) -> list[str]:
        if token.startswith("\\"):
            if token.endswith("}") and len(token) > 2:  # \text{...}, not the brace of a set
                return token[token.index("{") + 1 : -1].split()
            name = token[1:]
            if name in _GREEK:
                return [name.removeprefix("var").lower()]
            return [_COMMANDS[name]] if name in _COMMANDS else (["percent"] if name == "%" else [])
        if token[0].isalnum() and token.isascii():
            return [token.upper() if token == "a" else token]
        return [_SIGNS[token]] if token in _SIGNS else []
