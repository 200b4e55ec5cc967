// GitHub's published OpenAPI description (@octokit/openapi), and the validation by it of requests
// and answers. Stricter than the description: members and parameters that it does not name are
// wrong, in requests and in answers.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const PATHS = [
	"/rate_limit", "/user", "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/branches",
	"/repos/{owner}/{repo}/immutable-releases",
	"/repos/{owner}/{repo}/releases", "/repos/{owner}/{repo}/releases/latest",
	"/repos/{owner}/{repo}/releases/tags/{tag}", "/repos/{owner}/{repo}/releases/{release_id}",
	"/repos/{owner}/{repo}/releases/{release_id}/assets",
	"/repos/{owner}/{repo}/releases/assets/{asset_id}",
];

// What GitHub answers though its description does not say so. Each was seen in answers that are
// public: the octokit fixtures, and reports in issue trackers.
function amended(schemas) {
	schemas["release-asset"].properties.state.enum.push("starter");	// its documentation names it
	for (const name of ["basic-error", "validation-error"])
		Object.assign(schemas[name].properties,
			{ status: { type: "string" }, request_id: { type: "string" } });
	schemas["basic-error"].required = ["message"];
	return schemas;
}
const UNLISTED = new Set([301, 307, 400, 401, 403, 404, 422, 429]);

const pointed = (document, ref) => ref.slice(2).split("/").reduce((at, name) =>
	at[name.replaceAll("~1", "/").replaceAll("~0", "~")], document);

// The parts of the description that PATHS need: 13 MB become a few hundred kB.
function extract(document) {
	const part = { info: document.info, paths: {}, components: { examples: {} } };
	const take = (value) => {
		if (Array.isArray(value))
			value.forEach(take);
		else if (value && typeof value === "object")
			for (const [name, inner] of Object.entries(value))
				if (name === "$ref" && typeof inner === "string")
					reference(inner);
				else
					take(inner);
	};
	const reference = (ref) => {
		const [, , kind, name] = ref.split("/");
		part.components[kind] ??= {};
		if (part.components[kind][name])
			return;
		part.components[kind][name] = pointed(document, ref);
		take(part.components[kind][name]);
	};
	for (const name of PATHS)
		take(part.paths[name] = document.paths[name]);
	return part;
}

function description(modules) {
	const folder = path.join(modules, "node_modules/@octokit/openapi/generated");
	const state = createHash("sha256").update(PATHS.join() + extract).digest("hex").slice(0, 16);
	const kept = path.join(folder, `part-${state}.json`);
	if (!fs.existsSync(kept)) {
		const whole = path.join(folder, "api.github.com.json");
		const made = `${kept}.${process.pid}`;
		fs.writeFileSync(made, JSON.stringify(extract(JSON.parse(fs.readFileSync(whole)))));
		fs.renameSync(made, kept);
	}
	return JSON.parse(fs.readFileSync(kept));
}

// OpenAPI 3.0's dialect as JSON Schema: "nullable", and no members but those that are named.
function converted(schema, closed = true) {
	if (Array.isArray(schema))
		return schema.map((s) => converted(s, closed));
	if (!schema || typeof schema !== "object")
		return schema;
	const made = {};
	for (const [name, value] of Object.entries(schema)) {
		if (["nullable", "example", "examples", "discriminator"].includes(name) ||
			name.startsWith("x-"))
			continue;
		made[name] = name === "properties" || name === "schemas"
			? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, converted(v)]))
			: name === "enum" ? value
			: converted(value, !["allOf", "anyOf", "oneOf"].includes(name));
	}
	if (closed && made.properties && made.additionalProperties === undefined)
		made.additionalProperties = false;
	if (!schema.nullable)
		return made;
	return { anyOf: [{ type: "null" }, made] };
}

