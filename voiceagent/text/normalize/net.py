"""Addresses of the net, telephone numbers, versions, codes: what must be recognised before figures are."""

from __future__ import annotations

import re
from typing import Final

from voiceagent.text.normalize import number_words as N
from voiceagent.text.normalize.rule import Rule

__all__ = ["RULES"]

_DOMAINS: Final = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|co|uk|us|de|fr|ca|au|eu|ch|nl|jp|in|tv|me|ly|app"
    "|dev|xyz|tech|cloud|online|site|blog"
)
_HOST: Final = rf"(?:[A-Za-z0-9][A-Za-z0-9-]{{0,62}}\.){{1,6}}(?:{_DOMAINS})(?![A-Za-z0-9-])"
_SPELLED: Final = frozenset("io ai uk us de fr ca au eu ch nl jp in tv ly".split())
_EXTENSIONS: Final = {
    "py": "py", "js": "JS", "ts": "TS", "tsx": "TSX", "jsx": "JSX", "html": "HTML", "css": "CSS", "json": "jason", "txt": "text", "csv": "CSV", "pdf": "PDF",
    "png": "PNG", "jpg": "jay peg", "jpeg": "jay peg", "gif": "gif", "md": "MD", "yaml": "yaml", "yml": "yaml", "toml": "toml",
    "exe": "EXE", "sh": "SH", "cpp": "CPP", "rs": "RS", "go": "go", "java": "java", "sql": "SQL", "xml": "XML", "zip": "zip",
    "doc": "doc", "docx": "doc X", "xls": "XLS", "xlsx": "XLSX", "ppt": "PPT", "mp3": "MP three", "mp4": "MP four", "wav": "wave",
    "log": "log", "cfg": "CFG", "ini": "ini", "env": "env", "gz": "GZ", "tar": "tar",
}  # fmt: skip


def _label(text: str) -> str:
    """A part of a host name or path: figures as digits, dashes and underscores as breaks."""
    words = re.findall(r"[A-Za-z]+|\d+", text)
    return " ".join(
        N.digits(word) if word.isdigit() and len(word) > 2 else N.count(word) if word.isdigit() else word
        for word in words
    )


def _host(host: str) -> str:
    labels = host.removeprefix("www.").split(".")
    last = labels[-1].lower()
    return " dot ".join([*(_label(label) for label in labels[:-1]), N.spell(last) if last in _SPELLED else last])


def _url(match: re.Match[str]) -> str:
    path = re.split(r"[?#]", match["path"] or "")[0].strip("/")
    words = _host(match["host"]) if match["host"] else "link"
    if match["port"]:
        words += f" port {N.digits(match['port'])}"
    parts = [part for part in path.split("/") if part]
    if len(parts) <= 2 and len(path) <= 40:
        for part in parts:
            words += " slash " + " dot ".join(_label(piece) for piece in part.split(".") if _label(piece))
    return words


def _ipv6(match: re.Match[str]) -> str | None:
    return " colon ".join(N.spell(part) for part in match.group().split(":")).replace("  ", " ").strip()


def _hexadecimal(match: re.Match[str]) -> str | None:
    mark = match["mark"]
    if mark == "#" and len(match["digits"]) not in (3, 6, 8):
        return None
    if mark == "#" and match["digits"].isdigit():
        return None
    named = {"#": "hash", "U+": "U plus"}.get(mark) or f"zero {mark[1].lower()}"
    return f"{named} {N.spell(match['digits'])}"


def _named_version(match: re.Match[str]) -> str:
    """As people say them: "three point eleven" for 3.11, "twenty two point oh four" for 22.04."""
    first, second = match[2], match[3]
    said = f"oh {N.count(second[1])}" if len(second) == 2 and second[0] == "0" else N.count(second)
    return f"{match[1]}{N.count(first)} point {said}"


def _email(match: re.Match[str]) -> str:
    local = re.sub(r"\d+", lambda m: f" {N.digits(m.group())} ", match["local"])
    for sign, word in ((".", " dot "), ("_", " underscore "), ("-", " dash "), ("+", " plus "), ("%", " percent ")):
        local = local.replace(sign, word)
    return " ".join(f"{local} at {_host(match['domain'])}".split())


