"""Who sent a request: Signature Version 4, verified as AWS verifies it, with its errors.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import calendar
import hashlib
import hmac
import time
import urllib.parse

from s3_wire import Refused

SKEW_S = 15 * 60


class Account:
    """Keys, and what they may do. rights: "all", "read" or "none" on what `owner` owns."""

    def __init__(self, keys, owner=None, rights="all", token=None, expired=False):
        self.access, self.secret = keys.access, keys.secret
        self.owner, self.rights = owner or keys.access, rights
        self.token, self.expired = token, expired


class Signed:
    """What a request says of its signature."""

    def __init__(self, algorithm, credential, headers, signature, date, expires=None):
        if algorithm != "AWS4-HMAC-SHA256":
            raise Refused("InvalidRequest", "Please use AWS4-HMAC-SHA256.")
        parts = credential.split("/")
        if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"]:
            raise Refused("AuthorizationHeaderMalformed", "the Credential is malformed")
        self.access, self.day, self.region = parts[:3]
        self.scope = "/".join(parts[1:])
        self.headers, self.signature = headers.split(";"), signature
        self.date, self.expires = date, expires
        try:
            self.time_s = calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
        except ValueError:
            raise Refused("AccessDenied", "AWS authentication requires a valid Date or "
                          "x-amz-date header") from None


def read(asked):
    """A Signed, or None for a request without a signature."""
    if "X-Amz-Signature" in asked.query:
        get = asked.query.get
        return Signed(get("X-Amz-Algorithm"), get("X-Amz-Credential", ""),
                      get("X-Amz-SignedHeaders", ""), get("X-Amz-Signature"),
                      get("X-Amz-Date", ""), int(get("X-Amz-Expires", "0")))
    text = asked.headers.get("Authorization")
    if not text:
        return None
    algorithm, _, rest = text.partition(" ")
    fields = dict(field.strip().partition("=")[::2] for field in rest.split(","))
    return Signed(algorithm, fields.get("Credential", ""), fields.get("SignedHeaders", ""),
                  fields.get("Signature", ""), asked.headers.get("x-amz-date", ""))


def encoded(text):
    return urllib.parse.quote(text, safe="-._~")


def canonical(asked, signed):
    query = sorted((encoded(k), encoded(v)) for k, v in urllib.parse.parse_qsl(
        asked.raw_query, keep_blank_values=True) if k != "X-Amz-Signature")
    path = urllib.parse.quote(urllib.parse.unquote(asked.raw_path), safe="/-._~")
    lines = [f"{name}:{' '.join((asked.headers.get(name) or '').split())}"
             for name in signed.headers]
    payload = ("UNSIGNED-PAYLOAD" if signed.expires is not None
               else asked.headers.get("x-amz-content-sha256", ""))
    return "\n".join([asked.method, path, "&".join("=".join(pair) for pair in query), *lines, "",
                      ";".join(signed.headers), payload])


def expected(secret, signed, request):
    text = "\n".join(["AWS4-HMAC-SHA256", signed.date, signed.scope,
                      hashlib.sha256(request.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in (*signed.scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def verify(asked, accounts, now_s):
    """(Account, region that was signed for), or (None, None) for nobody. Raises Refused."""
    signed = read(asked)
    if signed is None:
        return None, None
    account = accounts.get(signed.access)
    if account is None:
        raise Refused("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist "
                      "in our records.", AWSAccessKeyId=signed.access)
    on_time(signed, now_s)
    if signed.expires is None:
        unsigned = [n for n in asked.headers if n.lower().startswith("x-amz-") and
                    n.lower() not in signed.headers]
        if unsigned or "host" not in signed.headers:
            raise Refused("AccessDenied", "There were headers present in the request which were "
                          "not signed", HeadersNotSigned=", ".join(unsigned))
        if "x-amz-content-sha256" not in asked.headers:
            raise Refused("InvalidRequest", "Missing required header for this request: "
                          "x-amz-content-sha256")
    request = canonical(asked, signed)
    if not hmac.compare_digest(expected(account.secret, signed, request), signed.signature):
        raise Refused("SignatureDoesNotMatch", "The request signature we calculated does not "
                      "match the signature you provided. Check your key and signing method.",
                      CanonicalRequest=request)
    token(account, asked)
    return account, signed.region


def on_time(signed, now_s):
    if signed.expires is not None:
        if now_s > signed.time_s + signed.expires:
            raise Refused("AccessDenied", "Request has expired")
    elif abs(now_s - signed.time_s) > SKEW_S:
        raise Refused("RequestTimeTooSkewed", "The difference between the request time and the "
                      "current time is too large.", RequestTime=signed.date,
                      ServerTime=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s)),
                      MaxAllowedSkewMilliseconds=SKEW_S * 1000)


def token(account, asked):
    told = asked.query.get("X-Amz-Security-Token", asked.headers.get("x-amz-security-token"))
    if told != account.token:
        raise Refused("InvalidToken", "The provided token is malformed or otherwise invalid.")
    if account.expired:
        raise Refused("ExpiredToken", "The provided token has expired.")
