#include "cli/catalog/waiting.h"
#include "tuf/margin.h"

#include "util/mem.h"

#include <string.h>

static const struct opt status_opts[] = {
	CEREMONY_OPT_ROOT,
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	OPT_ENTRY(OPT_DURATION, ceremony_opts, within_s, 0, "within", "TIME",
		  "report roles that expire within this time (30 days for root and targets, 2 days "
		  "for snapshot, 1 day for timestamp)"),
	OPT_LAST,
};

/* What a person has to do for a role. */
enum need { NEED_NOTHING, NEED_SIGNATURES, NEED_RENEWAL, NEED_EXPIRED, NEED_REPAIR, NEED_KEYS };
static const char *const need_names[] = {
	"", "signatures", "renewal", "expired", "repair", "keys",
};

/* The published version expires, even if there is a draft. */
static int64_t expiry_of(const struct writer_status *s)
{
	return s->published ? s->published_expires_s : s->expires_s;
}

/* The worst first. */
static enum need need_of(const struct writer_status *s, const struct ceremony_opts *o,
			 int64_t now_s)
{
	if (s->keyids.count < s->threshold)
		return NEED_KEYS;
	if (!s->waiting && s->valid < s->threshold)
		return NEED_REPAIR;
	if (expiry_of(s) <= now_s)
		return NEED_EXPIRED;
	if (s->waiting)
		return NEED_SIGNATURES;
	return s->expires_s - now_s < tuf_margin_s(s->role, o->within_s) ? NEED_RENEWAL
									 : NEED_NOTHING;
}

/* ---- the document ---- */

static void put_role(json_t *object, const struct writer_status *s, const struct keyring *names,
		     int64_t now_s)
{
	json_put_string(object, "role", s->role);
	if (s->bins)
		json_put_u64(object, "bins", s->bins);
	json_put_u64(object, "version", s->version);
	json_put_u64(object, "published", s->published);
	json_put_bool(object, "waiting", s->waiting);
	json_put_time(object, "expires", s->expires_s);
	if (s->waiting && s->published)
		json_put_time(object, "published_expires", s->published_expires_s);
	json_put_bool(object, "expired", expiry_of(s) <= now_s);
	waiting_put_signatures(object, s, names);
}

/* ---- what to do ---- */

static char *renewal(const struct writer_status *s, enum need need, const json_t *role)
{
	char expires[TIME_TEXT];
	const char *verb = need == NEED_EXPIRED ? "expired at" : "expires at";
	CLEANUP(mem_free_ptr) char *who = waiting_who(json_object_get(role, "keys"));
	format_time(expires, expiry_of(s));
	if (s->waiting)
		return mem_printf("%s %llu %s %s; version %llu waits for signatures", s->role,
				  (unsigned long long)s->published, verb, expires,
				  (unsigned long long)s->version);
	if (repository_is_online(s->role))
		return mem_printf("%s %s %s: run `ferry catalog refresh`, and check the cron job",
				  s->role, verb, expires);
	if (s->bins)
		return mem_printf("%s %s %s: run `ferry catalog sign`", s->role, verb, expires);
	return mem_printf("%s %s %s: run `ferry catalog renew %s`; it needs %u of the keys of %s",
			  s->role, verb, expires, s->role, s->threshold, who);
}

static char *advice(const struct writer_status *s, enum need need, const json_t *role)
{
	if (need == NEED_KEYS)
		return mem_printf("%s has %zu keys, but its threshold is %u: add keys with `ferry "
				  "catalog rotate %s --add KEY`",
				  s->role, s->keyids.count, s->threshold, s->role);
	if (need == NEED_REPAIR)
		return mem_printf("%s %llu is not signed with the current keys, probably because a "
				  "command was interrupted: run `ferry catalog sign`",
				  s->role, (unsigned long long)s->version);
	if (need == NEED_SIGNATURES)
		return mem_printf("%s %llu waits for signatures", s->role,
				  (unsigned long long)s->version);
	return renewal(s, need, role);
}

static void put_need(json_t *object, const struct writer_status *s, enum need need,
		     const json_t *role)
{
	CLEANUP(mem_free_ptr) char *text = advice(s, need, role);
	json_put_string(object, "role", s->role);
	json_put_string(object, "what", need_names[need]);
	json_put_string(object, "text", text);
}

/* Objects that are not as they were when they were verified: no fault, because a tree that was
 * copied has other inodes. Cards that cannot be read are a matter of `lint`. */
static void put_moved(json_t *document, const char *dir)
{
	CLEANUP(str_list_release) struct str_list moved = { 0 };
	struct err ignored = ERR_INIT;
	json_t *paths = json_put_array(document, "moved");
	if (repository_moved(dir, &moved, &ignored) < 0)
		return;
	for (size_t i = 0; i < moved.count; i++)
		json_push_string(paths, moved.at[i]);
}