def _phone(match: re.Match[str]) -> str:
    """Digit by digit, a pause after each group."""
    groups = re.findall(r"\+?\d+", match.group())
    said = [("plus " if group[0] == "+" else "") + N.digits(group) for group in groups]
    return ", ".join(said)


def _dotted(match: re.Match[str]) -> str:
    parts = match.group().split(":")[0].split(".")
    joint = " dot " if len(parts) == 4 else " point "
    return joint.join(N.count(part) for part in parts) + (f", port {N.digits(match['port'])}" if match["port"] else "")


def _version(match: re.Match[str]) -> str | None:
    """Say "version one point two" for "v1.2" and "Version v1.2"; an engine is a "V eight"."""
    word, number = match["word"], match[2]
    if not word and match.group()[0] == "V" and "." not in number:
        return f"V {N.count(number)}"
    said = " point ".join(N.count(part) if len(part) < 3 else N.digits(part) for part in number.split("."))
    named = "release" if word and word[0] in "rR" else "version"
    return f"{named.capitalize() if word and word[0].isupper() else named} {said}"


def _file(match: re.Match[str]) -> str:
    stem = " dot ".join(part if part.isalpha() else _label(part) for part in match["stem"].split("."))
    up = {"./": "dot slash ", "../": "dot dot slash "}.get(match["dot"] or "", "")
    return f"{up}{stem} dot {_EXTENSIONS[match['ext'].lower()]}"


def _path(match: re.Match[str]) -> str:
    parts = [part for part in match.group().split("/") if part]
    said = [("dot " if part[0] == "." else "") + _label(part) for part in parts if part != "~"]
    return ("tilde slash " if match.group()[0] == "~" else "slash ") + " slash ".join(said)


