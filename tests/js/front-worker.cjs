// Runs the worker of `ferry mirror config cloudflare` in workerd, in front of a made-up origin, and
// prints what each request got and which data points it wrote.
//
//     node front-worker.cjs MODULES SCRIPT < requests.json
const { createRequire } = require("node:module");
const fs = require("node:fs");
const path = require("node:path");

const [modules, script] = process.argv.slice(2);
const { Miniflare, Response } = createRequire(path.join(modules, "package.json"))("miniflare");

/* The binding can be looked into, or throws. A HEAD request is one with x-method. */
const around = `
import worker from "./worker.js";
export default {
  async fetch(request, env, ctx) {
    const points = [];
    const fails = request.headers.has("x-analytics-fail");
    const DOWNLOADS = { writeDataPoint(point) {
      if (fails) throw new Error("no analytics");
      points.push(point);
    } };
    const method = request.headers.get("x-method") ?? "GET";
    const answer = await worker.fetch(new Request(request, { method }), { DOWNLOADS }, ctx);
    const body = await answer.text();
    return Response.json({ status: answer.status, body, points,
                           range: answer.headers.get("content-range") });
  },
};`;

function origin(request) {
	const range = request.headers.get("range");
	if (new URL(request.url).pathname.includes("missing"))
		return new Response("none", { status: 404 });
	return new Response(range ? "part" : "whole", {
		status: range ? 206 : 200,
		headers: range ? { "content-range": "bytes 0-3/5", "content-length": "4" }
			: { "content-length": "5" },
	});
}

async function main() {
	const server = new Miniflare({
		compatibilityDate: "2025-07-01", cf: false, telemetry: { enabled: false },
		modules: [{ type: "ESModule", path: "around.js", contents: around },
			{ type: "ESModule", path: "worker.js", contents: fs.readFileSync(script, "utf8") }],
		outboundService: origin,
	});
	const told = [];
	for (const [url, options] of JSON.parse(fs.readFileSync(0, "utf8")))
		told.push(await (await server.dispatchFetch(url, options)).json());
	await server.dispose();
	process.stdout.write(JSON.stringify(told));
}

main();