static void tell_moved(struct cli *cli, const json_t *paths)
{
	size_t count = json_array_size(paths);
	if (count)
		report_note(cli->report,
			    "%s%s: the size, time or inode has changed since it was verified; "
			    "`ferry catalog lint` hashes such files",
			    json_string_value(json_array_get(paths, 0)),
			    count == 1 ? "" : ", and others");
}

static json_t *status(struct cli *cli, const struct ceremony_opts *o, const struct ceremony_desk *d,
		      const struct writer_statuses *all)
{
	json_t *document = cli_document(cli), *needs = json_array();
	int64_t now_s = d->how.now_s;
	json_put_string(document, "repository", d->place.dir);
	json_t *roles = json_put_array(document, "roles");
	for (size_t i = 0; i < all->count; i++) {
		enum need need = need_of(&all->at[i], o, now_s);
		json_t *role = json_push_object(roles);
		put_role(role, &all->at[i], &d->names, now_s);
		if (need)
			put_need(json_push_object(needs), &all->at[i], need, role);
	}
	waiting_put(document, all, &d->names);
	json_put(document, "needs", needs);
	put_moved(document, d->place.dir);
	return document;
}

/* ---- for people ---- */

static const char *state_of(const struct writer_status *s, enum need need)
{
	static const char *const states[] = { "published",    "waiting for signatures",
					      "expires soon", "expired",
					      "not signed",   "too few keys" };
	if (!s->waiting || need == NEED_KEYS)
		return states[need];
	return waiting_lacks(s) ? states[NEED_SIGNATURES] : "signed, waits for others";
}

static char *role_text(const json_t *role)
{
	return cli_fill(role, json_object_get(role, "bins") ? "{role} ({bins} bins)" : "{role}");
}

static void print_roles(struct cli *cli, const struct ceremony_opts *o, int64_t now_s,
			const struct writer_statuses *all, const json_t *roles)
{
	static const struct cli_column columns[] = {
		{ "ROLE", NULL, role_text },
		{ ">VERSION", "{version}", NULL },
		{ "EXPIRES", "{expires}", NULL },
		{ "SIGNATURES", "{signatures} of {threshold}", NULL },
		{ "STATE", "{state}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	for (size_t i = 0; i < all->count; i++) {
		json_t *row = json_copy(json_array_get(roles, i));
		json_put_string(row, "state",
				state_of(&all->at[i], need_of(&all->at[i], o, now_s)));
		json_push(rows, row);
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

/* The details of drafts follow below. */
static void print_needs(struct cli *cli, const json_t *needs)
{
	const json_t *need;
	size_t i;
	json_array_foreach (needs, i, need)
		if (strcmp(json_text(need, "what"), need_names[NEED_SIGNATURES]) != 0)
			cli_say(cli, need, "{text}");
}

/* Root without a spare key is not a fault, but deserves a warning in time. */
static void warn_of_no_spare(struct cli *cli, const struct writer_status *root)
{
	if (root->keyids.count == root->threshold)
		report_note(cli->report,
			    "root has no spare key: if %s lost, root can never be changed again; "
			    "add one with `ferry catalog rotate root --add KEY`",
			    root->threshold == 1 ? "its key is" : "one of its keys is");
}

static int run_status(struct cli *cli, struct err *e)
{
	const struct ceremony_opts *o = cli->opts;
	CLEANUP(ceremony_desk_release) struct ceremony_desk d = { 0 };
	CLEANUP(writer_statuses_release) struct writer_statuses all = { 0 };
	int rc = ceremony_desk_open(cli, o, false, &d, e);
	if (rc < 0 || (rc = ceremony_status(&d.place, &all, e)) < 0)
		return rc;
	if (all.count == 0) {
		err_set(e, ERR_NOT_FOUND, "%s: the repository has not been signed", d.place.dir);
		return err_hint(e, "run `ferry catalog init` to make its keys and root");
	}
	CLEANUP(json_release) json_t *document = status(cli, o, &d, &all);
	const json_t *needs = json_object_get(document, "needs");
	print_roles(cli, o, d.how.now_s, &all, json_object_get(document, "roles"));
	cli_aloud(cli, json_array_size(needs));
	print_needs(cli, needs);
	waiting_print(cli, &d, document);
	rc = cli_result(cli, document, e);
	warn_of_no_spare(cli, &all.at[0]);
	tell_moved(cli, json_object_get(document, "moved"));
	return rc < 0 ? rc : json_array_size(needs) ? -ERR_FAULT : 0;
}

const struct command cmd_catalog_status = {
	.name = "status",
	.summary = "show versions, expiry dates, signatures, and what to do",
	.description =
		"The exit code is 1 if a person has to act: a draft waits for signatures, a "
		"role has expired or will soon, or has fewer keys than its threshold. Model files "
		"in the tree that changed since they were verified are named, without an effect on "
		"the exit code. Keys are shown by the names of their NAME.pub files in the folder "
		"of "
		"keys.",
	.opts = status_opts,
	.opts_size = sizeof(struct ceremony_opts),
	.run = run_status,
};
