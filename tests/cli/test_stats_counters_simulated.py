"""What servers count themselves: GitHub's downloads, from the SIMULATED GitHub, and CloudWatch's
requests, from a CloudWatch that is SIMULATED here."""

import calendar
import http.server
import threading
import time
import urllib.parse

import pytest

from github_mirrors import Releases
from published import mirror, publisher, signed_base  # noqa: F401

HOUR = 3600
STAMP = "%Y-%m-%dT%H:%M:%SZ"
POINTS = {"GetRequests": 12, "BytesDownloaded": 3 << 20, "4xxErrors": 2, "5xxErrors": 1}


class CloudWatchSimulated(http.server.ThreadingHTTPServer):
    """Has points of the last hour that it is asked for, of one bucket."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked = []
        self.refuses = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        asked = dict(urllib.parse.parse_qsl(body, strict_parsing=True))
        asked["authorization"] = self.headers["authorization"]
        self.server.asked.append(asked)
        if self.server.refuses:
            return self.answer(403, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied"
                                    "</Code><Message>no</Message></Error></ErrorResponse>")
        return self.answer(200, "<GetMetricDataResponse><GetMetricDataResult><MetricDataResults>"
                           + "".join(self.series(asked)) + "</MetricDataResults>"
                           "</GetMetricDataResult></GetMetricDataResponse>")

    def series(self, asked):
        for n in range(1, 5):
            query = f"MetricDataQueries.member.{n}."
            stat = query + "MetricStat."
            assert asked[stat + "Metric.Dimensions.member.1.Value"] == "models"
            assert asked[stat + "Metric.Dimensions.member.2.Value"] == "EntireBucket"
            assert asked[stat + "Period"] == "3600" and asked[stat + "Stat"] == "Sum"
            hour = time.strftime(STAMP, time.gmtime(
                calendar.timegm(time.strptime(asked["EndTime"], STAMP)) - HOUR))
            value = POINTS[asked[stat + "Metric.MetricName"]]
            yield (f"<member><Timestamps><member>{hour}</member></Timestamps><Values><member>"
                   f"{value}.0</member></Values><Id>{asked[query + 'Id']}</Id></member>")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def cloudwatch(ferry):
    with CloudWatchSimulated() as server:
        ferry.env.update(AWS_ENDPOINT_URL_CLOUDWATCH=server.url(), AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                         AWS_SECRET_ACCESS_KEY="very-secret")
        yield server


def test_downloads_as_github_counts_them(publisher, github, no_pauses, validate, work):
    hub = Releases(publisher, github)
    hub.push()
    assert hub.publisher("stats", "counters", "--json").json["github"] == [
        {"model": "tiny", "downloads": 0}]
    hub.fetch("tiny")
    told = hub.publisher("stats", "counters", "--json", "--name", "test").json
    validate(told, "output-stats-counters")
    assert told["asked"] == [{"mirror": "gh"}]
    [row] = told["github"]
    assert row["model"] == "tiny" and row["downloads"] >= 1
    # Without the server, what it said last; as a metric, too.
    github.forget_requests()
    prom = work / "stats.prom"
    assert hub.publisher("stats", "counters", "--stored", "--json").json["github"] == [row]
    hub.publisher("stats", "export", "--prometheus", prom)
    assert f'ferry_github_asset_downloads{{model="tiny"}} {row["downloads"]}\n' in prom.read_text()
    assert github.requests() == []


def bucket(**options):
    return "[repository.test]\npath = .\n" + mirror("s3", **{
        "kind": "s3", "bucket": "models", "region": "eu-west-1",
        "request-metrics": "EntireBucket", **options})


def test_requests_as_cloudwatch_counts_them(ferry, cloudwatch, validate, work):
    (work / "ferry.conf").write_text(bucket())
    told = ferry("stats", "counters", "--json").json
    validate(told, "output-stats-counters")
    [row] = told["cloudwatch"]
    assert (row["requests"], row["failures"], row["bytes"]) == (12, 3, 3 << 20)
    [asked] = cloudwatch.asked
    assert "/eu-west-1/monitoring/aws4_request" in asked["authorization"]
    assert "very-secret" not in str(asked)
    # The next time only the last hours are asked for, and counted once.
    assert ferry("stats", "counters", "--json").json["cloudwatch"] == [row]
    assert cloudwatch.asked[1]["StartTime"] > cloudwatch.asked[0]["StartTime"]
    assert "s3" in ferry("stats", "counters", "--stored").out


def test_a_server_that_refuses_is_named_and_what_it_said_stays(ferry, cloudwatch, validate, work):
    (work / "ferry.conf").write_text(bucket())
    before = ferry("stats", "counters", "--json").json["cloudwatch"]
    cloudwatch.refuses = True
    told = ferry("stats", "counters", "--json", check=1)
    validate(told.json, "output-stats-counters")
    [asked] = told.json["asked"]
    assert asked["mirror"] == "s3" and asked["error"]["class"] == "auth"
    assert "AccessDenied" in told.err and "very-secret" not in told.err
    assert told.json["cloudwatch"] == before


def test_without_request_metrics_nothing_is_asked(ferry, cloudwatch, work):
    (work / "ferry.conf").write_text(bucket().replace("request-metrics = EntireBucket\n", ""))
    told = ferry("stats", "counters", "--json").json
    assert told["asked"] == [] and told["cloudwatch"] == [] and cloudwatch.asked == []
