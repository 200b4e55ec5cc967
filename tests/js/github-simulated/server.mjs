// A SIMULATED GitHub: the part of its API that has to do with releases, stateful, and each request
// and each answer is validated by GitHub's published description.
//
//     node server.mjs MODULES FOLDER
//
// prints one line of JSON, the URLs of its hosts: "api", "uploads", "web" (public downloads),
// "objects" (signed URLs), and "control", by which the tests set it up and ask it: POST a JSON
// object { "do": NAME, … } (CONTROL, below). SIGTERM ends it.
import http from "node:http";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { randomBytes, randomInt } from "node:crypto";

import { authenticated, charge, DOCUMENTATION, limitHeaders, need, notFound, Refusal, secondary }
	from "./access.mjs";
import { link, object, web } from "./downloads.mjs";
import { Faults } from "./faults.mjs";
import { OpenApi } from "./openapi.mjs";
import { OPERATIONS } from "./releases.mjs";
import { Shapes } from "./shapes.mjs";
import { flip, upload } from "./uploads.mjs";
import { World } from "./world.mjs";

const [modules, folder] = process.argv.slice(2);
const openapi = new OpenApi(createRequire(path.join(modules, "package.json")), modules);
const world = new World(folder), faults = new Faults();
const urls = {};
let log = [], violations = [], busy = 0;

function violated(entry, text) {
	violations.push(`${entry.method} ${entry.host} ${entry.path}: ${text}`);
}

// --- answers

function send(c, { status, headers = {}, body, text }) {
	c.entry.status = status;
	const payload = body === undefined ? text : JSON.stringify(body);
	const type = body === undefined ? {} : { "content-type": "application/json; charset=utf-8" };
	c.response.writeHead(status, { "x-github-request-id": c.entry.id, ...type,
		...(payload === undefined ? { "content-length": 0 }
			: { "content-length": Buffer.byteLength(payload) }), ...headers });
	c.response.end(c.request.method === "HEAD" ? undefined : payload);
	c.request.resume();		// what is still coming of a body that was refused
}

// What the API says with each answer; the host of uploads does not tell the limits.
function common(c) {
	const { token } = c.who ?? {};
	return {
		"x-github-media-type": "github.v3; format=json", "x-content-type-options": "nosniff",
		...(c.host === "api" && limitHeaders(world, c.who ?? {})),
		...(token?.kind === "classic" && { "x-oauth-scopes": token.scopes.join(", "),
			"x-accepted-oauth-scopes": "repo" }),
		...(token?.expires && { "github-authentication-token-expiration":
			token.expires.replace("T", " ").replace("Z", " UTC") }),
	};
}

async function json(c) {
	const pieces = [];
	for await (const piece of c.request)
		pieces.push(piece);
	const text = Buffer.concat(pieces).toString();
	if (!text)
		return undefined;
	try {
		return JSON.parse(text);
	} catch {
		violated(c.entry, "the body is not JSON");
		throw new Refusal(400, "Problems parsing JSON");
	}
}

// --- the API

const VERSIONS = ["2022-11-28", "2026-03-10"];

function checkHeaders(c) {
	if (!c.headers["user-agent"]) {
		violated(c.entry, "User-Agent is missing");
		throw new Refusal(403, "Request forbidden by administrative rules. Please make sure your " +
			"request has a User-Agent header.");
	}
	const version = c.headers["x-github-api-version"];
	if (version && !VERSIONS.includes(version)) {
		violated(c.entry, `X-GitHub-Api-Version ${version}`);
		throw new Refusal(400, `"${version}" is not a supported version`);
	}
	if (/[?&](access_token|client_secret)=/.test(c.request.url))
		violated(c.entry, "a secret in the URL");
}

// The repository of the path. One that was renamed is redirected by its number: 301 for GET, 307
// for other methods (the octokit fixtures have it).
function findRepository(c) {
	const { repository, moved } = world.repository(c.named.owner, c.named.repo);
	if (!repository)
		throw notFound();
	need(repository, c.who, "read");
	if (!moved)
		return repository;
	const at = `${c.urls[c.host]}/repositories/${repository.id}` +
		c.target.replace(/^\/repos\/[^/]+\/[^/?]+/, "");
	throw Object.assign(new Refusal(c.method === "GET" ? 301 : 307, "Moved Permanently",
		{ headers: { location: at }, url: `${DOCUMENTATION}/guides/best-practices-for-using-the-` +
			"rest-api#follow-redirects" }), { at });
}

