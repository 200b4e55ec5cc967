// A Worker that speaks the part of S3 that Model Ferry uses, and asks Cloudflare's own R2 (the
// binding of miniflare) to do it. What the binding lacks is NotImplemented: lists of parts and of
// uploads, copies, the set-up of buckets. Signatures are not checked.
//
// All buckets are folders of one R2 bucket; ".buckets/NAME" is there if NAME was created.

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

// R2's numbers of errors, which end its messages: "… (10048)".
const CODES = {
	10007: ["NoSuchKey", 404], 10011: ["EntityTooSmall", 400], 10012: ["EntityTooLarge", 400],
	10024: ["NoSuchUpload", 404], 10025: ["InvalidPart", 400],
	10031: ["PreconditionFailed", 412], 10037: ["BadDigest", 400],
	10039: ["InvalidRange", 416], 10048: ["InvalidPart", 400], 10100: ["EntityTooLarge", 400],
};

class Refused extends Error {
	constructor(code, status, message) {
		super(message ?? code);
		this.code = code;
		this.status = status;
	}
}

const missing = (what) => new Refused("NotImplemented", 501, `${what} not implemented`);

const escape = (text) => String(text).replace(/[&<>"]/g,
	(c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;" })[c]);
const element = (name, value) => `<${name}>${escape(value)}</${name}>`;

function xml(root, inner, status = 200, headers = {}) {
	const space = root === "Error" ? "" : ` xmlns="${NAMESPACE}"`;
	return new Response(`<?xml version="1.0" encoding="UTF-8"?><${root}${space}>${inner}</${root}>`,
		{ status, headers: { "Content-Type": "application/xml", ...headers } });
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0"))
	.join("");

// The body, if it is what x-amz-content-sha256 and x-amz-checksum-sha256 say.
async function body(request) {
	const bytes = await request.arrayBuffer();
	const signed = request.headers.get("x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD";
	if (signed.startsWith("STREAMING-"))
		throw missing(signed);
	const digest = await crypto.subtle.digest("SHA-256", bytes);
	if (/^[0-9a-f]{64}$/.test(signed) && hex(digest) !== signed)
		throw new Refused("XAmzContentSHA256Mismatch", 400);
	const checksum = request.headers.get("x-amz-checksum-sha256");
	if (checksum && btoa(String.fromCharCode(...new Uint8Array(digest))) !== checksum)
		throw new Refused("BadDigest", 400);
	return { bytes, sha256: hex(digest) };
}

function metadata(request) {
	const custom = {};
	for (const [name, value] of request.headers)
		if (name.startsWith("x-amz-meta-"))
			custom[name.slice("x-amz-meta-".length)] = value;
	return { httpMetadata: request.headers, customMetadata: custom };
}

function described(object) {
	const headers = new Headers();
	object.writeHttpMetadata(headers);
	for (const [name, value] of Object.entries(object.customMetadata ?? {}))
		headers.set(`x-amz-meta-${name}`, value);
	headers.set("ETag", object.httpEtag);
	headers.set("Last-Modified", object.uploaded.toUTCString());
	headers.set("Accept-Ranges", "bytes");
	if (object.checksums?.sha256)
		headers.set("x-amz-checksum-sha256",
			btoa(String.fromCharCode(...new Uint8Array(object.checksums.sha256))));
	return headers;
}

async function put(r2, key, request) {
	const { bytes, sha256 } = await body(request);
	const stored = await r2.put(key, bytes,
		{ ...metadata(request), sha256, onlyIf: request.headers });
	if (!stored)
		throw new Refused("PreconditionFailed", 412);
	return new Response(null, { headers: { ETag: stored.httpEtag } });
}

async function get(r2, key, request) {
	const head = request.method === "HEAD";
	const object = head ? await r2.head(key)
		: await r2.get(key, { range: request.headers, onlyIf: request.headers });
	if (!object)
		throw new Refused("NoSuchKey", 404);
	const headers = described(object);
	if (head) {
		headers.set("Content-Length", object.size);
		return new Response(null, { headers });
	}
	if (!object.body)
		return new Response(null, {
			status: request.headers.has("If-None-Match") ? 304 : 412, headers });
	if (!request.headers.has("Range"))
		return new Response(object.body, { headers });
	const asked = /^bytes=(\d+)-/.exec(request.headers.get("Range"));
	if (asked && Number(asked[1]) >= object.size)
		throw new Refused("InvalidRange", 416);
	const first = object.range.offset ?? object.size - object.range.suffix;
	const length = object.range.length ?? object.size - first;
	headers.set("Content-Range", `bytes ${first}-${first + length - 1}/${object.size}`);
	return new Response(object.body, { status: 206, headers });
}

async function list(r2, bucket, query) {
	const url = query.get("encoding-type") === "url";
	const shown = (text) => url ? encodeURIComponent(text).replace(/%2F/g, "/") : text;
	const strip = (text) => shown(text.slice(bucket.length + 1));
	const limit = Math.min(Number(query.get("max-keys") ?? 1000), 1000);
	const after = query.get("start-after");
	const found = await r2.list({
		prefix: `${bucket}/${query.get("prefix") ?? ""}`, limit,
		delimiter: query.get("delimiter") ?? undefined,
		cursor: query.get("continuation-token") ?? undefined,
		startAfter: after ? `${bucket}/${after}` : undefined,
	});
	const objects = found.objects.map((o) => "<Contents>" + element("Key", strip(o.key)) +
		element("LastModified", o.uploaded.toISOString()) + element("ETag", o.httpEtag) +
		element("Size", o.size) + element("StorageClass", "STANDARD") + "</Contents>");
	const prefixes = found.delimitedPrefixes.map((p) =>
		"<CommonPrefixes>" + element("Prefix", strip(p)) + "</CommonPrefixes>");
	return xml("ListBucketResult", element("Name", bucket) +
		element("Prefix", shown(query.get("prefix") ?? "")) +
		element("KeyCount", objects.length + prefixes.length) + element("MaxKeys", limit) +
		(url ? element("EncodingType", "url") : "") +
		element("IsTruncated", found.truncated) +
		(found.truncated ? element("NextContinuationToken", found.cursor) : "") +
		objects.join("") + prefixes.join(""));
}

async function complete(r2, key, query, request) {
	const text = await request.text();
	const parts = [...text.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part]) => ({
		partNumber: Number(/<PartNumber>\s*(\d+)/.exec(part)[1]),
		etag: /<ETag>\s*(.*?)\s*<\/ETag>/s.exec(part)[1].replace(/&quot;|&#34;|"/g, ""),
	}));
	const made = await r2.resumeMultipartUpload(key, query.get("uploadId")).complete(parts);
	return xml("CompleteMultipartUploadResult", element("Key", key.slice(key.indexOf("/") + 1)) +
		element("ETag", made.httpEtag));
}

async function multipart(r2, bucket, key, query, request) {
	const which = r2.resumeMultipartUpload(`${bucket}/${key}`, query.get("uploadId") ?? "");
	if (request.method === "POST" && query.has("uploads")) {
		const { uploadId } = await r2.createMultipartUpload(`${bucket}/${key}`,
			metadata(request));
		return xml("InitiateMultipartUploadResult", element("Bucket", bucket) +
			element("Key", key) + element("UploadId", uploadId));
	}
	if (request.method === "PUT") {
		const { bytes } = await body(request);
		const part = await which.uploadPart(Number(query.get("partNumber")), bytes);
		return new Response(null, { headers: { ETag: `"${part.etag}"` } });
	}
	if (request.method === "DELETE") {
		await which.abort();
		return new Response(null, { status: 204 });
	}
	if (request.method === "POST")
		return complete(r2, `${bucket}/${key}`, query, request);
	throw missing("ListParts");
}

// Sub-resources that are mapped, or that change nothing.
const KNOWN = new Set(["uploads", "uploadId", "partNumber", "list-type", "prefix", "delimiter",
	"max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner", "x-id",
	"location"]);

async function ofBucket(r2, bucket, query, request) {
	const marker = `.buckets/${bucket}`;
	if (request.method === "PUT") {
		await r2.put(marker, "");
		return new Response(null);
	}
	if (!await r2.head(marker))
		throw new Refused("NoSuchBucket", 404);
	if (request.method === "HEAD")
		return new Response(null);
	if (request.method === "GET" && query.has("uploads"))
		throw missing("ListMultipartUploads");
	if (request.method === "GET" && query.has("location"))
		return xml("LocationConstraint", "auto");
	if (request.method === "GET")
		return list(r2, bucket, query);
	if (request.method !== "DELETE")
		throw missing(request.method);
	await r2.delete(marker);
	return new Response(null, { status: 204 });
}

async function ofObject(r2, bucket, key, query, request) {
	if (!await r2.head(`.buckets/${bucket}`))
		throw new Refused("NoSuchBucket", 404);
	if (request.headers.has("x-amz-copy-source"))
		throw missing("CopyObject");
	if (query.has("uploads") || query.has("uploadId"))
		return multipart(r2, bucket, key, query, request);
	if (request.method === "PUT")
		return put(r2, `${bucket}/${key}`, request);
	if (request.method === "DELETE") {
		await r2.delete(`${bucket}/${key}`);
		return new Response(null, { status: 204 });
	}
	return get(r2, `${bucket}/${key}`, request);
}

async function answer(request, r2) {
	const url = new URL(request.url);
	const [, bucket, key] = /^\/([^/]*)\/?(.*)$/s.exec(url.pathname);
	for (const name of url.searchParams.keys())
		if (!KNOWN.has(name) && !name.startsWith("X-Amz-"))
			throw missing(name);
	if (bucket === "")
		throw missing("ListBuckets");
	return key === "" ? ofBucket(r2, bucket, url.searchParams, request)
		: ofObject(r2, bucket, decodeURIComponent(key), url.searchParams, request);
}

export default {
	async fetch(request, env) {
		try {
			return await answer(request, env.R2);
		} catch (error) {
			const number = /\((\d{5})\)/.exec(error.message)?.[1];
			const [code, status] = error instanceof Refused ? [error.code, error.status]
				: CODES[number] ?? ["InternalError", 500];
			return xml("Error", element("Code", code) + element("Message", error.message), status);
		}
	},
};