_NO_DIGIT: Final = r"(?<![\w.+-])"
_VERSIONED: Final = (
    "Python|Ubuntu|Debian|Fedora|Java|iOS|iPadOS|macOS|Android|Windows|Node|Node.js|Go|Rust|PHP|Ruby|Kotlin|Swift|Django|React|"
    "Angular|Vue|Kubernetes|Docker|Postgres|PostgreSQL|MySQL|Redis|Linux|kernel|Chrome|Firefox|Safari|CUDA|PyTorch|TensorFlow|"
    "[Vv]ersion|[Rr]elease|TypeScript|Scala|Perl|Lua|Julia|NumPy|pandas|Bluetooth|HTML|CSS|HTTP|TLS|USB"
)
RULES: Final[tuple[Rule, ...]] = (
    (re.compile(rf"\b((?:{_VERSIONED}) )[vV]?(\d{{1,3}})\.(\d{{1,2}})(?![\w%]|\.\d)"), _named_version),
    (re.compile(r"\b(localhost):(\d{2,5})\b"), lambda m: f"{m[1]} port {N.digits(m[2])}"),
    (
        re.compile(r"(?<![\w-])1-(8\d\d)-([A-Z]{2,10}(?:-[A-Z]{2,10})?|\d{3}-[A-Z]{4})(?![\w-])"),
        lambda m: (
            f"one, {'eight hundred' if m[1] == '800' else N.digits(m[1])}, {N.digits(m[2][:3]) + ', ' + m[2][4:] if m[2][0].isdigit() else m[2].replace('-', ' ')}"
        ),
    ),
    (re.compile(r"(?i)\b(ext(?:ension)?\.?) (\d{2,6})(?![\w.]*\w)"), lambda m: f"extension {N.digits(m[2])}"),
    (
        re.compile(
            r"(?i)\b((?:call|dial|text|phone|phone number|number|at|tel\.?|mobile|cell|whatsapp):? (?:is )?)"
            r"(\d{3})(\d{3})(\d{4})(?!\w)"
        ),
        lambda m: f"{m[1]}{N.digits(m[2])}, {N.digits(m[3])}, {N.digits(m[4])}",
    ),
    (re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\w:])"), lambda m: N.spell(m.group())),
    (
        re.compile(
            r"(?<![\w@.])(?P<local>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63})@(?P<domain>(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za"
            r"-z]{2,12})\b"
        ),
        _email,
    ),
    (
        re.compile(r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])"),
        lambda m: ", ".join(N.spell(part) for part in m.group().split("-")),
    ),
    (
        re.compile(
            r"(?<![\w:])(?=[a-fA-F:]{0,20}\d)(?=[0-9a-fA-F:]{0,40}(?:::|(?::[0-9a-fA-F]{1,4}){4}))(?:[0-9a-fA-F]{0,"
            r"4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])"
        ),
        _ipv6,
    ),
    (
        re.compile(r"(?<![\w.])(?P<mark>0[xXbBoO]|U\+|#(?=[0-9A-Fa-f]{0,5}\d))(?P<digits>[0-9A-Fa-f]{2,16})(?!\w)"),
        _hexadecimal,
    ),
    (
        re.compile(r"(?i)\b(ISBN(?:-1[03])?:? )(\d[\d-]{8,16}[\dX])(?![\w-])"),
        lambda m: m[1] + ", ".join(N.spell(part) for part in m[2].split("-")),
    ),
    (re.compile(r"(?<![\w&])#(?=[A-Z]{1,4}-?\d)"), lambda m: "number "),
    (
        re.compile(
            r"(?:https?|ftp)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){0,6}[A-Za-z0-9-]{1,62})?(?P<port>:\d{1,"
            r"5})?(?P<path>[^\s\"'<>]*?)(?=[.,;:!?)\]]*(?:[\s\"'<>]|$))"
        ),
        _url,
    ),
    (
        re.compile(
            (
                rf"(?<![\w@.])(?P<host>(?:www\.)?{_HOST})(?P<port>:\d{2, 5})?(?P<path>(?:/[^\s\"'<>]*?)?)(?=[.,;:!?)\]]*"
                rf"(?:[\s\"'<>]|$)|')"
            ),
            re.I,
        ),
        _url,
    ),
    (
        re.compile(
            rf"(?<![\w.])(?P<dot>\.{{1,2}}/(?=\w))?(?P<stem>[A-Za-z][\w-]{{0,40}}(?:\.[A-Za-z]\w{{0,20}})?)\."
            rf"(?P<ext>{'|'.join(_EXTENSIONS)})(?![\w.]*\w)"
        ),
        _file,
    ),
    (
        re.compile(
            r"(?<![\w/.:])(?:~(?=/)(?:/[A-Za-z_.][\w.-]{0,40}){1,8}|(?:/[A-Za-z_][\w.-]{0,40}){2,8})/?"
            r"(?![\w/])"
        ),
        _path,
    ),
    (re.compile(_NO_DIGIT + r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.]*\d)(?::(?P<port>\d{2,5}))?"), _dotted),
    (re.compile(r"(?<![\w.+])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]\d{2,8}){1,4}(?![\w-])"), _phone),
    (re.compile(r"(?<![\w.+-])(?:1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"), _phone),
    (re.compile(r"(?<![\w.+-])\d{3}-\d{4}(?![\w-])"), _phone),
    (
        re.compile(r"(?<![\w.,$€£+-])([2-9]\d\d)(\d{3})(\d{4})(?!\w|[.,]\d)(?! ?(?:%|[a-z]+s\b|people))"),
        lambda m: ", ".join(N.digits(part) for part in m.groups()),
    ),
    (re.compile(r"(?<![\w.+-])\d{4}(?:[ -]\d{4}){3}(?![\w-])"), _phone),
    (re.compile(r"(?<![\w.+-])\d{3}-\d{2}-\d{4}(?![\w-])"), _phone),
    (
        re.compile(r"\b(?P<word>[Vv]ersion |[Vv]er\.? |[Rr]elease )[vV]?(\d{1,4}(?:\.\d{1,4}){0,4})(?![\w.]*\w)"),
        _version,
    ),
    (re.compile(r"\b(?P<word>)[vV](\d{1,4}(?:\.\d{1,4}){0,4})(?![\w.]*\w)"), _version),
    (re.compile(_NO_DIGIT + r"(?!\d\d\.\d\d\.\d{4}\b)\d{1,4}(?:\.\d{1,6}){2,4}(?P<port>)(?![\w.]*\w)"), _dotted),
    (re.compile(r"(?i)\b((?:call|dial|text|phone) )(\d{3})\b"), lambda m: m[1] + N.digits(m[2])),
    (re.compile(r"(?<![\w$#.,-])911(?![\w.,%-]*\w)"), lambda m: "nine one one"),
)
