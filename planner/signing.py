"""Signatures of plan files: HMAC-SHA256 with a key that is planner's alone. Pure: keys are arguments.

The digest of a plan file finds damage: whoever alters a plan can compute it anew. Who has not the key cannot
sign. Signed is the whole document, also what no decoder looks at, but for the signature's own ``value``::

    "planner plan v1" 0x00 canonical(plan) 0x0A canonical(everything else)

Canonical JSON holds neither 0x00 nor 0x0A, and `planner.jsontext.strict` reads no two meanings that share
one, so that there is one message for each meaning. The key itself signs nothing: of it a key is derived for
just this purpose, and the *key id*, which is no secret and tells people which key a plan was signed with.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from planner.codec import document_in, plan_in, unusable
from planner.jsontext import canonical

if TYPE_CHECKING:
    from planner.errors import StalePlan
    from planner.model import Plan

SIGNATURE = "signature"
"""The key of the document that holds it."""
ALGORITHM = "HMAC-SHA256"
LEAST_KEY = 32
"""Bytes: as many as the hash has. (NIST SP 800-107, 5.3.4: a shorter key weakens the code.)"""

_DOMAIN = b"planner plan v1\0"
_ID = b"key id"
_SHAPE = {"algorithm": ALGORITHM, "key": "[0-9a-f]{8}", "value": "[0-9a-f]{64}"}


@dataclass(frozen=True, slots=True)
class PlanKey:
    """A key for plans.

    Attributes:
        id: eight hex digits that tell it from others; no secret.
        signs: what signs, derived from the secret.
    """

    id: str
    signs: bytes = field(repr=False)


def plan_key(secret: bytes) -> PlanKey:
    """Derive what signs plans, and the id, from a secret.

    Raises:
        ValueError: it has fewer than `LEAST_KEY` bytes; the sentence repeats nothing of it.
    """
    if len(secret) < LEAST_KEY:
        raise ValueError(f"it has {len(secret)} bytes, and a key for plans needs {LEAST_KEY} at least")
    return PlanKey(_hmac(secret, _ID).hexdigest()[:8], _hmac(secret, _DOMAIN).digest())


def signed(document: Mapping[str, Any], key: PlanKey | None) -> dict[str, Any]:
    """The document with its signature, behind its digest; as it is where there is no key.

    Args:
        document: as `planner.codec.document_of` makes it, perhaps with more.
        key: what to sign with.
    """
    if key is None:
        return dict(document)
    unfinished = {SIGNATURE: {"algorithm": ALGORITHM, "key": key.id}}
    whole = {name: document[name] for name in ("format", "version", "digest")} | unfinished | dict(document)
    whole[SIGNATURE] = {**unfinished[SIGNATURE], "value": _value(whole, key)}
    return whole


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan that was read from its file.

    Attributes:
        plan: the plan.
        signed_with: id of the key that its signature names; empty where it has none.
        key: the key that its signature was verified with; None where there was none to verify with.
    """

    plan: Plan
    signed_with: str = ""
    key: PlanKey | None = None


def open_plan(text: str | bytes, keys: Sequence[PlanKey], origin: str = "the plan file") -> Opened:
    """Read a plan file. Where there are keys, one of them must have signed it; this is looked at first.

    Args:
        text: of the file.
        keys: those that are accepted. Without any, a plan is accepted by its digest, signed or not.
        origin: the file, for messages.

    Raises:
        StalePlan: it is not signed, signed with another key, altered, or not a plan at all.
    """
    document = document_in(text, origin)
    signature = _signature_in(document, origin)
    key = _verified(document, signature, keys, origin) if keys else None
    return Opened(plan_in(document, origin), signature["key"] if signature else "", key)


def _signature_in(document: Mapping[str, Any], origin: str) -> Mapping[str, str] | None:
    """The signature of a document, if it has one.

    Raises:
        StalePlan: it is not what planner writes.
    """
    if SIGNATURE not in document:
        return None
    found = document[SIGNATURE]
    if (
        isinstance(found, dict)
        and found.keys() == _SHAPE.keys()
        and all(isinstance(found[key], str) and re.fullmatch(_SHAPE[key], found[key]) for key in _SHAPE)
    ):
        return found
    raise unusable(origin, "its signature is none of this planner's: it was altered, or made by a newer one")


def _verified(
    document: Mapping[str, Any],
    signature: Mapping[str, str] | None,
    keys: Sequence[PlanKey],
    origin: str,
) -> PlanKey:
    """The key that has signed the document.

    Raises:
        StalePlan: none of them has.
    """
    if signature is None:
        raise _refused(origin, f"it is not signed, and {_accepted(keys)}")
    named = [key for key in keys if key.id == signature["key"]]
    if not named:
        raise _refused(origin, f"it is signed with another key, {signature['key']}, and {_accepted(keys)}")
    for key in named:
        if isinstance(document.get("plan"), dict) and hmac.compare_digest(
            _value(document, key), signature["value"]
        ):
            return key
    raise _refused(origin, f"it was altered since it was signed with key {signature['key']}")


def _refused(origin: str, why: str) -> StalePlan:
    return unusable(origin, why, next="make a new one where the key is: planner plan --out plan.json")


def _accepted(keys: Sequence[PlanKey]) -> str:
    ids = " and ".join(dict.fromkeys(key.id for key in keys))
    return f"only plans signed with {ids} are accepted (--plan-key, PLANNER_PLAN_KEY)"


def _value(document: Mapping[str, Any], key: PlanKey) -> str:
    """The signature's value, which itself is left out of what is signed."""
    signature = {name: each for name, each in document[SIGNATURE].items() if name != "value"}
    rest = {name: each for name, each in document.items() if name != "plan"} | {SIGNATURE: signature}
    code = _hmac(key.signs, _DOMAIN)
    for piece in chain(canonical(document["plan"]), ("\n",), canonical(rest)):
        code.update(piece.encode())
    return code.hexdigest()


def _hmac(key: bytes, message: bytes) -> hmac.HMAC:
    return hmac.new(key, message, hashlib.sha256)