class Operation {
	constructor(api, template, method, described, shared) {
		Object.assign(this, { api, template, method, described });
		this.id = described.operationId.replace(/^repos\//, "");	// "rate-limit/get" stays whole
		this.host = described.servers?.[0].url === "https://uploads.github.com" ? "uploads" : "api";
		this.pattern = new RegExp("^" + template.replace(/\{(\w+)\}/g, (_, name) =>
			name === "tag" ? "(?<tag>.+)" : `(?<${name}>[^/]+)`) + "$");
		this.parameters = [...(shared ?? []), ...(described.parameters ?? [])]
			.map((p) => p.$ref ? pointed(api.document, p.$ref) : p);
	}

	// Does the request's body of this operation hold JSON?
	get takesJson() {
		return Boolean(this.described.requestBody?.content["application/json"]);
	}

	parameterFaults(given, where) {
		const known = this.parameters.filter((p) => p.in === where);
		const faults = [];
		for (const name of Object.keys(given))
			if (!known.some((p) => p.name === name))
				faults.push(`${where} parameter ${name}: not in the description`);
		for (const p of known) {
			if (given[p.name] === undefined) {
				if (p.required)
					faults.push(`${where} parameter ${p.name} is missing`);
				continue;
			}
			const wrong = this.api.faults(p.schema, { value: given[p.name] }, true);
			faults.push(...wrong.map((text) => `${where} parameter ${p.name}: ${text}`));
		}
		return faults;
	}

	// What is wrong with a request, as texts. body: parsed JSON, or undefined.
	requestFaults(named, query, body, type) {
		const faults = [...this.parameterFaults(named, "path"),
			...this.parameterFaults(query, "query")];
		const content = this.described.requestBody?.content;
		if (body === undefined) {
			if (this.described.requestBody?.required)
				faults.push("the body is missing");
		} else if (!content) {
			faults.push("a body, which the operation does not have");
		} else {
			if (!/^application\/json\b/.test(type ?? ""))
				faults.push(`the body's Content-Type is ${type}, not application/json`);
			faults.push(...this.api.faults(content["application/json"].schema, { value: body })
				.map((text) => `body: ${text}`));
		}
		return faults;
	}

	// What is wrong with an answer of our own. body: parsed JSON, or undefined.
	answerFaults(status, body) {
		let listed = this.described.responses[status];
		if (!listed && !UNLISTED.has(status))
			return [`status ${status}: not in the description`];
		listed = listed?.$ref ? pointed(this.api.document, listed.$ref) : listed;
		let schema = listed?.content?.["application/json"]?.schema;
		if (status >= 300 && body !== undefined)
			schema = { $ref: "#/components/schemas/" +
				(status === 422 ? "validation-error" : "basic-error") };
		if (!schema)
			return body === undefined ? [] : [`status ${status}: a body that is not described`];
		return this.api.faults(schema, { value: body }).map((text) => `answer ${status}: ${text}`);
	}
}

export class OpenApi {
	constructor(load, modules) {
		const Ajv = load("ajv").default, formats = load("ajv-formats").default;
		this.document = description(modules);
		amended(this.document.components.schemas);
		const components = converted({ schemas: this.document.components.schemas });
		const options = { strict: false, validateSchema: false, allErrors: true };
		[this.ajv, this.lenient] = [{}, { coerceTypes: true }].map((more) => {
			const ajv = formats(new Ajv({ ...options, ...more }));
			return ajv.addSchema({ $id: "github", components });
		});
		this.compiled = new Map();
		this.operations = Object.entries(this.document.paths).flatMap(([template, methods]) =>
			Object.entries(methods).filter(([, d]) => d.operationId).map(([method, d]) =>
				new Operation(this, template, method.toUpperCase(), d, methods.parameters)));
	}

	// coerce: texts count as the numbers and booleans that they are.
	faults(schema, holder, coerce = false) {
		const key = JSON.stringify(schema) + coerce;
		if (!this.compiled.has(key)) {
			const own = JSON.parse(JSON.stringify(converted(schema))
				.replaceAll('"#/', '"github#/'));
			this.compiled.set(key, (coerce ? this.lenient : this.ajv)
				.compile({ type: "object", properties: { value: own }, required: ["value"] }));
		}
		const validate = this.compiled.get(key);
		return validate(holder) ? [] : validate.errors.map((e) =>
			`${e.instancePath.replace("/value", "") || "/"} ${e.message}` +
			(e.params.additionalProperty ? ` (${e.params.additionalProperty})` : ""));
	}

	// The operation of a request, and what the path names; or undefined.
	find(host, method, pathname) {
		const asked = method === "HEAD" ? "GET" : method;
		const length = (o) => o.template.split("{").length;
		const found = this.operations.filter((o) => o.host === host && o.method === asked &&
			o.pattern.test(pathname)).sort((a, b) => length(a) - length(b))[0];
		if (!found)
			return undefined;
		const named = Object.fromEntries(Object.entries(found.pattern.exec(pathname).groups ?? {})
			.map(([k, v]) => [k, decodeURIComponent(v)]));
		return { operation: found, named };
	}

	example(name) {
		return structuredClone(this.document.components.examples[name].value);
	}
}