function numbered(pathname) {
	const [, id, rest] = /^\/repositories\/(\d+)(.*)$/.exec(pathname) ?? [];
	const found = world.repositories.find((r) => r.id === Number(id));
	return found ? `/repos/${found.owner}/${found.name}${rest}` : pathname;
}

async function operate(c) {
	const found = openapi.find(c.host, c.method, numbered(c.pathname));
	c.entry.operation = found?.operation.id ?? "unknown";
	if (!found) {
		violated(c.entry, "there is no such operation on this host");
		throw notFound();
	}
	Object.assign(c, found);
	c.fault = faults.take(c.entry, c.query.name);
	if (c.fault?.before)
		await c.fault.wait();
	checkHeaders(c);
	c.who = authenticated(world, c.headers.authorization);
	c.entry.user = c.who.user?.login ?? null;
	const rule = c.host === "uploads" ? { has: "write", cost: 2 } : OPERATIONS[c.operation.id];
	if (!rule)
		throw notFound();
	if (!rule.free)
		charge(world, c.who, rule.cost);
	if (busy > world.limits.concurrent)
		throw secondary(world.limits.retry_after);
	if (c.fault?.secondary)
		throw secondary(c.fault.retry_after ?? null, c.fault.status);
	if (c.fault?.status && !c.fault.done && c.host !== "uploads")
		return null;
	if (rule.user && !c.who.user)
		throw new Refusal(401, "Requires authentication");
	await checkRequest(c);
	if (rule.has) {
		c.repository = findRepository(c);
		need(c.repository, c.who, rule.has);
	}
	return c.host === "uploads" ? upload(c) : rule.work(c);
}

async function checkRequest(c) {
	const wrong = (text) => violated(c.entry, `request: ${text}`);
	if (c.host === "api") {
		c.body = await json(c);
		c.operation.requestFaults(c.named, c.query, c.body, c.headers["content-type"])
			.forEach(wrong);
		if (c.body?.tag_name === undefined && c.operation.id === "create-release")
			throw new Refusal(422, "Invalid request.\n\n\"tag_name\" wasn't supplied.");
		return;
	}
	[...c.operation.parameterFaults(c.named, "path"),
		...c.operation.parameterFaults(c.query, "query")].forEach(wrong);
	for (const name of ["content-length", "content-type"])
		if (!c.headers[name]) {
			wrong(`${name} is missing`);
			throw new Refusal(400, `Bad ${name}`);
		}
}

async function fromApi(c) {
	let made;
	try {
		made = await operate(c);
	} catch (refusal) {
		if (!(refusal instanceof Refusal)) {
			violated(c.entry, `the simulated server failed: ${refusal.stack}`);
			throw refusal;
		}
		made = { status: refusal.status, headers: refusal.headers, body: refusal.body };
		if (refusal.at)
			made.body = { message: refusal.message, url: refusal.at,
				documentation_url: refusal.body.documentation_url };
	}
	if (c.fault?.lost || (made === null && !c.fault?.status) || (c.fault?.done && !c.fault.status))
		return c.socket.destroy();
	if (c.fault?.status && !c.fault.secondary && (made === null || c.fault.done))
		return send(c, c.fault.answer());
	if (c.operation)
		c.operation.answerFaults(made.status, made.body)
			.forEach((text) => violated(c.entry, `our ${text}`));
	send(c, { ...made, headers: { ...common(c), ...made.headers } });
}

// --- the other hosts

async function fromWeb(c) {
	c.entry.operation = "download";
	if (c.headers.authorization)
		violated(c.entry, "the token of the API was sent to the web host");
	await outside(c, () => web(world, urls, c.pathname));
}

