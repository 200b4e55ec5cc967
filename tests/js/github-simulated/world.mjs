// What the simulated GitHub knows: users, tokens, repositories, releases, assets. Plain data, so
// that a restart can write it down and read it again; the assets' bytes are files.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const LIMITS = {
	asset_size: 2 ** 31,		// bytes; an asset is smaller than this
	assets: 1000,			// for each release
	body: 125000,			// characters of a release's notes
	link_seconds: 300,		// how long a signed URL lives
	digests: true,			// do new assets get a digest?
	primary: 5000, primary_anonymous: 60, window_seconds: 3600,
	content_minute: 80, content_hour: 500, concurrent: 100,
	retry_after: 60,		// seconds that a secondary limit asks for
};

export const now = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");

// The name that GitHub gives an asset. Its documentation says only that special characters and
// leading and trailing periods are changed; that they become one period, that @ and + stay, and
// that a leading period becomes "default." is from reports (electron/forge#1761,
// softprops/action-gh-release#741, github/rest-api-description#2968).
export function assetName(asked) {
	const plain = asked.normalize("NFKD").replace(/\p{M}/gu, "");
	const name = plain.replace(/[^A-Za-z0-9@+_.-]+/g, ".").replace(/\.{2,}/g, ".")
		.replace(/\.$/, "");
	return name.startsWith(".") ? `default${name}` : name;
}

export class World {
	constructor(folder) {
		this.folder = folder;
		this.clear();
	}

	clear() {
		fs.rmSync(path.join(this.folder, "assets"), { recursive: true, force: true });
		fs.mkdirSync(path.join(this.folder, "assets"), { recursive: true });
		Object.assign(this, { users: {}, tokens: {}, repositories: [], releases: [], assets: [],
			limits: { ...LIMITS }, last: 1000, spent: {}, created: {}, requests: 0,
			key: crypto.randomBytes(16).toString("hex") });
	}

	save() {
		const { folder, ...state } = this;
		fs.writeFileSync(path.join(folder, "state.json"), JSON.stringify(state));
	}

	load() {
		Object.assign(this, JSON.parse(fs.readFileSync(path.join(this.folder, "state.json"))));
	}

	id() {
		return ++this.last;
	}

	user(login) {
		return this.users[login.toLowerCase()] ??= { login, id: this.id() };
	}

	addRepository({ full_name, private: hidden = false, immutable = false, empty = false,
		roles = {} }) {
		const [owner, name] = full_name.split("/");
		this.user(owner);
		const made = { id: this.id(), owner, name, former: [], private: hidden, immutable, empty,
			roles, tags: {}, burned: [], latest: null };
		this.repositories.push(made);
		return made;
	}

	// By its name of today, or by one that it had: then `moved` is true.
	repository(owner, name) {
		const same = (a, b) => a.toLowerCase() === b.toLowerCase();
		const full = `${owner}/${name}`;
		const found = this.repositories.find((r) => same(`${r.owner}/${r.name}`, full));
		if (found)
			return { repository: found, moved: false };
		const former = this.repositories.find((r) => r.former.some((f) => same(f, full)));
		return { repository: former, moved: Boolean(former) };
	}

	rename(repository, full_name) {
		repository.former.push(`${repository.owner}/${repository.name}`);
		[repository.owner, repository.name] = full_name.split("/");
	}

	assetsOf(release) {
		return this.assets.filter((a) => a.release === release.id);
	}

	file(asset) {
		return path.join(this.folder, "assets", String(asset.id));
	}

	removeAsset(asset) {
		this.assets.splice(this.assets.indexOf(asset), 1);
		fs.rmSync(this.file(asset), { force: true });
	}

	removeRelease(release) {
		this.assetsOf(release).forEach((a) => this.removeAsset(a));
		this.releases.splice(this.releases.indexOf(release), 1);
	}

	latest(repository) {
		const shown = this.releases.filter((r) => r.repository === repository.id && !r.draft &&
			!r.prerelease);
		return shown.find((r) => r.id === repository.latest) ?? shown.at(-1);
	}

	// --- signed URLs

	sign(asset, until, role) {
		return crypto.createHmac("sha256", this.key).update(`${asset}\n${until}\n${role}`)
			.digest("base64url");
	}
}
