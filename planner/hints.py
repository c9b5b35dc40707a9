"""Which key of `cluster.api` would help, when an answer looks like a known deviation of the node API. Pure.

A hint is a possibility, never a finding: 'if …, set cluster.api.KEY'. It is empty where nothing is known.
"""

from __future__ import annotations

API = "cluster.api"
"""Begins every key that a hint names; the same keys may stand in a node's own `api`."""

CREDENTIALS = "the node does not accept these credentials"
HEADERS = f"if this node wants a header, set {API}.headers"
LYING_404 = f"if this node's 404s are not to be believed, set {API}.confirm_absent"
OTHER_BODY = f"if this node wants other bodies or headers, set {API}.id_field or {API}.headers"
OTHER_BODY_OR_EXISTS = (
    f"if this node wants other bodies, or says 'exists' by it, set {API}.id_field or {API}.exists"
)
OTHER_CREATED = f"if that means success here, set {API}.created"
OTHER_DELETED = f"if that means success here, set {API}.deleted"
OTHER_EXISTS = f"if that means 'exists' here, set {API}.exists"
OTHER_ID = f"if the id has another name here, set {API}.id_field"
OTHER_LIST = f"if the ids are elsewhere, set {API}.list"
OTHER_MISSING = f"if that means 'not found' here, set {API}.missing"
OTHER_PATHS = f"if this node has other paths, set {API}.path or {API}.trailing_slash"
OTHER_STYLE = f"if this node wants the id elsewhere, set {API}.delete_style"
OTHER_STYLE_OR_HEADERS = (
    f"if this node wants the id elsewhere, or a header, set {API}.delete_style or {API}.headers"
)

NOT_UNDERSTOOD = frozenset({405, 411, 415, 422, 501})
"""The node does not understand such a request, and no patience makes it: only other settings can help."""

SUCCESSES = range(200, 300)

# A read has no body that could be wrong.
_READ = {
    **dict.fromkeys((400, 403, 406), HEADERS),
    **dict.fromkeys((405, 501), OTHER_PATHS),
    410: OTHER_MISSING,
}
_CREATE = {
    **dict.fromkeys(SUCCESSES, OTHER_CREATED),
    **dict.fromkeys((401, 403), CREDENTIALS),
    **dict.fromkeys((404, 405, 501), OTHER_PATHS),
    400: OTHER_BODY,
    409: OTHER_EXISTS,
    415: HEADERS,
    422: OTHER_BODY_OR_EXISTS,
}
_DELETE = {
    **dict.fromkeys(SUCCESSES, OTHER_DELETED),
    **dict.fromkeys((401, 403), CREDENTIALS),
    **dict.fromkeys((404, *NOT_UNDERSTOOD), OTHER_STYLE),
    **dict.fromkeys((400, 415), OTHER_STYLE_OR_HEADERS),
    410: OTHER_MISSING,
}
_MAY_BE_EXISTS = frozenset(range(400, 500)) - {401, 403, 404, 405}


def after_read(status: int) -> str:
    """What may help when a read was answered by a status that says neither 'present' nor 'absent'."""
    return _READ.get(status, "")


def after_create(status: int, *, first: bool) -> str:
    """What may help when a create was turned down. `first`: no earlier try of ours may have created it."""
    if not first and status in _MAY_BE_EXISTS:
        return OTHER_EXISTS
    return _CREATE.get(status, "")


def after_exists(status: int) -> str:
    """What may help when a create was answered 'exists', and the group is not there."""
    return {400: OTHER_BODY}.get(status, LYING_404 if status in _MAY_BE_EXISTS else "")


def after_delete(status: int) -> str:
    """What may help when a delete was turned down."""
    return _DELETE.get(status, "")


def after_missing(status: int) -> str:
    """What may help when a delete was answered 'missing', and the group is there."""
    return {400: OTHER_STYLE_OR_HEADERS, 404: OTHER_STYLE, 410: OTHER_STYLE}.get(status, "")


def after_list(status: int) -> str:
    """What may help when the request for the list of all ids was answered by such a status."""
    return OTHER_LIST if status in (404, 405, 410, 501) else _READ.get(status, "")


def after_redirect(*, to_slash: bool) -> str:
    """What may help after a redirect that is not followed, and that only adds or drops the last slash."""
    return f"if the paths end with{'' if to_slash else 'out'} a slash here, set {API}.trailing_slash"


def joined(words: str, hint: str) -> str:
    """Words, and the hint behind them where there is one."""
    return f"{words}; {hint}" if hint else words
