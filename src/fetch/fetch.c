#include "fetch/fetch.h"

#include "fetch/batch.h"
#include "fetch/fetch_internal.h"
#include "fetch/prefetch.h"
#include "fetch/room.h"
#include "util/mem.h"

#include <string.h>

int fetch_refuse_withdrawn(const struct card *model, const struct card_variant *v, struct err *e)
{
	const struct card_withdrawal w = card_withdrawn(model, v);
	if (!w.reason)
		return 0;
	err_set(e, ERR_INTEGRITY, "the publisher has withdrawn %s:%s@%llu: %s", model->id, v->id,
		(unsigned long long)v->version, w.reason);
	e->cause = CAUSE_WITHDRAWN;
	return w.replacement ? err_hint(e, "use %s instead; --withdrawn takes it nevertheless",
					w.replacement)
			     : err_hint(e, "--withdrawn takes it nevertheless");
}

/* -- one model, before the run ---------------------------------------------------------------- */

struct store_variant fetch_stored_form(const struct fetch_want *w)
{
	const struct card_variant *variant = w->variant;
	unsigned long long version = variant->version;
	struct store_variant v = {
		.repository = mem_strdup(w->remote->repository),
		.model = mem_strdup(w->model->id),
		.variant = w->options.versioned ? mem_printf("%s@%llu", variant->id, version)
						: mem_strdup(variant->id),
		.version = version,
		.kind = variant->kind ? mem_strdup(variant->kind) : NULL,
		.engine = variant->engine ? mem_strdup(variant->engine) : NULL,
		.fetched_s = clock_wall_s(w->remote->sources.clock),
	};
	v.files = mem_alloc((variant->file_count + 1) * sizeof *v.files);
	for (size_t i = 0; i < variant->file_count; i++) {
		const struct card_file *f = &variant->files[i];
		v.files[v.file_count++] = (struct store_file){
			.name = mem_strdup(f->name),
			.role = f->role ? mem_strdup(f->role) : NULL,
			.sha256 = f->sha256,
			.size = f->size,
		};
	}
	return v;
}

/* *linked: it is in the store with these files, so nothing needs to be written. ERR_INTEGRITY when
 * the store has a later version of it. */
static int compare_stored(const struct remote *remote, const struct store_variant *v, bool *linked,
			  struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	const struct store_variant *old;
	struct err ignored = ERR_INIT;
	*linked = false;
	if (fetch_from_store(remote->store, v->repository, v->model, v->variant, NULL, &all, &old,
			     &ignored) < 0)
		return 0;
	/* A version that was kept, and is now asked for, is no longer just kept. */
	*linked = store_variant_equal(old, v) && store_is_linked(remote->store, old) &&
		  (!old->replaced_s || remote->store->read_only);
	if (old->version <= v->version || *linked)
		return 0;
	err_set(e, ERR_INTEGRITY,
		"%s/%s:%s is version %llu in the catalog, but version %llu is in the store: "
		"versions never go back",
		v->repository, v->model, v->variant, (unsigned long long)v->version,
		(unsigned long long)old->version);
	return err_hint(e, "tell the publisher; %s:%s@%llu takes this version nevertheless",
			v->model, v->variant, (unsigned long long)v->version);
}

static int plan_one(struct fetching *f, struct err *e)
{
	struct fetch_want *w = f->want;
	int rc = w->options.withdrawn ? 0 : fetch_refuse_withdrawn(w->model, w->variant, e);
	if (rc == 0)
		rc = fetch_plan_make(w->remote, w->model, w->variant, w->options.check_blobs,
				     &f->plan, e);
	if (rc < 0)
		return rc;
	f->variant = fetch_stored_form(w);
	return compare_stored(w->remote, &f->variant, &f->linked, e);
}

static void fetching_release(struct fetching *f)
{
	fetch_plan_release(&f->plan);
	store_variant_release(&f->variant);
	fetch_result_release(&f->result);
	free(f->jobs);
}

static void settle(struct fetch_run *run, struct fetching *f)
{
	f->settled = true;
	f->want->result = f->result;
	f->result = (struct fetch_result){ 0 };
	if (run->done)
		run->done(run->ctx, f->want);
}

/* -- all of them ------------------------------------------------------------------------------ */

static void prefetch_manifests(struct fetch_want *wants, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP(str_list_release) struct str_list paths = { 0 };
		struct remote *remote = wants[i].remote;
		bool done = false;
		for (size_t k = 0; k < i; k++)
			done |= wants[k].remote == remote;
		for (size_t k = i; !done && k < count; k++)
			if (wants[k].remote == remote)
				fetch_plan_needs(remote, wants[k].variant, &paths);
		prefetch_targets(remote, &paths);
	}
}

static bool has_digest(const struct fetching *f, size_t files, const struct digest *d)
{
	for (size_t i = 0; i < files; i++)
		if (!f->plan.files[i].in_store && digest_equal(&f->plan.files[i].card->sha256, d))
			return true;
	return false;
}

