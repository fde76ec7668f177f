"""What can go wrong with objects in buckets, in sentences that name the uri and the next thing to type.

Errors are told apart by the codes of S3 and by the names of what botocore raises, so that neither has to be
imported. Keys, and messages that may hold some, are never repeated.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_PERMISSIONS = {
    "list": "s3:ListBucket",
    "read": "s3:GetObject",
    "write": "s3:PutObject",
    "delete": "s3:DeleteObject",
}
_BUSY = frozenset({"SlowDown", "Throttling", "RequestTimeout", "InternalError", "ServiceUnavailable"})
_STRANGE_KEYS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity", "AuthFailure"}
)
_REFUSED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_ELSEWHERE = frozenset({"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "307"})
_BROKEN = (
    "HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseParserError", "ClientPayloadError",
)  # fmt: skip
_SLOW = ("ReadTimeoutError", "ConnectTimeoutError", "TimeoutError", "ServerTimeoutError")


class BucketError(OSError):
    """A request that failed for good: `uri`, and the `reason` with what to do."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"{uri}: {reason}")
        self.uri, self.reason = uri, reason


class NoBucket(BucketError):
    """There is no such bucket."""


class Missing(BucketError):
    """There is no such object."""


class Beyond(Missing):
    """The object ends before the bytes that were asked for."""


class Refused(BucketError):
    """The condition of a write or a read does not hold."""


def is_transient(error: Exception) -> bool:
    """Whether the same request may well succeed a moment later."""
    code, status = _code(error)
    return (status >= 500 and status != 501) or code in _BUSY or _is(error, *_BROKEN, *_SLOW)


def translated(error: Exception, what: str, uri: str, endpoint: str, patience: float) -> BucketError:
    """The error of a request that was to `list`, `read`, `write` or `delete` at a uri."""
    code, status = _code(error)
    uri = uri.removesuffix("/")
    if code in _REFUSED or (code == "NoSuchKey" and what == "write"):
        return Refused(uri, "was changed by someone else meanwhile")
    if code == "NoSuchBucket":
        bucket = uri.removeprefix("s3://").partition("/")[0]
        return NoBucket(uri, f"there is no bucket {bucket!r} at {endpoint}; to see what is there: aws s3 ls")
    if code in ("NoSuchKey", "404", "NoSuchVersion"):
        return Missing(uri, "was there when it was listed, and is gone now")
    if code == "InvalidRange" or status == 416:
        return Beyond(uri, "holds no such bytes")
    return BucketError(
        uri,
        _of_the_answer(code, status, what, endpoint)
        or _of_the_connection(error, endpoint, patience)
        or _rest(error, code),
    )


def advice_for(text: str) -> str:
    """What to do about an error of LanceDB at a bucket, by its text; empty for any other."""
    text = text.lower()
    if "s3" not in text and "http" not in text:
        return ""
    signs = {
        ("accessdenied", "403 forbidden", "status: 403"): "these keys may not do this; give them the "
        "permissions s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject",
        ("nosuchbucket",): "there is no such bucket; to see what is there: aws s3 ls",
        ("invalidaccesskeyid", "signaturedoesnotmatch", "expiredtoken"): f"the server does not accept these "
        f"keys; set {_KEYS}",
        ("error sending request", "timed out", "timeout", "connection refused", "503", "slowdown"): "the "
        "server does not answer; what was done is kept: run the command again when it does",
    }
    return next((advice for many, advice in signs.items() if any(sign in text for sign in many)), "")


def _of_the_answer(code: str, status: int, what: str, endpoint: str) -> str:
    if code in _STRANGE_KEYS:
        return f"the server {endpoint} does not accept these keys; set {_KEYS}"
    if code in ("ExpiredToken", "TokenRefreshRequired"):
        return f"the keys have expired; sign in again, or set {_KEYS}"
    if code == "RequestTimeTooSkewed":
        return "this machine's clock is wrong; set it"
    if code in ("AccessDenied", "AllAccessDisabled", "AccountProblem") or status in (401, 403):
        return f"these keys may not {what} it; give them the permission {_PERMISSIONS[what]}, or set {_KEYS}"
    if code in _ELSEWHERE:
        return "the bucket lies in another region; set AWS_REGION to it"
    if code in ("NotImplemented", "501"):
        return f"the server {endpoint} does not know how to do this"
    return ""


def _of_the_connection(error: Exception, endpoint: str, patience: float) -> str:
    if _is(
        error, "NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "SSOTokenLoadError"
    ):
        return (
            f"no keys are set, or not all of them; set {_KEYS}, or for a public bucket AWS_SKIP_SIGNATURE=1"
        )
    if _is(error, "ProfileNotFound"):
        return "AWS_PROFILE names a profile that is not in ~/.aws/config; write one that is there"
    if _is(error, "ConfigParseError", "InvalidConfigError"):
        return "~/.aws/config cannot be read; mend it: aws configure"
    if _is(error, "SSLError"):
        return f"{endpoint} does not speak TLS as it should; is its certificate right, or is it http://?"
    if _is(error, *_SLOW):
        return f"the server {endpoint} did not answer within {patience:.0f} s; run the command again later"
    if _is(error, *_BROKEN):
        return f"no S3 server answers at {endpoint}; is it running, and AWS_ENDPOINT_URL right?"
    if isinstance(error, ValueError) and "ndpoint" in str(error):
        return (
            f"AWS_ENDPOINT_URL is {_without_secrets(endpoint)!r}, but it must be like http://localhost:9000"
        )
    return ""


def _rest(error: Exception, code: str) -> str:
    said = _without_secrets(str(error).splitlines()[0] if str(error) else "")
    return f"the server answered {code}: {said}" if code else f"{type(error).__name__}: {said}"


def _without_secrets(text: str) -> str:
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)[:300]


def _code(error: Exception) -> tuple[str, int]:
    """The code of S3 and the status of HTTP, where a server answered."""
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return "", 0
    code = str(response.get("Error", {}).get("Code", ""))
    return code, int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)


def _is(error: Exception, *names: str) -> bool:
    """Whether an error, or what brought it about, is of a class of these names."""
    if isinstance(error, asyncio.TimeoutError) and "TimeoutError" in names:
        return True
    return any(kind.__name__ in names for kind in type(error).__mro__)
