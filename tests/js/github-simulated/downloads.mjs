// Two hosts that are not the API: the web (public downloads, which redirect), and the host of the
// objects (signed URLs).
import crypto from "node:crypto";
import fs from "node:fs";

import { notFound } from "./access.mjs";

const PREFIX = "/github-production-release-asset";

// A signed URL of an asset, as the API and the web redirect to it.
export function link(world, urls, asset) {
	const until = Math.floor(Date.now() / 1000) + world.limits.link_seconds;
	const query = new URLSearchParams({ sp: "r", sv: "2018-11-09", sr: "b", se: until,
		sig: world.sign(asset.id, until, "r"),
		"response-content-disposition": `attachment; filename=${asset.name}`,
		"response-content-type": "application/octet-stream" });
	return `${urls.objects}${PREFIX}/${asset.id}?${query}`;
}

function releaseOfTag(world, repository, tag) {
	const found = world.releases.find((r) => r.repository === repository.id && !r.draft &&
		r.tag_name === tag);
	if (!found)
		throw notFound();
	return found;
}

// The answer of the web host: { operation, status, headers }. It knows no token of the API.
export function web(world, urls, pathname) {
	const asked = /^\/([^/]+)\/([^/]+)\/releases\/(?:latest\/download|download\/(.+))\/([^/]+)$/
		.exec(pathname);
	if (!asked)
		throw notFound();
	const [owner, name, tag, file] = asked.slice(1).map((v) => v && decodeURIComponent(v));
	const { repository, moved } = world.repository(owner, name);
	if (!repository || repository.private)
		throw notFound();
	if (moved)
		return { status: 301, headers: { location: urls.web + pathname.replace(/^\/[^/]+\/[^/]+/,
			`/${repository.owner}/${repository.name}`) } };
	const release = tag === undefined ? world.latest(repository)
		: releaseOfTag(world, repository, tag);
	if (!release)
		throw notFound();
	if (tag === undefined)
		return { status: 302, headers: { location: `${urls.web}/${repository.owner}/` +
			`${repository.name}/releases/download/${release.tag_name}/${asked[4]}` } };
	const asset = world.assetsOf(release).find((a) => a.name === file && a.state === "uploaded");
	if (!asset)
		throw notFound();
	return { status: 302, headers: { location: link(world, urls, asset) } };
}

const xml = (status, code, message, headers = {}) => ({ status,
	headers: { "content-type": "application/xml", "x-ms-error-code": code, ...headers },
	text: `\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code>` +
		`<Message>${message}</Message></Error>` });

// { first, last } of one range; null: the whole; undefined: not satisfiable.
function range(header, size) {
	const one = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
	if (!one || (!one[1] && !one[2]))
		return null;
	if (!one[1])
		return Number(one[2]) ? { first: Math.max(0, size - Number(one[2])), last: size - 1 }
			: undefined;
	const first = Number(one[1]), last = one[2] ? Math.min(Number(one[2]), size - 1) : size - 1;
	if (one[2] && Number(one[2]) < first)
		return null;
	return first < size ? { first, last } : undefined;
}

// The answer of the objects' host: { status, headers, text } or { …, file, first, last }.
export function object(world, pathname, query, headers, operation = "r") {
	const id = Number(pathname.slice(PREFIX.length + 1));
	const asset = pathname.startsWith(`${PREFIX}/`) && world.assets.find((a) => a.id === id);
	if (headers.authorization)
		return xml(400, "InvalidAuthenticationInfo", "Authentication information is not given in " +
			"the correct format. Check the value of Authorization header.");
	if (!asset || query.sig !== world.sign(id, query.se, operation))
		return xml(403, "AuthenticationFailed", "Server failed to authenticate the request.");
	if (Number(query.se) < Date.now() / 1000)
		return xml(403, "AuthenticationFailed", "Signature not valid in the specified time frame.");
	if (!fs.existsSync(world.file(asset)))
		return xml(404, "BlobNotFound", "The specified blob does not exist.");
	const size = fs.statSync(world.file(asset)).size;
	const etag = `"0x8D${crypto.createHash("md5").update(asset.created_at + id).digest("hex")
		.slice(0, 12).toUpperCase()}"`;
	const same = !headers["if-range"] || headers["if-range"] === etag;
	const part = same ? range(headers.range, size) : null;
	if (part === undefined)
		return xml(416, "InvalidRange", "The range specified is invalid for the current size of " +
			"the resource.", { "content-range": `bytes */${size}` });
	const { first, last } = part ?? { first: 0, last: size - 1 };
	return { status: part ? 206 : 200, file: world.file(asset), first, last, asset, headers: {
		"content-type": "application/octet-stream", "accept-ranges": "bytes", etag,
		"last-modified": new Date(asset.created_at).toUTCString(),
		"content-length": last - first + 1,
		"content-disposition": query["response-content-disposition"] ?? "attachment",
		...(part && { "content-range": `bytes ${first}-${last}/${size}` }) } };
}