/* Does no file before it, of this model or of another one, have the same bytes? */
static bool is_first(const struct fetch_run *run, const struct fetching *f, size_t i)
{
	const struct digest *d = &f->plan.files[i].card->sha256;
	bool again = f->plan.files[i].in_store || has_digest(f, i, d);
	for (const struct fetching *o = run->all; !again && o < f; o++)
		again = !o->want->why.class && has_digest(o, o->plan.count, d);
	return !again;
}

static uint64_t own_bytes(const struct fetch_run *run, const struct fetching *f)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < f->plan.count; i++)
		bytes += is_first(run, f, i) ? f->plan.files[i].to_fetch : 0;
	return bytes;
}

static void tell_whole(const struct fetch_run *run)
{
	uint64_t bytes = 0;
	size_t files = 0;
	for (size_t i = 0; i < run->count; i++) {
		const struct fetching *f = &run->all[i];
		bool runs = !f->want->why.class && !f->settled;
		for (size_t k = 0; runs && k < f->plan.count; k++) {
			if (!is_first(run, f, k))
				continue;
			bytes += f->plan.files[k].card->size;
			files++;
		}
	}
	if (files)
		report_whole(run->all[0].want->remote->report, files, bytes);
}

static struct fetch_room room_of(const struct fetch_run *run, const struct fetching *f)
{
	return (struct fetch_room){
		.store = f->want->remote->store,
		.variant = &f->variant,
		.to_fetch = own_bytes(run, f),
		.linked = f->linked,
		.output = f->want->options.output,
		.report = f->want->remote->report,
	};
}

/* What the store does not have, because it was moved to the output by an earlier run. */
static bool is_delivered(struct fetching *f, const struct fetch_room *room)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	if (!fetch_room_is_delivered(room, &paths))
		return false;
	fetch_result_of(f);
	f->result.delivered = true;
	for (size_t i = 0; i < f->result.count; i++)
		f->result.files[i].path = mem_strdup(paths.at[i]);
	return true;
}

/* One that has an output. */
static void check_output(struct fetch_run *run, struct fetching *f)
{
	const struct fetch_room room = room_of(run, f);
	struct err why = ERR_INIT;
	int rc = fetch_room_check(&room, &f->moves, &why);
	if ((rc < 0 || f->moves) && is_delivered(f, &room))
		settle(run, f);
	else if (rc < 0)
		f->want->why = why;
}

/* If there is no room for all, none that needs some is begun. */
static void check_room(struct fetch_run *run)
{
	CLEANUP(mem_free_ptr) struct fetch_room *rooms =
		mem_alloc((run->count + 1) * sizeof *rooms);
	struct err why = ERR_INIT;
	size_t count = 0;
	for (size_t i = 0; i < run->count; i++) {
		struct fetching *f = &run->all[i];
		if (!f->want->why.class && f->want->options.output)
			check_output(run, f);
		else if (!f->want->why.class)
			rooms[count++] = room_of(run, f);
	}
	if (fetch_room_check_all(rooms, count, &why) == 0)
		return;
	for (size_t i = 0; i < run->count; i++)
		if (!run->all[i].want->why.class && !run->all[i].want->options.output &&
		    run->all[i].plan.to_fetch)
			run->all[i].want->why = why;
}

static void plan_all(struct fetch_run *run)
{
	for (size_t i = 0; i < run->count; i++)
		(void)!plan_one(&run->all[i], &run->all[i].want->why);
	check_room(run);
	tell_whole(run);
}

/* A batch for each repository, in the order of the models. */
static int run_all(struct fetch_run *run, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < run->count; i++) {
		bool first = true;
		for (size_t k = 0; k < i; k++)
			first &= run->all[k].want->remote != run->all[i].want->remote;
		if (first)
			rc = batch_run(run, run->all[i].want->remote, e);
	}
	return rc;
}

/* Those whose plan failed, too. */
static void settle_rest(struct fetch_run *run)
{
	for (size_t i = 0; i < run->count; i++)
		if (!run->all[i].settled)
			settle(run, &run->all[i]);
}

int fetch_variants(struct fetch_want *wants, size_t count, fetch_done_fn *done, void *ctx,
		   struct err *e)
{
	struct fetch_run run = { .count = count, .done = done, .ctx = ctx };
	run.all = mem_alloc((count + 1) * sizeof *run.all);
	run.settle = settle;
	for (size_t i = 0; i < count; i++)
		run.all[i].want = &wants[i];
	prefetch_manifests(wants, count);
	plan_all(&run);
	int rc = run_all(&run, e);
	if (rc == 0)
		settle_rest(&run);
	for (size_t i = 0; i < count; i++)
		fetching_release(&run.all[i]);
	free(run.all);
	return rc;
}
