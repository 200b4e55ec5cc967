"""SIMULATED: the part of Cloudflare's API that `ferry mirror config cloudflare --apply` uses. It adds
members of its own to what it stores, as the real one does, and hides the secret of a destination.

    with Cloudflare() as api:
        api.url, api.token, api.rules("http_ratelimit"), api.written

A zone has other people's rules from the start (`others`).
"""

import contextlib
import copy
import email
import http.server
import json
import re
import threading

ZONE, ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class Cloudflare:
    def __init__(self):
        self.token = "simulated-token_0123456789"
        self.rulesets, self.jobs, self.scripts, self.routes = {}, [], {}, []
        self.requests, self.count, self.faults = [], 0, []

    def __enter__(self):
        handler = type("Handler", (Handler,), {"api": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/client/v4"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.server.server_close()

    @property
    def written(self):
        return [(m, p) for m, p, _ in self.requests if m != "GET"]

    def new_id(self):
        self.count += 1
        return f"{self.count:032x}"

    def store(self, value):
        return {**copy.deepcopy(value), "id": self.new_id(), "version": "1",
                "last_updated": "2026-11-29T00:00:00Z"}

    def rules(self, phase):
        return self.rulesets.get(phase, {"rules": []})["rules"]

    def add_others(self, phase):
        """A rule of somebody else, and one that has no ref."""
        self.rulesets[phase] = self.store({"phase": phase, "kind": "zone", "rules": [
            self.store({"ref": "mine", "action": "block", "expression": "true"}),
            self.store({"action": "block", "expression": "false"})]})

    # -- what is asked for

    def answer(self, method, path, body, kind):
        zone, account = f"zones/{ZONE}", f"accounts/{ACCOUNT}"
        for pattern, function in [
                (rf"{zone}/rulesets/phases/(\w+)/entrypoint", self.entrypoint),
                (rf"{zone}/rulesets/(\w+)/rules(?:/(\w+))?", self.rule),
                (rf"{zone}/logpush/jobs(?:/(\d+))?", self.job),
                (rf"{account}/workers/scripts/([a-z0-9-]+)(/settings)?", self.script),
                (rf"{zone}/workers/routes", self.route)]:
            if found := re.fullmatch(pattern, path):
                return function(method, body, kind, *found.groups())
        raise Refused(404, 7003, "Could not route to " + path)

    @staticmethod
    def parsed(body, kind):
        if kind != "application/json":
            raise Refused(415, 6003, "Invalid request headers")
        return json.loads(body)

    def check_rule(self, rule):
        if not re.fullmatch(r"[\w.:-]+", rule["ref"]) or not rule["expression"]:
            raise Refused(400, 20118, "invalid rule")
        return self.store(rule)

    def entrypoint(self, method, body, kind, phase):
        if method == "PUT":
            rules = self.parsed(body, kind)["rules"]
            self.rulesets[phase] = self.store({"phase": phase, "kind": "zone", "rules": [
                self.check_rule(r) for r in rules]})
        if phase not in self.rulesets:
            raise Refused(404, 10003, "could not find entrypoint ruleset in the phase")
        return self.rulesets[phase]

    def rule(self, method, body, kind, ruleset, rule):
        [found] = [r for r in self.rulesets.values() if r["id"] == ruleset]
        if method == "POST":
            found["rules"].append(self.check_rule(self.parsed(body, kind)))
        else:
            [old] = [r for r in found["rules"] if r["id"] == rule]
            at = found["rules"].index(old)
            found["rules"][at:at + 1] = [] if method == "DELETE" else [
                {**self.check_rule(self.parsed(body, kind)), "id": rule}]
        return found

    def job(self, method, body, kind, number):
        if method == "GET":
            return [{**j, "destination_conf": re.sub(r"(secret-access-key=)[^&]*", r"\1***",
                                                     j["destination_conf"])} for j in self.jobs]
        wanted = self.parsed(body, kind)
        if not re.fullmatch(r"[a-zA-Z0-9.-]*", wanted["name"]):
            raise Refused(400, 1002, "name: invalid")
        if not wanted["destination_conf"].startswith("r2://"):
            raise Refused(400, 1002, f"error parsing destination: {wanted['destination_conf']}")
        self.jobs = [j for j in self.jobs if str(j["id"]) != number]
        self.jobs.append({**wanted, "id": int(number or len(self.jobs) + 1), "last_error": None})
        return self.jobs[-1]

    def script(self, method, body, kind, name, settings):
        if method == "PUT":
            message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            parts = {p.get_param("name", header="content-disposition"): p
                     for p in message.get_payload()}
            metadata = json.loads(parts["metadata"].get_payload(decode=True))
            main = parts[metadata["main_module"]]
            if main.get_content_type() != "application/javascript+module":
                raise Refused(400, 10021, "not a module")
            self.scripts[name] = (metadata, main.get_payload(decode=True).decode())
        if name not in self.scripts:
            raise Refused(404, 10007, "This Worker does not exist on your account.")
        return {k: v for k, v in self.scripts[name][0].items() if k != "main_module"} | {
            "usage_model": "standard"}

    def route(self, method, body, kind):
        if method == "POST":
            self.routes.append(self.store(self.parsed(body, kind)))
        return self.routes


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api = None

    def respond(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix("/client/v4/")
        status, document = 200, {"success": True, "errors": [], "messages": []}
        self.api.requests.append((self.command, path, body))
        try:
            if self.headers["Authorization"] != f"Bearer {self.api.token}":
                raise Refused(403, 10000, "Authentication error")
            if self.api.faults and (fault := self.api.faults[0])(self.command, path):
                self.api.faults.pop(0)
                raise fault(self.command, path)
            document["result"] = self.api.answer(self.command, path, body,
                                                 self.headers.get("Content-Type"))
        except Refused as e:
            status = e.status
            document.update(success=False, result=None,
                            errors=[{"code": e.code, "message": str(e)}])
        data = json.dumps(document).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

    def log_message(self, *ignored):
        pass
