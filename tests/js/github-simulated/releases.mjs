// The operations of the API, by the names of GitHub's description (without "repos/").
import crypto from "node:crypto";

import { chargeCreation, invalid, notFound, spent } from "./access.mjs";
import { assetName, now } from "./world.mjs";

// git check-ref-format for refs/tags/NAME.
const goodTag = (tag) => !/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$|^@$/.test(tag) &&
	tag.split("/").every((part) => part && !part.startsWith(".") && !part.endsWith(".lock"));

function refuse() {
	throw notFound();
}

export function releaseOf(c, id = c.named.release_id) {
	const found = c.world.releases.find((r) => r.id === Number(id) &&
		r.repository === c.repository.id);
	if (!found || !c.shapes.shown(found, c.repository, c.who))
		throw notFound();
	return found;
}

export function assetOf(c) {
	const asset = c.world.assets.find((a) => a.id === Number(c.named.asset_id));
	return { asset: asset ?? refuse(), release: releaseOf(c, asset?.release) };
}

// One page of what is listed, with GitHub's Link header.
function paged(c, all, shape) {
	const per = Math.min(Number(c.query.per_page ?? 30) || 30, 100);
	const page = Number(c.query.page ?? 1) || 1, last = Math.max(1, Math.ceil(all.length / per));
	const rest = c.pathname.replace(/^\/repos\/[^/]+\/[^/]+/, `/repositories/${c.repository.id}`);
	const link = (number, rel) =>
		`<${c.urls.api}${rest}?per_page=${per}&page=${number}>; rel="${rel}"`;
	const links = [
		...(page > 1 ? [link(page - 1, "prev")] : []),
		...(page < last ? [link(page + 1, "next"), link(last, "last")] : []),
		...(page > 1 ? [link(1, "first")] : []),
	];
	return { status: 200, body: all.slice((page - 1) * per, page * per).map(shape),
		headers: links.length ? { link: links.join(", ") } : {} };
}

const answer = (c, release, status = 200) => ({ status,
	body: c.shapes.release(release, c.repository), headers: status === 201
		? { location: `${c.shapes.place(c.repository)}/releases/${release.id}` } : {} });

function checkText(c, { tag_name, body }) {
	const errors = [];
	if (tag_name !== undefined && (tag_name === "" || !goodTag(tag_name)))
		errors.push({ code: "custom", field: "tag_name", message: "tag_name is not a valid tag" });
	if (body && [...body].length > c.world.limits.body)
		errors.push({ code: "custom", field: "body",
			message: `body is too long (maximum is ${c.world.limits.body} characters)` });
	if (errors.length)
		throw invalid("Release", errors);
}

const taken = (c, tag, except) => c.world.releases.some((r) => r !== except && !r.draft &&
	r.repository === c.repository.id && r.tag_name === tag);

// What GitHub checks when a release gets visible under a tag. A draft reserves nothing.
function checkPublished(c, tag, release) {
	if (c.repository.empty)
		throw invalid("Release", [{ code: "custom", message: "Repository is empty." }]);
	if (taken(c, tag, release))
		throw invalid("Release", [{ code: "already_exists", field: "tag_name" }]);
	if (c.repository.burned.includes(tag))
		throw invalid("Release", [{ code: "custom", field: "tag_name",
			message: "tag_name was used by an immutable release" },
		{ code: "custom", message: "Published releases must have a valid tag" }]);
}

function publish(c, release, latest) {
	release.draft = false;
	release.published_at ??= now();
	release.immutable ||= c.repository.immutable;
	c.repository.tags[release.tag_name] ??= release.target_commitish;
	if (release.immutable && !c.repository.burned.includes(release.tag_name))
		c.repository.burned.push(release.tag_name);
	if (latest !== "false" && !release.prerelease)
		c.repository.latest = release.id;
}

function checkLatest(draft, prerelease, latest) {
	if (latest === "true" && (draft || prerelease))
		throw invalid("Release", [{ code: "custom", field: "make_latest",
			message: "Latest release cannot be draft or prerelease" }]);
}

function create(c) {
	const asked = c.body;
	checkText(c, asked);
	checkLatest(asked.draft, asked.prerelease, asked.make_latest);
	const made = {
		id: 0, repository: c.repository.id, author: c.who.user.login, tag_name: asked.tag_name,
		untagged: `untagged-${crypto.randomBytes(10).toString("hex")}`,
		target_commitish: asked.target_commitish ?? "main", name: asked.name ?? null,
		body: asked.body ?? null, draft: true, prerelease: asked.prerelease ?? false,
		immutable: false, created_at: now(), updated_at: now(), published_at: null,
	};
	if (!asked.draft)
		checkPublished(c, made.tag_name, made);
	chargeCreation(c.world, c.who);
	made.id = c.world.id();
	c.world.releases.push(made);
	if (!asked.draft)
		publish(c, made, asked.make_latest);
	return answer(c, made, 201);
}

