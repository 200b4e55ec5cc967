// The JSON of users, repositories, releases and assets, as GitHub's description has them.
import { mayWrite, permissionsOf } from "./access.mjs";

const nodeId = (kind, id) => Buffer.from(`${kind}${id}`).toString("base64");

export class Shapes {
	constructor(world, openapi, urls) {
		Object.assign(this, { world, openapi, urls });
	}

	user(login) {
		const { id, login: name } = this.world.user(login);
		const url = `${this.urls.api}/users/${name}`;
		return {
			login: name, id, node_id: nodeId("User", id), avatar_url: `${this.urls.web}/u/${id}`,
			gravatar_id: "", url, html_url: `${this.urls.web}/${name}`,
			followers_url: `${url}/followers`, following_url: `${url}/following{/other_user}`,
			gists_url: `${url}/gists{/gist_id}`, starred_url: `${url}/starred{/owner}{/repo}`,
			subscriptions_url: `${url}/subscriptions`, organizations_url: `${url}/orgs`,
			repos_url: `${url}/repos`, events_url: `${url}/events{/privacy}`,
			received_events_url: `${url}/received_events`, type: "User", site_admin: false,
		};
	}

	authenticated(login) {
		const name = "private-user-response-with-public-and-private-profile-information";
		return { ...this.openapi.example(name), ...this.user(login), email: null };
	}

	// Where the API has a repository.
	place(repository) {
		return `${this.urls.api}/repos/${repository.owner}/${repository.name}`;
	}

	page(repository) {
		return `${this.urls.web}/${repository.owner}/${repository.name}`;
	}

	// GitHub's example, with the names and addresses of ours, and what the example lacks.
	repository(repository, who) {
		const name = `${repository.owner}/${repository.name}`;
		const { template_repository, parent, source, organization, ...example } =
			this.openapi.example("full-repository-default-response");
		const ours = JSON.parse(JSON.stringify(example)
			.replaceAll("https://api.github.com/repos/octocat/Hello-World", this.place(repository))
			.replaceAll("https://github.com/octocat/Hello-World", this.page(repository))
			.replaceAll("octocat/Hello-World", name));
		return { ...ours, id: repository.id, node_id: nodeId("Repository", repository.id),
			name: repository.name, full_name: name, owner: this.user(repository.owner),
			private: repository.private, visibility: repository.private ? "private" : "public",
			default_branch: "main", language: null, permissions: permissionsOf(repository, who) };
	}

	asset(asset, repository, release) {
		const tag = release.draft ? release.untagged : release.tag_name;
		return {
			url: `${this.place(repository)}/releases/assets/${asset.id}`, id: asset.id,
			node_id: nodeId("ReleaseAsset", asset.id), name: asset.name, label: asset.label,
			uploader: this.user(asset.uploader), content_type: asset.content_type,
			state: asset.state, size: asset.size, digest: asset.digest,
			download_count: asset.downloads, created_at: asset.created_at,
			updated_at: asset.updated_at,
			browser_download_url: `${this.page(repository)}/releases/download/` +
				`${encodeURIComponent(tag)}/${encodeURIComponent(asset.name)}`,
		};
	}

	release(release, repository) {
		const url = `${this.place(repository)}/releases/${release.id}`;
		const upload = url.replace(this.urls.api, this.urls.uploads);
		const tag = release.draft ? release.untagged : release.tag_name;
		const ball = (kind) => release.draft ? null
			: `${this.place(repository)}/${kind}/${release.tag_name}`;
		return {
			url, assets_url: `${url}/assets`, upload_url: `${upload}/assets{?name,label}`,
			html_url: `${this.page(repository)}/releases/tag/${encodeURIComponent(tag)}`,
			id: release.id, node_id: nodeId("Release", release.id),
			author: this.user(release.author), tag_name: release.tag_name,
			target_commitish: release.target_commitish, name: release.name, body: release.body,
			draft: release.draft, prerelease: release.prerelease, immutable: release.immutable,
			created_at: release.created_at, updated_at: release.updated_at,
			published_at: release.published_at,
			assets: this.world.assetsOf(release).map((a) => this.asset(a, repository, release)),
			tarball_url: ball("tarball"), zipball_url: ball("zipball"),
		};
	}

	// May the asker see this release? Drafts are for those who may write.
	shown(release, repository, who) {
		return !release.draft || mayWrite(repository, who);
	}
}