async function outside(c, work) {
	c.fault = faults.take(c.entry, c.pathname);
	if (c.fault?.before)
		await c.fault.wait();
	if (c.fault?.lost)
		return c.socket.destroy();
	if (c.fault?.status)
		return send(c, c.fault.answer());
	try {
		send(c, work());
	} catch (refusal) {
		if (!(refusal instanceof Refusal))
			throw refusal;
		send(c, { status: refusal.status, text: refusal.message,
			headers: { "content-type": "text/html" } });
	}
}

async function fromObjects(c) {
	c.entry.operation = "object";
	if (c.headers.authorization)
		violated(c.entry, "the token of the API was sent to the host of the objects");
	const made = object(world, c.pathname, c.query, c.headers);
	if (!made.file)
		return outside(c, () => made);
	c.fault = faults.take(c.entry, made.asset.name);
	if (c.fault?.lost)
		return c.socket.destroy();
	if (c.fault?.status)
		return send(c, c.fault.answer());
	await give(c, made);
}

// Sends an asset's bytes; the fault may hold, cut or change them.
async function give(c, { status, headers, file, first, last, asset }) {
	c.entry.status = status;
	c.response.writeHead(status, headers);
	if (c.request.method === "HEAD" || last < first)
		return c.response.end();
	asset.downloads++;
	let at = 0;
	const { fault } = c, stop = fault?.cut ?? fault?.hold ?? Infinity;
	for await (const piece of fs.createReadStream(file, { start: first, end: last })) {
		const here = Math.max(0, Math.min(piece.length, stop - at));
		flip(fault, piece, first + at);
		c.response.write(piece.subarray(0, here));
		if (here < piece.length || at + here === stop) {
			if (fault.cut !== undefined)
				return c.socket.end();
			await fault.wait();
			c.response.write(piece.subarray(here));
			fault.hold = undefined;
		}
		at += piece.length;
	}
	c.response.end();
}

// --- control

const CONTROL = {
	reset() {
		world.clear();
		faults.clear();
		log = [];
		violations = [];
	},
	repository: (o) => world.addRepository(o),
	change(o) {
		const { repository } = world.repository(...o.full_name.split("/"));
		Object.assign(repository, o.to);
	},
	rename(o) {
		world.rename(world.repository(...o.full_name.split("/")).repository, o.to);
	},
	token(o) {
		const secret = `${{ classic: "ghp", actions: "ghs" }[o.token.kind] ?? "github_pat"}_` +
			randomBytes(18).toString("hex");
		world.tokens[secret] = o.token;
		world.user(o.token.user);
		return secret;
	},
	revoke(o) {
		world.tokens[o.secret].uses = o.after;
	},
	limits: (o) => Object.assign(world.limits, o.limits),
	exhaust(o) {
		world.exhausted = { status: o.status, refusals: o.refusals };
		const reset = Math.floor(Date.now() / 1000) + o.seconds;
		for (const user of Object.values(world.users))
			world.spent[`user ${user.id}`] = { used: 1e9, reset };
		world.spent["127.0.0.1"] = { used: 1e9, reset };
	},
	fault: (o) => faults.add(o.fault),
	met: () => faults.met,
	clear_faults: () => faults.clear(),
	wipe(o) {		// no releases, no faults, no log, nothing counted
		const { repository } = world.repository(...o.full_name.split("/"));
		world.releases.filter((r) => r.repository === repository.id)
			.forEach((r) => world.removeRelease(r));
		repository.burned = [];
		Object.assign(world, { spent: {}, created: {} });
		faults.clear();
		log = [];
	},
	remove_asset: (o) => world.removeAsset(world.assets.find((a) => a.id === o.id)),
	held: () => faults.held(),
	release: () => faults.release(),
	expire() {
		world.key = randomBytes(16).toString("hex");	// no link that was given out works
	},
	forget_digests() {
		world.assets.forEach((a) => { a.digest = null; });
	},
	spoil() {
		delete world.releases[0].tag_name;	// for the test of the server itself
	},
	log: () => log,
	forget_log() {
		log = [];
	},
	violations: () => violations,
	forgive() {
		violations = [];
	},
	releases(o) {
		const { repository } = world.repository(...o.full_name.split("/"));
		return world.releases.filter((r) => r.repository === repository.id).map((r) => ({ ...r,
			assets: world.assetsOf(r).map((a) => ({ ...a, file: world.file(a) })) }));
	},
	async restart() {
		world.save();
		await Promise.all(Object.values(servers).map(close));
		world.load();
		await Promise.all(Object.entries(servers).map(([name, s]) => listen(name, s)));
	},
	async down() {
		await Promise.all(Object.values(servers).map(close));
	},
	async up() {
		await Promise.all(Object.entries(servers).map(([name, s]) => listen(name, s)));
	},
};