// Immutable releases keep their tag and assets; the rest can be edited (github/docs#45718).
function update(c) {
	const release = releaseOf(c), asked = c.body ?? {};
	const draft = asked.draft ?? release.draft, was = release.draft;
	const tag = asked.tag_name ?? release.tag_name;
	checkText(c, asked);
	checkLatest(draft, asked.prerelease ?? release.prerelease, asked.make_latest);
	if (release.immutable && (draft || tag !== release.tag_name))
		throw invalid("Release", [{ code: "custom", field: "tag_name",
			message: "tag_name cannot be changed on an immutable release" }]);
	if (!draft && (was || tag !== release.tag_name))
		checkPublished(c, tag, release);
	for (const name of ["tag_name", "target_commitish", "name", "body", "prerelease"])
		if (asked[name] !== undefined)
			release[name] = asked[name];
	Object.assign(release, { draft, updated_at: now() });
	if (!draft)
		publish(c, release, asked.make_latest ?? (was ? "true" : "false"));
	return answer(c, release);
}

function updateAsset(c) {
	const { asset, release } = assetOf(c);
	const { name = asset.name, label = asset.label } = c.body ?? {};
	const given = assetName(name);
	if (release.immutable)
		throw invalid("ReleaseAsset", [{ code: "custom",
			message: "Cannot update asset of an immutable release" }]);
	if (c.world.assetsOf(release).some((a) => a !== asset && a.name === given))
		throw invalid("ReleaseAsset", [{ code: "already_exists", field: "name" }]);
	Object.assign(asset, { name: given, label, updated_at: now() });
	return { status: 200, body: c.shapes.asset(asset, c.repository, release) };
}

function deleteAsset(c) {
	const { asset, release } = assetOf(c);
	if (release.immutable)
		throw invalid("ReleaseAsset", [{ code: "custom",
			message: "Cannot delete asset from an immutable release" }]);
	c.world.removeAsset(asset);
	return { status: 204 };
}

function getAsset(c) {
	const { asset, release } = assetOf(c);
	if (!/application\/octet-stream/.test(c.headers.accept ?? ""))
		return { status: 200, body: c.shapes.asset(asset, c.repository, release) };
	if (asset.state !== "uploaded")
		throw notFound();
	return { status: 302, headers: { location: c.link(asset) } };
}

const list = (c) => paged(c, c.world.releases.filter((r) => r.repository === c.repository.id &&
	c.shapes.shown(r, c.repository, c.who)).reverse(), (r) => c.shapes.release(r, c.repository));

function byTag(c) {
	const found = c.world.releases.find((r) => r.repository === c.repository.id && !r.draft &&
		r.tag_name === c.named.tag);
	return answer(c, found ?? refuse());
}

function listAssets(c) {
	const release = releaseOf(c);
	return paged(c, c.world.assetsOf(release), (a) => c.shapes.asset(a, c.repository, release));
}

function rateLimit(c) {
	const { limit, used, reset } = spent(c.world, c.who);
	const core = { limit, used, reset, remaining: Math.max(0, limit - used) };
	return { status: 200, body: { rate: core, resources: { core, search: {
		limit: 30, used: 0, remaining: 30, reset } } } };
}

// An empty repository has none.
const branches = (c) => paged(c, c.repository.empty ? [] : ["main"], (name) => ({ name,
	protected: false, commit: { sha: "0".repeat(40),
		url: `${c.shapes.place(c.repository)}/commits/${"0".repeat(40)}` } }));

function immutableReleases(c) {
	if (!c.repository.immutable)
		throw notFound();
	return { status: 200, body: { enabled: true, enforced_by_owner: false } };
}

// Each operation: what the asker must have, and the work.
export const OPERATIONS = {
	"rate-limit/get": { work: rateLimit, free: true },
	"users/get-authenticated": { user: true, work: (c) => ({ status: 200,
		body: c.shapes.authenticated(c.who.user.login) }) },
	"get": { has: "read", work: (c) => ({ status: 200,
		body: c.shapes.repository(c.repository, c.who) }) },
	"list-branches": { has: "read", work: branches },
	"check-immutable-releases": { has: "admin", work: immutableReleases },
	"list-releases": { has: "read", work: list },
	"create-release": { has: "write", work: create },
	"get-latest-release": { has: "read",
		work: (c) => answer(c, c.world.latest(c.repository) ?? refuse()) },
	"get-release-by-tag": { has: "read", work: byTag },
	"get-release": { has: "read", work: (c) => answer(c, releaseOf(c)) },
	"update-release": { has: "write", work: update },
	"delete-release": { has: "write", work: (c) => {
		c.world.removeRelease(releaseOf(c));
		return { status: 204 };
	} },
	"list-release-assets": { has: "read", work: listAssets },
	"get-release-asset": { has: "read", work: getAsset },
	"update-release-asset": { has: "write", work: updateAsset },
	"delete-release-asset": { has: "write", work: deleteAsset },
};
