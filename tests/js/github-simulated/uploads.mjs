// The upload of an asset: a raw body, to a host of its own.
import crypto from "node:crypto";
import fs from "node:fs";

import { chargeCreation, invalid, notFound, Refusal } from "./access.mjs";
import { releaseOf } from "./releases.mjs";
import { assetName, now } from "./world.mjs";

// Throws what GitHub answers before it takes the body.
function check(c, release, name, size) {
	const { world } = c, custom = (field, message) =>
		invalid("ReleaseAsset", [{ code: "custom", field, message }]);
	if (release.immutable)
		throw new Refusal(422, "Cannot upload assets to an immutable release.");
	if (size < 1)
		throw custom("size", "size must be greater than or equal to 1");
	if (size > world.limits.asset_size)
		throw custom("size", `size must be less than or equal to ${world.limits.asset_size}`);
	if (size === world.limits.asset_size)
		throw custom("size", "size is not included in the list");
	if (world.assetsOf(release).some((a) => a.name === name))
		throw invalid("ReleaseAsset", [{ code: "already_exists", field: "name" }]);
	if (world.assetsOf(release).length >= world.limits.assets)
		throw custom("file_count",
			`file_count limited to ${world.limits.assets} assets per release`);
	chargeCreation(world, c.who);
}

// Changes the byte of the fault, if it is in this piece, which begins at `at`.
export function flip(fault, piece, at) {
	if (fault?.flip !== undefined && at <= fault.flip && fault.flip < at + piece.length)
		piece[fault.flip - at] ^= 1;
}

// Keeps the body in a file, and returns its digest. The fault may hold or cut it on the way.
async function receive(c, file, size, fault) {
	const sha256 = crypto.createHash("sha256"), out = fs.createWriteStream(file);
	let got = 0;
	try {
		for await (const piece of c.request) {
			flip(fault, piece, got);
			got += piece.length;
			c.entry.received = got;
			sha256.update(piece);
			if (!out.write(piece))
				await new Promise((done) => out.once("drain", done));
			if (fault?.hold !== undefined && got >= fault.hold)
				await fault.wait();
			if (fault?.cut !== undefined && got >= fault.cut)
				throw new Error("cut");
		}
		if (got !== size)
			throw new Error("cut");
	} finally {
		await new Promise((done) => out.end(done));
	}
	return `sha256:${sha256.digest("hex")}`;
}

// Returns the answer, or null if the connection is to end without one.
export async function upload(c) {
	const { world, fault } = c, release = releaseOf(c), size = Number(c.headers["content-length"]);
	const name = assetName(c.query.name ?? "");
	check(c, release, name, size);
	if (c.request.headers.expect)
		c.response.writeContinue();
	const asset = { id: world.id(), release: release.id, uploader: c.who.user.login, name,
		label: c.query.label ?? "", content_type: c.headers["content-type"], state: "starter",
		size: 0, digest: null, downloads: 0, created_at: now(), updated_at: now() };
	world.assets.push(asset);		// the name is taken from here on
	let digest = null;
	try {
		digest = await receive(c, world.file(asset), size, fault);
	} catch {
		if (fault?.leaves === "nothing")
			world.removeAsset(asset);
		return null;
	}
	if (fault?.status && !fault.done) {
		if (fault.leaves === "nothing")
			world.removeAsset(asset);
		return null;
	}
	if (!world.assets.includes(asset)) {		// deleted while it came
		fs.rmSync(world.file(asset), { force: true });
		throw notFound();
	}
	Object.assign(asset, { state: "uploaded", size, updated_at: now(),
		digest: world.limits.digests ? digest : null });
	asset.sha256 = digest;			// what the tests may know, also of older assets
	return { status: 201, body: c.shapes.asset(asset, c.repository, release) };
}
