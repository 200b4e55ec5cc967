// Who asks, and what they may. An answer that ends a request early is thrown as Refusal.

export const DOCUMENTATION = "https://docs.github.com/rest";

export class Refusal extends Error {
	constructor(status, message, { headers = {}, errors, url } = {}) {
		super(message);
		Object.assign(this, { status, headers });
		this.body = { message, ...(errors && { errors }), documentation_url: url ?? DOCUMENTATION,
			status: String(status) };
	}
}

export const notFound = () => new Refusal(404, "Not Found");
export const invalid = (resource, errors) => new Refusal(422, "Validation Failed",
	{ errors: errors.map((e) => ({ resource, ...e })) });

// { token, user } of the request; both undefined if it names none.
export function authenticated(world, header) {
	if (!header)
		return {};
	const secret = /^(?:bearer|token)\s+(\S+)$/i.exec(header)?.[1];
	const token = secret && Object.hasOwn(world.tokens, secret) ? world.tokens[secret] : undefined;
	const expired = token?.expires && Date.parse(token.expires) <= Date.now();
	if (!token || token.revoked || expired || token.uses === 0)
		throw new Refusal(401, "Bad credentials");
	if (token.uses !== undefined && token.uses !== null)
		token.uses--;		// a token that is revoked after so many requests
	return { token, user: world.user(token.user) };
}

const RANK = { pull: 1, push: 2, admin: 3 };

// How much of the repository the asker has: 0 nothing, 1 reads, 2 writes, 3 administers.
function rank(repository, { token, user }) {
	const open = repository.private ? 0 : 1;
	if (!token)
		return open;
	const role = user.login.toLowerCase() === repository.owner.toLowerCase() ? 3
		: RANK[repository.roles[user.login]] ?? open;
	if (token.kind === "classic") {
		const covered = token.scopes.includes("repo") ||
			(token.scopes.includes("public_repo") && !repository.private);
		return covered ? role : open;
	}
	const name = `${repository.owner}/${repository.name}`;
	if (token.repositories && !token.repositories.includes(name))
		return open;
	const given = { read: 1, write: 2 }[token.permissions.contents] ?? open;
	return token.permissions.administration ? Math.max(Math.min(role, 3), given)
		: Math.min(role, given);
}

export const mayWrite = (repository, who) => rank(repository, who) >= 2;

// Throws what GitHub answers if the asker has less than `wanted` ("read", "write", "admin").
export function need(repository, who, wanted) {
	const has = rank(repository, who);
	if (has >= { read: 1, write: 2, admin: 3 }[wanted])
		return;
	if (has === 0)
		throw notFound();		// a private repository does not show that it is there
	if (!who.token)
		throw new Refusal(401, "Requires authentication");
	if (who.token.kind === "classic")
		throw notFound();
	throw new Refusal(403, "Resource not accessible by " + (who.token.kind === "actions"
		? "integration" : "personal access token"));
}

export const permissionsOf = (repository, who) => {
	const has = rank(repository, who);
	return { admin: has >= 3, maintain: has >= 3, push: has >= 2, triage: has >= 2,
		pull: has >= 1 };
};

// --- rate limits

const bucketOf = (who) => who.user ? `user ${who.user.id}` : "127.0.0.1";

export function spent(world, who) {
	const name = bucketOf(who), seconds = Math.floor(Date.now() / 1000);
	let at = world.spent[name];
	if (!at || at.reset <= seconds)
		at = world.spent[name] = { used: 0, reset: seconds + world.limits.window_seconds };
	at.limit = who.user ? world.limits.primary : world.limits.primary_anonymous;
	return at;
}

export function limitHeaders(world, who) {
	const at = spent(world, who);
	return { "x-ratelimit-limit": at.limit, "x-ratelimit-used": at.used,
		"x-ratelimit-remaining": Math.max(0, at.limit - at.used), "x-ratelimit-reset": at.reset,
		"x-ratelimit-resource": "core" };
}

// Counts the request, or refuses it. `world.exhausted`: { status, refusals }: no more than so many
// refusals, then the limit is full again, whatever the clock says.
export function charge(world, who, cost = 1) {
	const at = spent(world, who);
	if (at.used + cost <= at.limit) {
		at.used += cost;
		return;
	}
	const { status = 403 } = world.exhausted ?? {};
	const refusal = new Refusal(status, `API rate limit exceeded for ${bucketOf(who)}.`, {
		headers: { ...limitHeaders(world, who), "x-ratelimit-remaining": 0 },
		url: `${DOCUMENTATION}/overview/rate-limits-for-the-rest-api` });
	if (world.exhausted && --world.exhausted.refusals <= 0) {
		delete world.exhausted;
		delete world.spent[bucketOf(who)];
	}
	throw refusal;
}

// seconds: null: the answer does not say how long to wait, which GitHub documents.
export const secondary = (seconds, status = 403,
	what = "Please wait a few minutes before you try again.") =>
	new Refusal(status, `You have exceeded a secondary rate limit. ${what}`, {
		headers: seconds === null ? {} : { "retry-after": seconds },
		url: "https://docs.github.com/free-pro-team@latest/rest/overview/" +
			"rate-limits-for-the-rest-api#about-secondary-rate-limits" });

// Counts one creation of content, or refuses it.
export function chargeCreation(world, who) {
	const name = bucketOf(who), at = Date.now();
	const kept = (world.created[name] ?? []).filter((t) => t > at - 3600e3);
	const minute = kept.filter((t) => t > at - 60e3).length;
	if (minute >= world.limits.content_minute || kept.length >= world.limits.content_hour) {
		if (world.limits.content_refusals && --world.limits.content_refusals <= 0)
			kept.length = 0;
		world.created[name] = kept;
		throw secondary(world.limits.retry_after, 403, "You have been temporarily blocked from " +
			"content creation. Please retry your request again later.");
	}
	world.created[name] = [...kept, at];
}
