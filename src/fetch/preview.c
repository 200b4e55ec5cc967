#include "fetch/preview.h"

#include "fetch/delta.h"
#include "util/mem.h"

#include <string.h>

void preview_release(struct preview *p)
{
	for (size_t i = 0; i < p->source_count; i++)
		free(p->sources[i]);
	free(p->sources);
	free(p->files);
	*p = (struct preview){ 0 };
}

/* ---- files ---- */

static int look_for_reuse(struct remote *remote, const struct card *model,
			  const struct fetch_plan_file *f, struct preview_file *out, struct err *e)
{
	CLEANUP_PTR(delta_close) struct delta *d = NULL;
	int rc = delta_open(remote, model, &f->manifest, &d, e);
	if (rc == 0 && d)
		out->reused = MIN(delta_bytes(d), f->to_fetch);
	out->download = f->to_fetch - out->reused;
	return rc;
}

static int look_at_file(struct remote *remote, const struct card *model,
			const struct fetch_plan_file *f, struct preview *p, struct err *e)
{
	struct preview_file *out = &p->files[p->count++];
	*out = (struct preview_file){ .card = f->card, .in_store = f->in_store };
	if (!f->in_store)
		out->kept = f->card->size - f->to_fetch;
	int rc = f->in_store ? 0 : look_for_reuse(remote, model, f, out, e);
	p->size += f->card->size;
	p->download += out->download;
	p->in_store += f->in_store ? f->card->size : 0;
	p->kept += out->kept;
	p->reused += out->reused;
	return rc;
}

/* ---- sources ---- */

static void list_sources(const struct remote *remote, struct preview *p)
{
	const struct source_list *l = &remote->sources;
	p->sources = mem_alloc((l->count + 1) * sizeof *p->sources);
	for (size_t i = 0; p->download && i < l->count; i++)
		if (l->at[i]->objects && !l->at[i]->banned)
			p->sources[p->source_count++] = mem_strdup(l->at[i]->id);
}

/* ---- the store ---- */

/* *linked: it is there already, as it should be. */
static int find_replaced(const struct remote *remote, const struct store_variant *v,
			 uint64_t *replaces, bool *linked, struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	const struct store_variant *old;
	struct err ignored = ERR_INIT;
	if (fetch_from_store(remote->store, v->repository, v->model, v->variant, NULL, &all, &old,
			     &ignored) < 0)
		return 0;
	*linked = store_variant_equal(old, v) && store_is_linked(remote->store, old);
	if (old->version > v->version && !*linked)
		return err_set(e, ERR_INTEGRITY,
			       "%s/%s:%s is version %llu in the catalog, but version %llu is in "
			       "the store: versions never go back",
			       v->repository, v->model, v->variant, (unsigned long long)v->version,
			       (unsigned long long)old->version);
	*replaces = old->version == v->version || *linked ? 0 : old->version;
	return 0;
}

/* As the store would record it. */
static struct store_variant stored_form(const struct remote *remote, const struct card *model,
					const struct card_variant *v, bool versioned)
{
	struct store_variant s = {
		.repository = mem_strdup(remote->repository),
		.model = mem_strdup(model->id),
		.variant = versioned ? mem_printf("%s@%llu", v->id, (unsigned long long)v->version)
				     : mem_strdup(v->id),
		.version = v->version,
		.files = mem_alloc((v->file_count + 1) * sizeof *s.files),
	};
	for (; s.file_count < v->file_count; s.file_count++) {
		const struct card_file *f = &v->files[s.file_count];
		s.files[s.file_count] = (struct store_file){
			.name = mem_strdup(f->name),
			.role = f->role ? mem_strdup(f->role) : NULL,
			.sha256 = f->sha256,
			.size = f->size,
		};
	}
	return s;
}

/* ---- all ---- */

static int make(struct remote *remote, const struct fetch_plan *plan, const struct store_variant *v,
		const struct fetch_options *options, struct preview *p, struct err *e)
{
	bool linked = false;
	int rc = find_replaced(remote, v, &p->replaces, &linked, e);
	p->files = mem_alloc((plan->count + 1) * sizeof *p->files);
	for (size_t i = 0; rc == 0 && i < plan->count; i++)
		rc = look_at_file(remote, plan->model, &plan->files[i], p, e);
	if (rc < 0)
		return rc;
	list_sources(remote, p);
	p->output = options->output;
	const struct fetch_room room = {
		.store = remote->store,
		.variant = v,
		.to_fetch = plan->to_fetch,
		.linked = linked,
		.output = options->output,
		.report = remote->report,
	};
	return fetch_room_need(&room, &p->room, e);
}

int preview_make(struct remote *remote, const struct card *model,
		 const struct card_variant *variant, const struct fetch_options *options,
		 struct preview *out, struct err *e)
{
	CLEANUP(preview_release) struct preview p = { 0 };
	CLEANUP(fetch_plan_release) struct fetch_plan plan = { 0 };
	CLEANUP(store_variant_release)
	struct store_variant v = stored_form(remote, model, variant, options->versioned);
	int rc = options->withdrawn ? 0 : fetch_refuse_withdrawn(model, variant, e);
	if (rc == 0)
		rc = fetch_plan_make(remote, model, variant, false, &plan, e);
	if (rc == 0)
		rc = make(remote, &plan, &v, options, &p, e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct preview){ 0 };
	return 0;
}