async function control(request, response) {
	const pieces = [];
	for await (const piece of request)
		pieces.push(piece);
	let status = 200, made;
	try {
		const asked = JSON.parse(Buffer.concat(pieces));
		made = await CONTROL[asked.do](asked);
	} catch (error) {
		[status, made] = [500, String(error.stack)];
	}
	response.writeHead(status, { "content-type": "application/json" });
	response.end(JSON.stringify(made ?? null));
}

// --- hosts

const HOSTS = { api: fromApi, uploads: fromApi, web: fromWeb, objects: fromObjects };

// A GitHub Enterprise Server has all on one host: the web's, here.
const ENTERPRISE = { api: "/api/v3", uploads: "/api/uploads" };

function placed(asked, target) {
	const host = asked !== "web" ? undefined
		: Object.keys(ENTERPRISE).find((h) => target.startsWith(`${ENTERPRISE[h]}/`));
	if (!host)
		return { host: asked, target, urls };
	return { host, target: target.slice(ENTERPRISE[host].length), urls: { ...urls,
		api: urls.web + ENTERPRISE.api, uploads: urls.web + ENTERPRISE.uploads } };
}

function handler(asked) {
	return async (request, response) => {
		const at = placed(asked, request.url), { host } = at, url = new URL(at.target, urls[asked]);
		const c = { ...at, request, response, socket: request.socket, headers: request.headers,
			pathname: url.pathname, query: Object.fromEntries(url.searchParams),
			world, shapes: new Shapes(world, openapi, at.urls),
			method: request.method === "HEAD" ? "GET" : request.method,
			link: (asset) => link(world, urls, asset) };
		c.entry = { n: log.length + 1, id: `FERRY:${++world.requests}`, host,
			method: request.method, path: url.pathname, query: c.query, status: null,
			range: request.headers.range ?? null,
			authorized: Boolean(request.headers.authorization) };
		log.push(c.entry);
		busy++;
		request.on("error", () => {});		// a client that went away
		response.on("error", () => {});
		try {
			await HOSTS[host](c);
		} catch (error) {
			violated(c.entry, `the simulated server failed: ${error.stack}`);
			c.socket.destroy();
		} finally {
			busy--;
		}
	};
}

// Below those that the system gives out by itself: nobody else gets them while they are down.
const FIRST_GIVEN = Number(fs.readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
	.split(/\s+/)[0]);
const anyPort = () => FIRST_GIVEN > 22000 ? randomInt(11000, FIRST_GIVEN) : 0;

function listen(name, server) {
	return new Promise((done, failed) => {
		const attempt = () => server.listen(
			urls[name] ? Number(new URL(urls[name]).port) : anyPort(), "127.0.0.1");
		const again = (error) =>
			error.code === "EADDRINUSE" && !urls[name] ? attempt() : failed(error);
		server.on("error", again);
		server.once("listening", () => {
			server.off("error", again);
			urls[name] = `http://127.0.0.1:${server.address().port}`;
			done();
		});
		attempt();
	});
}

function close(server) {
	return new Promise((done) => {
		server.close(done);
		server.closeAllConnections();
	});
}

const servers = {};
for (const name of Object.keys(HOSTS)) {
	servers[name] = http.createServer({ requestTimeout: 0 }, handler(name));
	servers[name].on("checkContinue", (request, response) => {
		if (placed(name, request.url).host !== "uploads")
			response.writeContinue();
		servers[name].emit("request", request, response);
	});
}
const controller = http.createServer(control);
await Promise.all([...Object.entries(servers), ["control", controller]]
	.map(([name, server]) => listen(name, server)));
process.on("SIGTERM", () => process.exit(0));
process.stdout.write(`${JSON.stringify(urls)}\n`);
