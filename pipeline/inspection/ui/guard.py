"""Who may ask the viewer, and what its pages may do.

- Bound to this machine alone, it answers only requests that name this machine: a page of another site
  whose name is made to point here (DNS rebinding) gets nothing.
- Bound to another address, it asks for a token, once in the address and then in a cookie.
- What changes something has to come from the viewer's own page.
- Pages run the viewer's own scripts and nothing else, and load nothing from elsewhere.
"""

import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from pipeline.hashing import digest_text

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_COOKIE_SECONDS = 30 * 24 * 3600
OWN_HEADER = "X-Berry"
"""A page of another site cannot send it without being asked first, and it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The rules, for one address."""

    host: str
    """The address that the server listens on."""
    token: str | None = None
    """What a request has to know; None for anybody on this machine."""

    @property
    def cookie(self) -> str:
        """Name of the cookie with the token; servers on other ports have others."""
        return f"berry_{digest_text(self.token or '')}"

    @web.middleware
    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses a request, or answers it with the headers that limit its page."""
        try:
            self._check_host(request)
            response = self._welcome(request)
            if response is None:
                self._check_token(request)
                if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
                    _check_own_page(request)
                response = await handler(request)
        except web.HTTPException as e:
            e.headers.update(_HEADERS)
            raise
        for name, value in {**_HEADERS, hdrs.CACHE_CONTROL: "no-cache"}.items():
            response.headers.setdefault(name, value)
        return response

    def _check_host(self, request: web.Request) -> None:
        if self.token is not None:
            return
        name = _host_name(request.host)
        if name is None or not (name == self.host or is_loopback(name)):
            raise refusal(
                web.HTTPForbidden, f"expected this machine's own name, got {request.host:.80}"
            )

    def _welcome(self, request: web.Request) -> web.StreamResponse | None:
        """Where the token is in the address: a cookie with it, and the address without it."""
        given = request.query.get("token")
        if given is None or self.token is None or request.method != hdrs.METH_GET:
            return None
        if not _is_same(given, self.token):
            raise refusal(web.HTTPForbidden, "the token in the address is wrong")
        plain = str(request.rel_url.without_query_params("token"))
        # With several slashes in front, also backward ones, it would be the address of another server.
        where = "/" + plain.lstrip("/\\")
        response = web.Response(status=303, headers={hdrs.LOCATION: where})
        response.set_cookie(
            self.cookie,
            self.token,
            httponly=True,
            samesite="Strict",
            max_age=_COOKIE_SECONDS,
        )
        return response

    def _check_token(self, request: web.Request) -> None:
        if self.token is None:
            return
        scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        given = bearer if scheme == "Bearer" else request.cookies.get(self.cookie, "")
        if not _is_same(given, self.token):
            raise refusal(
                web.HTTPForbidden,
                "open the address that `berry ui` printed: it has the token that this page needs",
            )


def _is_same(given: str, token: str) -> bool:
    # A header's bytes that are no UTF-8 are halves of surrogate pairs in its text.
    return hmac.compare_digest(given.encode(errors="surrogatepass"), token.encode())


def refusal(kind: type[web.HTTPException], text: str) -> web.HTTPException:
    """An answer without a page."""
    return kind(text=json.dumps({"error": text}), content_type="application/json")


def is_loopback(host: str) -> bool:
    """Whether an address or name is only this machine's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_own_page(request: web.Request) -> None:
    origin = request.headers.get(hdrs.ORIGIN)
    is_own = origin is None or origin.partition("://")[2] == request.host
    if not is_own or request.headers.get(OWN_HEADER) != "1":
        raise refusal(
            web.HTTPForbidden, f"expected a request of the viewer's own page, with {OWN_HEADER}"
        )
    if request.content_type != "application/json":
        raise refusal(web.HTTPUnsupportedMediaType, "expected application/json")


def _host_name(host: str) -> str | None:
    """The name without its port and brackets."""
    try:
        return urlsplit(f"http://{host}").hostname
    except ValueError:
        return None
