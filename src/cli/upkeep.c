#include "cli/upkeep.h"

#include "catalog/card_members.h"
#include "fetch/prefetch.h"
#include "fetch/preview.h"
#include "store/pinned.h"
#include "util/mem.h"

#include <string.h>

void upkeep_release(struct upkeep *u)
{
	for (size_t i = 0; i < u->faults.count; i++)
		free(u->faults.at[i].operand);
	free(u->faults.at);
	free(u->at);
	store_variants_release(&u->all);
	client_release(&u->client);
	*u = (struct upkeep){ 0 };
}

/* ---- faults ---- */

void upkeep_fault(struct upkeep *u, const char *operand, const struct err *why)
{
	struct upkeep_faults *f = &u->faults;
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	f->at[f->count].operand = mem_strdup(operand);
	f->at[f->count++].why = *why;
}

void upkeep_end(struct cli *cli, const struct upkeep *u, size_t done, json_t *document,
		struct err *e)
{
	const struct upkeep_faults *f = &u->faults;
	if (!f->count)
		return;
	if (f->count == 1 && !done) {
		*e = f->at[0].why;
		return;
	}
	json_t *failed = json_put_array(document, "failed");
	for (size_t i = 0; i < f->count; i++) {
		struct err why = f->at[i].why;
		if (!strstr(why.text, f->at[i].operand))
			err_context(&why, "%s", f->at[i].operand);
		cli_tell(cli, &why);
		json_t *object = json_push_object(failed);
		json_put_string(object, "operand", f->at[i].operand);
		json_put(object, "error", cli_error_json(&why));
	}
	err_set(e, f->at[0].why.class, "%zu of %zu failed%s", f->count, f->count + done,
		done ? "; the others are done" : "");
}

/* ---- which models ---- */

static bool is_meant(const struct store_variant *v, const struct reference *r)
{
	return strcmp(v->model, r->model) == 0 &&
	       (!r->repository || strcmp(v->repository, r->repository) == 0) &&
	       (!r->variant || store_variant_is_of(v, r->variant));
}

static int none_is_meant(const char *text, bool numbered, struct err *e)
{
	if (numbered) {
		err_set(e, ERR_NOT_FOUND, "%s is in the store only under the number of its version",
			text);
		return err_hint(e, "`ferry fetch %s` fetches the current version", text);
	}
	err_set(e, ERR_NOT_FOUND, "%s is not in the store", text);
	return err_hint(e, "`ferry store list` lists what is; `ferry fetch %s` fetches it", text);
}

static int mark(struct upkeep *u, const char *text, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	bool any = false, numbered = false;
	int rc = reference_parse(text, &r, e);
	if (rc == 0 && r.version) {
		err_set(e, ERR_USAGE, "%s names a version, which never changes", text);
		return err_hint(e, "`ferry fetch %s` fetches it", text);
	}
	for (size_t i = 0; rc == 0 && i < u->all.count; i++)
		numbered |= is_meant(&u->all.at[i], &r);
	for (size_t i = 0; rc == 0 && i < u->count; i++) {
		bool meant = is_meant(u->at[i].stored, &r);
		u->at[i].meant |= meant;
		any |= meant;
	}
	return rc < 0 || any ? rc : none_is_meant(text, numbered, e);
}

static void choose(struct upkeep *u, const struct cli *cli)
{
	u->at = mem_alloc((u->all.count + 1) * sizeof *u->at);
	for (size_t i = 0; i < u->all.count; i++)
		if (!store_variant_is_numbered(&u->all.at[i]))
			u->at[u->count++] = (struct upkeep_model){
				.stored = &u->all.at[i],
				.meant = cli->count == 0,
			};
	for (int i = 0; i < cli->count; i++) {
		struct err why = ERR_INIT;
		if (mark(u, cli->operands[i], &why) < 0)
			upkeep_fault(u, cli->operands[i], &why);
	}
}

/* ---- how they stand ---- */

static void find_remote(const struct upkeep *u, struct upkeep_model *m)
{
	const struct remotes *all = &u->client.remotes;
	m->remote = remotes_find(all, m->stored->repository);
	for (size_t i = 0; i < all->failed_count; i++)
		if (strcmp(all->failed[i].repository, m->stored->repository) == 0)
			m->no_remote = &all->failed[i].why;
}

static int compare(struct upkeep *u, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < u->client.remotes.count; i++)
		standing_prefetch(u->client.remotes.at[i], &u->all);
	for (size_t i = 0; rc == 0 && i < u->count; i++) {
		struct upkeep_model *m = &u->at[i];
		find_remote(u, m);
		m->pinned = store_is_pinned(&u->client.store, m->stored);
		if (m->meant)
			rc = standing_of(m->remote, &u->client.store, m->stored, &m->standing, e);
	}
	return rc;
}

