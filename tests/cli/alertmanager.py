"""A real Alertmanager (Debian's), with a receiver that keeps what it is told."""

import http.server
import json
import subprocess
import threading
import urllib.request

from servers import free_port, wait_for_port
from waiting import kill

CONFIG = """
route:
  receiver: all
  group_by: [alertname, mirror]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1d
receivers:
  - name: all
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


class Receiver(http.server.ThreadingHTTPServer):
    """Answers POST with a status, and keeps the JSON documents that it got."""

    daemon_threads = True

    def __init__(self, status=200):
        self.status, self.got, self.paths, self.location = status, [], [], None
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Alertmanager:
    def __init__(self, work):
        self.receiver, self.port = Receiver(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (work / "alertmanager.yml").write_text(CONFIG.format(url=self.receiver.url))
        with (work / "alertmanager.log").open("w") as log:
            self.process = subprocess.Popen(
                ["prometheus-alertmanager", f"--config.file={work}/alertmanager.yml",
                 f"--storage.path={work}/alertmanager", "--cluster.listen-address=",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)
        wait_for_port(self.port, self.process)

    def alerts(self):
        """{(alertname, mirror): alert} of what is active."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts") as answer:
            return {(a["labels"]["alertname"], a["labels"].get("mirror")): a
                    for a in json.load(answer)}

    def told(self):
        """(status, alertname, mirror) of each alert that the receiver was told of."""
        return [(a["status"], a["labels"]["alertname"], a["labels"].get("mirror"))
                for document in self.receiver.got for a in document["alerts"]]

    def close(self):
        kill(self.process)
        self.receiver.close()
