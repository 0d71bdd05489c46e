"""The page for people: type or paste a text, hear it, see each word as it is spoken.

GET /              the page
GET /page/{name}   its files

Plain files, served as they lie in `page_files/`: no build step, nothing from elsewhere. The page holds no secret, so that it
needs no token; the connection that it opens does, and takes it from the page's address: /?token=x
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).with_name("page_files")
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Its own files and its own server, nothing else: no inline script, no frame around it, no form that leads away.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",  # its address may have a token in it
    "X-Content-Type-Options": "nosniff",
}


async def index(request: Request) -> Response:
    """The page."""
    return _file("index.html")


async def part(request: Request) -> Response:
    """A file of the page."""
    return _file(request.path_params["name"])


def _file(name: str) -> Response:
    # Names are compared with what lies there, so that none leads out of the folder.
    found = next((path for path in FOLDER.iterdir() if path.name == name and path.suffix in MEDIA_TYPES), None)
    if found is None:
        raise HTTPException(404)
    return Response(found.read_bytes(), media_type=MEDIA_TYPES[found.suffix], headers=HEADERS)


ROUTES: Sequence[BaseRoute] = (Route("/", index), Route("/page/{name}", part))
