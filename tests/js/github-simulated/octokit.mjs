// Drives a GitHub with GitHub's own client, and prints what it got as JSON.
//
//     node octokit.mjs MODULES API OWNER REPO        (the token is in GH_TOKEN)
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, baseUrl, owner, repo] = process.argv.slice(2);

async function load(name) {
	const folder = path.join(modules, "node_modules", name);
	const { exports } = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
	return import(pathToFileURL(path.join(folder, exports["."].import)));
}

const { Octokit } = await load("@octokit/rest");
const { throttling } = await load("@octokit/plugin-throttling");
const { Group } = createRequire(path.join(modules, "package.json"))("bottleneck");
const atOnce = () => new Group({ minTime: 0 });		// its own pauses: up to 3 s for a request
const waits = [];
const octokit = new (Octokit.plugin(throttling))({
	auth: process.env.GH_TOKEN, baseUrl, log: { debug() {}, info() {}, warn() {}, error() {} },
	throttle: {
		global: atOnce(), write: atOnce(), notifications: atOnce(),
		onRateLimit: (seconds) => { waits.push(["primary", seconds]); },
		onSecondaryRateLimit: (seconds) => { waits.push(["secondary", seconds]); },
	},
});
const where = { owner, repo }, { repos } = octokit.rest;
const failure = (call) => call.then(() => null, (e) => ({ status: e.status, message: e.message }));
const sha256 = (data) => createHash("sha256").update(Buffer.from(data)).digest("hex");

const { data: draft } = await repos.createRelease({ ...where, tag_name: "v1", draft: true });
const upload = (name) => repos.uploadReleaseAsset({ ...where, release_id: draft.id,
	url: draft.upload_url, name, data: `content of ${name}` });
await upload("a");
await upload("b");
await upload("c");
const again = await failure(upload("a"));
await repos.updateRelease({ ...where, release_id: draft.id, draft: false });
const assets = await octokit.paginate(repos.listReleaseAssets,
	{ ...where, release_id: draft.id, per_page: 2 });
const got = await repos.getReleaseAsset({ ...where, asset_id: assets[0].id,
	headers: { accept: "application/octet-stream" } });
const { data: latest } = await repos.getLatestRelease(where);
const limited = [await failure(repos.listReleases(where)), await failure(repos.listReleases(where))];
process.stdout.write(JSON.stringify({ again, limited, waits, latest: latest.tag_name,
	assets: assets.map((a) => a.name), digest: assets[0].digest, sha256: sha256(got.data) }));