/* The manifests that say what a download reuses. */
static void prefetch_manifests(struct upkeep *u)
{
	for (size_t i = 0; i < u->client.remotes.count; i++) {
		CLEANUP(str_list_release) struct str_list paths = { 0 };
		struct remote *r = u->client.remotes.at[i];
		for (size_t k = 0; k < u->count; k++)
			if (u->at[k].remote == r && upkeep_is_outdated(&u->at[k]))
				fetch_plan_needs(r, u->at[k].standing.current, &paths);
		prefetch_targets(r, &paths);
	}
}

static int count_bytes(struct upkeep_model *m, struct err *e)
{
	static const struct fetch_options options = { 0 };
	CLEANUP(preview_release) struct preview p = { 0 };
	struct err why = ERR_INIT;
	int rc = preview_make(m->remote, m->standing.model, m->standing.current, &options, &p,
			      &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	/* Without manifests, nothing is known about reuse. */
	m->download = rc < 0 ? m->standing.to_fetch : p.download;
	m->begun = p.kept > 0;
	return 0;
}

int upkeep_open(struct cli *cli, bool offline, struct upkeep *out, struct err *e)
{
	enum client_mode mode = offline ? CLIENT_OFFLINE : CLIENT_ONLINE;
	*out = (struct upkeep){ 0 };
	int rc = session_open(cli, NULL, mode, &out->client, e);
	if (rc == 0)
		rc = store_list(&out->client.store, &out->all, e);
	if (rc < 0)
		return rc;
	choose(out, cli);
	rc = compare(out, e);
	if (rc == 0)
		prefetch_manifests(out);
	for (size_t i = 0; rc == 0 && i < out->count; i++)
		if (upkeep_is_outdated(&out->at[i]))
			rc = count_bytes(&out->at[i], e);
	return rc;
}

/* ---- what is said of them ---- */

bool upkeep_is_outdated(const struct upkeep_model *m)
{
	return m->meant && m->standing.has_newer;
}

const char *upkeep_state(const struct upkeep_model *m)
{
	if (m->standing.has_newer)
		return standing_name(STANDING_OUTDATED);
	if (!m->stored->complete &&
	    (m->standing.kind == STANDING_CURRENT || !m->stored->file_count))
		return "incomplete";
	return standing_name(m->standing.kind);
}

static void add_changes(json_t *out, const struct card_variant *v)
{
	json_t *change;
	size_t i;
	json_array_foreach (json_object_get(v->json, "changes"), i, change)
		if (json_array_size(out) < CARD_MAX_SENTENCES)
			json_push(out, json_incref(change));
}

/* Of all versions since the one in the store. */
static void put_changes(json_t *object, const struct upkeep_model *m)
{
	const struct card_variant *v = m->standing.current;
	json_t *changes = json_put_array(object, "changes");
	add_changes(changes, v);
	for (size_t i = 0; i < v->superseded_count; i++)
		if (v->superseded[i].version > m->stored->version)
			add_changes(changes, &v->superseded[i]);
}

static char *unknown(const struct upkeep_model *m)
{
	if (m->no_remote)
		return mem_printf("not known: %s", m->no_remote->text);
	return m->remote ? mem_strdup("not known: its entry in the catalog cannot be read now")
			 : mem_strdup("not known: its repository is not in ferry.conf");
}

static char *remark_of(const struct upkeep_model *m, const json_t *model)
{
	if (m->pinned && m->standing.has_newer)
		return cli_fill(model,
				m->standing.reason
					? "pinned at version {version}, which was withdrawn: "
					  "{reason}"
					: "pinned at version {version}");
	if (m->standing.has_newer || strcmp(upkeep_state(m), "current") == 0)
		return NULL;
	if (strcmp(upkeep_state(m), "incomplete") == 0)
		return cli_fill(model, "incomplete: `ferry fetch {repository}/{model}:{variant}`");
	if (m->standing.kind == STANDING_UNKNOWN)
		return unknown(m);
	return cli_fill(model, m->standing.kind == STANDING_UNLISTED ? "not in the catalog"
			       : m->standing.replacement
				       ? "withdrawn: {reason}; use {replacement} instead"
				       : "withdrawn: {reason}");
}

json_t *upkeep_json(const struct upkeep_model *m)
{
	const struct store_variant *v = m->stored;
	json_t *object = json_object();
	json_put_string(object, "repository", v->repository);
	json_put_string(object, "model", v->model);
	json_put_string(object, "variant", v->variant);
	if (v->file_count)
		json_put_u64(object, "version", v->version);
	json_put_string(object, "state", upkeep_state(m));
	if (m->pinned)
		json_put_bool(object, "pinned", true);
	json_put_string(object, "reason", m->standing.reason);
	json_put_string(object, "replacement", m->standing.replacement);
	if (m->standing.has_newer) {
		json_t *update = json_put_object(object, "update");
		json_put_u64(update, "version", m->standing.version);
		json_put_u64(update, "bytes", m->download);
		put_changes(object, m);
	}
	CLEANUP(mem_free_ptr) char *remark = remark_of(m, object);
	json_put_string(object, "remark", remark);
	return object;
}
