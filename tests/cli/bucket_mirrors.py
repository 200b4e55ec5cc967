"""A mirror in a bucket, for the tests of push and verify."""

import json

from published import mirror


class Bucket:
    """A mirror in a bucket. proxy: in front of its server, or None."""

    def __init__(self, name, region, proxy=None, kind="s3", bucket=None):
        self.name, self.region, self.proxy, self.kind = name, region, proxy, kind
        self.bucket = bucket or region.bucket()
        self.client = region.client()

    def section(self, **options):
        at = self.proxy.region if self.proxy else self.region
        return mirror(self.name, kind=self.kind, endpoint=at.endpoint, bucket=self.bucket,
                      **({"region": self.region.name} if self.kind == "s3" else {}), **options)

    def read(self, key):
        """None: it is not there."""
        try:
            return self.region.body(self.bucket, key)
        except self.client.exceptions.NoSuchKey:
            return None

    def size(self, key):
        return self.client.head_object(Bucket=self.bucket, Key=key)["ContentLength"]

    def release(self):
        found = self.read("metadata/timestamp.json")
        return json.loads(found)["signed"]["version"] if found else None

    def parts(self):
        """Of uploads that are open: {(upload, number): etag}."""
        return {(upload, p["PartNumber"]): p["ETag"]
                for key, upload in self.region.uploads(self.bucket)
                for p in self.client.list_parts(Bucket=self.bucket, Key=key,
                                                UploadId=upload).get("Parts", [])}
