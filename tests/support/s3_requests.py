"""Signed requests to an S3 server, for what a test prepares or looks up itself."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

_REGION = "us-east-1"


@dataclass(frozen=True)
class S3Answer:
    """The answer to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class S3Client:
    """Sends requests with signature version 4, each on a connection of its own.

    Attributes:
        url: The server, such as `http://127.0.0.1:9000`.
        access_key: The name of the credentials.
        secret_key: Their secret.
    """

    url: str
    access_key: str
    secret_key: str

    def request(
        self, method: str, path: str, body: bytes = b"", query: Mapping[str, str] | None = None
    ) -> S3Answer:
        """Send a request.

        Args:
            method: GET, HEAD, PUT or DELETE.
            path: `/bucket`, or `/bucket/key`, not encoded.
            body: The content of the request.
            query: The parameters.

        Raises:
            OSError: The server did not answer.
            http.client.HTTPException: It answered no HTTP.
        """
        target, text = quote(path), _encode(query or {})
        headers = self._sign(method, target, text, body)
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, f"{target}?{text}", body, headers)
            answer = connection.getresponse()
            return S3Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def list_objects(self, bucket: str, prefix: str = "", page: int = 1000) -> dict[str, int]:
        """Return the size of each object, by its key.

        Args:
            bucket: The bucket.
            prefix: The beginning of the keys.
            page: Number of objects for which one answer has room.

        Raises:
            OSError: The server did not answer.
            AssertionError: It refused.
        """
        return dict(self._list(bucket, prefix, page))

    def _list(self, bucket: str, prefix: str, page: int) -> Iterator[tuple[str, int]]:
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(page)}
        while True:
            answer = self.request("GET", f"/{bucket}", query=query)
            assert answer.status == 200, answer.body
            root = ET.fromstring(answer.body)
            for item in root.iterfind("{*}Contents"):
                yield item.findtext("{*}Key", ""), int(item.findtext("{*}Size", "-1"))
            token = root.findtext("{*}NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token

    def _sign(self, method: str, target: str, query: str, body: bytes) -> dict[str, str]:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        signed = {
            "host": urlsplit(self.url).netloc,
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-date": moment,
        }
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        names = ";".join(signed)
        request = "\n".join(
            (method, target, query, lines, names, signed["x-amz-content-sha256"])
        ).encode()
        scope = f"{moment[:8]}/{_REGION}/s3/aws4_request"
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request).hexdigest()}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"Credential={self.access_key}/{scope}"
        authorization = f"{credential}, SignedHeaders={names}, Signature={signature}"
        return {**signed, "Authorization": f"AWS4-HMAC-SHA256 {authorization}"}


def _encode(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(n, safe='')}={quote(query[n], safe='')}" for n in sorted(query))
