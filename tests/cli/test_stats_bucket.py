"""Access logs from a bucket of a real S3 (radosgw): each object is read once, and the place of the
logs is no mirror."""

import gzip
import json
import time

from access_logs import Object, catalog

OBJECT = Object(7, 1000)


def line(key, n):
    """As S3 writes it, of an hour ago: S3 checks the clock, so it cannot be set."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time.time() - 3600 + n))
    return ('79a59d models [%s] 192.0.2.%d - 3E57427F3EXAMPLE '
            'REST.GET.OBJECT %s "GET /%s HTTP/1.1" 200 - 1000 1000 12 7 "-" "curl/7.88.1" - '
            's9lzHYrFp76ZVxRc= - ECDHE-RSA-AES128-GCM-SHA256 - models.s3.amazonaws.com TLSv1.2 - -\n'
            % (when, n, key, key))


class Logs:
    def __init__(self, ferry, region):
        self.ferry, self.region, self.name = ferry, region, region.bucket()
        ferry.env.update(region.keys.env)
        (ferry.work / "catalog.json").write_text(json.dumps(catalog([OBJECT])))
        (ferry.work / "ferry.conf").write_text(
            f"[logs.access]\nkind = s3\nendpoint = {region.endpoint}\nregion = {region.name}\n"
            f"bucket = {self.name}\n[stats]\nlogs = eu=access:2026\ncatalogs = catalog.json\n")

    def put(self, key, body):
        self.region.client().put_object(Bucket=self.name, Key=key, Body=body)

    def load(self, *args, **options):
        return self.ferry("stats", "import", "--json", *args, **options)

    def downloads(self):
        rows = self.ferry("stats", "show", "--json", "--by", "mirror").json["rows"]
        return {row["name"]: row["downloads"] for row in rows}


def lines(first, last):
    return "".join(line(OBJECT.url[1:], n) for n in range(first, last)).encode()


def test_logs_of_a_bucket_are_read_once(ferry, radosgw):
    logs = Logs(ferry, radosgw.region("us-east-1"))
    # As S3 names them; the last line of an object needs no line feed.
    logs.put("2026-11-29-00-12-34-0123456789ABCDEF", lines(1, 11)[:-1])
    logs.put("2026-11-29-00-12-35-0123456789ABCDEF", gzip.compress(lines(11, 21)))
    logs.put("other/2026", lines(21, 31))
    told = logs.load().json
    assert (told["logs"], told["total"], told["unchanged"]) == (2, 20, 0)
    assert logs.downloads() == {"eu": 20}
    # Hours later and in no order.
    logs.put("2026-11-28-23-59-59-FEDCBA9876543210", lines(31, 36))
    told = logs.load().json
    assert (told["logs"], told["total"], told["unchanged"]) == (3, 5, 2)
    assert logs.downloads() == {"eu": 25}
    # Another prefix, named on the command line.
    assert logs.load("eu=access:other/").json["total"] == 10
    assert logs.downloads() == {"eu": 35}


def test_an_object_that_is_no_log_does_not_stop_the_others(ferry, radosgw):
    logs = Logs(ferry, radosgw.region("us-east-1"))
    logs.put("2026-a", b"main 200 0.001\n" * 200)
    logs.put("2026-b", lines(1, 6))
    told = logs.load(check=1)
    assert [f["log"] for f in told.json["failed_logs"]] == ["access:2026-a"]
    assert "none of the known formats" in told.err and "main" not in told.err
    assert logs.downloads() == {"eu": 5}


def test_the_place_of_the_logs_is_no_mirror(ferry, radosgw):
    logs = Logs(ferry, radosgw.region("us-east-1"))
    told = ferry("mirror", "list", check=None)
    assert told.code == 2 and "has no mirror" in told.err
    assert logs.region.keys_of(logs.name) == []
