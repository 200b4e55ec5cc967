/* What is trusted, or would be, for people to judge. */
#include "cli/repository/repository.h"
#include "settings/join.h"
#include "tuf/metadata.h"
#include "util/mem.h"

#include <string.h>

/* -- the document ---------------------------------------------------------------------------- */

static void put_root(json_t *root, const struct remote *c, const struct digest *pinned)
{
	const struct tuf_metadata *m = tuf_client_root(c->tuf);
	const char *const *keyids;
	uint64_t threshold;
	size_t count = tuf_client_root_keys(c->tuf, &keyids, &threshold);
	json_put_u64(root, "version", m->version);
	json_put_u64(root, "threshold", threshold);
	json_t *keys = json_put_array(root, "keys");
	for (size_t i = 0; i < count; i++)
		json_push_string(keys, keyids[i]);
	if (!pinned)
		return;
	CLEANUP(mem_free_ptr) char *print = join_fingerprint(pinned, " ");
	json_put_hex(root, "sha256", pinned->bytes, sizeof pinned->bytes);
	json_put_string(root, "fingerprint", print);
}

static void put_signers(json_t *object, const struct tuf_role *role)
{
	json_put_u64(object, "threshold", role->threshold);
	json_put_u64(object, "keys", role->count);
}

static json_t *roles_json(const struct remote *c)
{
	const struct tuf_metadata *root = c->tuf ? tuf_client_root(c->tuf) : NULL;
	json_t *roles = session_roles_json(c), *role;
	size_t i;
	json_array_foreach (roles, i, role) {
		enum tuf_type type;
		if (root && tuf_type_from_name(json_text(role, "role"), &type))
			put_signers(role, &root->roles[type]);
	}
	return roles;
}

static void put_delegations(json_t *array, const struct tuf_metadata *top)
{
	for (size_t i = 0; i < top->delegated_count; i++) {
		const struct tuf_delegated *d = &top->delegated[i];
		json_t *object = json_push_object(array);
		json_put_string(object, "role", d->name);
		put_signers(object, &d->role);
		if (d->paths)
			json_put(object, "paths", json_incref((json_t *)d->paths));
	}
	if (top->bins.bit_length) {
		CLEANUP(mem_free_ptr) char *name = mem_printf("%s-*", top->bins.prefix);
		json_t *object = json_push_object(array);
		json_put_string(object, "role", name);
		put_signers(object, &top->bins.role);
	}
}

/* How good is it for other people? */
static int worth(const struct endpoint *p)
{
	const char *url = p->source->url;
	int scheme = str_starts_nocase(url, "https:") ? 3
		     : str_starts_nocase(url, "oci:") ? 2
						      : str_starts_nocase(url, "http:");
	return (p->state == ENDPOINT_OK ? 8 : p->state == ENDPOINT_STALE ? 4 : 0) + scheme;
}

static void put_join(json_t *object, struct remote *c, const struct digest *root)
{
	size_t count;
	const struct endpoint *p = endpoints_all(&c->endpoints, &count), *best = NULL;
	for (size_t i = 0; i < count; i++)
		if (!best || worth(&p[i]) > worth(best))
			best = &p[i];
	if (!best)
		return;
	CLEANUP(mem_free_ptr) char *url = join_url(best->source->url, root);
	json_put_string(object, "join", url);
}

void cmd_repository_put(json_t *object, struct remote *c, const struct digest *pinned, bool first)
{
	const struct tuf_metadata *top = c->tuf ? tuf_client_top(c->tuf) : NULL;
	if (c->tuf)
		put_root(json_put_object(object, "root"), c, pinned);
	if (pinned && first)
		put_join(object, c, pinned);
	json_put(object, "roles", roles_json(c));
	if (top)
		put_delegations(json_put_array(object, "delegations"), top);
	session_put_endpoints(json_put_array(object, "endpoints"), c, NULL);
}

/* -- for people ------------------------------------------------------------------------------ */

static void print_fingerprint(struct cli *cli, const json_t *object)
{
	struct digest d;
	const char *hex = json_text(json_object_get(object, "root"), "sha256");
	if (!hex || !digest_parse(&d, hex))
		return;
	CLEANUP(mem_free_ptr) char *print = join_fingerprint(&d, "\n  ");
	CLEANUP(mem_free_ptr) char *lines = mem_printf("  %s\n", print);
	cli_line(cli, json_object_get(object, "join")
			      ? "fingerprint of the first root (SHA-256 of 1.root.json):"
			      : "fingerprint of the root with which trust began (its SHA-256):");
	cli_raw(cli, lines);
}

static char *paths_text(const json_t *delegation)
{
	const json_t *paths = json_object_get(delegation, "paths");
	return paths ? cli_join(paths, "{}", " ") : mem_strdup("by hash");
}

static char *signers_text(const json_t *role)
{
	return json_object_get(role, "threshold") ? cli_fill(role, "{threshold} of {keys#key}")
						  : mem_strdup("-");
}

void cmd_repository_print(struct cli *cli, const json_t *object)
{
	static const struct cli_column roles[] = {
		{ "ROLE", "{role}", NULL },
		{ "SIGNED BY", NULL, signers_text },
		{ ">VERSION", "{version}", NULL },
		{ "EXPIRES", "{expires}", NULL },
	};
	static const struct cli_column delegations[] = {
		{ "DELEGATION", "{role}", NULL },
		{ "SIGNED BY", NULL, signers_text },
		{ "PATHS", NULL, paths_text },
	};
	static const struct cli_column endpoints[] = {
		{ "ENDPOINT", "{url}", NULL },
		{ "STATE", "{state}", NULL },
		{ ">TIMESTAMP", "{version|-}", NULL },
		{ "FAULT", "{fault}", NULL },
	};
	const json_t *delegated = json_object_get(object, "delegations");
	cli_raw(cli, "\n");
	print_fingerprint(cli, object);
	cli_raw(cli, "\n");
	cli_table(cli, json_object_get(object, "roles"), roles, ARRAY_LEN(roles));
	if (json_array_size(delegated)) {
		cli_raw(cli, "\n");
		cli_table(cli, delegated, delegations, ARRAY_LEN(delegations));
	}
	cli_raw(cli, "\n");
	cli_table(cli, json_object_get(object, "endpoints"), endpoints, ARRAY_LEN(endpoints));
}

void cmd_repository_print_join(struct cli *cli, const json_t *object)
{
	const char *url = json_text(object, "join");
	if (!url)
		return;
	CLEANUP(mem_free_ptr) char *escaped = text_escaped(url);
	CLEANUP(mem_free_ptr) char *quoted = text_shell_quoted(escaped);
	cli_raw(cli, "\n");
	cli_line(cli, "others add it with:");
	cli_line(cli, "  ferry repository add %s", quoted);
}
