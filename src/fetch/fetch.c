#include "fetch/fetch.h"

#include "fetch/engine.h"
#include "fetch/room.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void fetch_result_release(struct fetch_result *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->files[i].path);
	free(r->files);
	*r = (struct fetch_result){ 0 };
}

static struct store_variant stored_form(const struct remote *remote, const struct fetch_plan *p,
					bool versioned)
{
	unsigned long long version = p->variant->version;
	struct store_variant v = {
		.repository = mem_strdup(remote->repository),
		.model = mem_strdup(p->model->id),
		.variant = versioned ? mem_printf("%s@%llu", p->variant->id, version)
				     : mem_strdup(p->variant->id),
		.version = version,
		.kind = p->variant->kind ? mem_strdup(p->variant->kind) : NULL,
		.engine = p->variant->engine ? mem_strdup(p->variant->engine) : NULL,
		.fetched_s = clock_wall_s(remote->sources.clock),
	};
	v.files = mem_alloc((p->count + 1) * sizeof *v.files);
	for (size_t i = 0; i < p->count; i++) {
		const struct card_file *f = p->files[i].card;
		v.files[v.file_count++] = (struct store_file){
			.name = mem_strdup(f->name),
			.sha256 = f->sha256,
			.size = f->size,
		};
	}
	return v;
}

static int fetch_one(struct remote *remote, const struct fetch_plan_file *f, struct rate *rate,
		     struct fetch_file *out, struct err *e)
{
	CLEANUP(partial_close) struct partial p = PARTIAL_INIT;
	struct engine_job job = { .key = f->key, .partial = &p };
	struct engine_options options = { .rate = rate, .report = remote->report };
	bool done;
	int rc = partial_open(remote->store, f->card->name, &f->card->sha256, &f->manifest.grid,
			      f->manifest.pieces, remote->report, &p, &done, e);
	if (rc < 0 || done)
		return rc;
	out->resumed = p.kept;
	if (p.kept) {
		char size[SIZE_TEXT];
		report_note(remote->report, "%s: %s from an earlier run verified", p.name,
			    format_size(size, p.kept));
	}
	rc = engine_run(&remote->sources, &job, &options, e);
	out->fetched = p.pieces.grid.size - p.kept - partial_missing_bytes(&p);
	return rc < 0 ? rc : partial_finish(&p, e);
}

static int fetch_files(struct remote *remote, const struct fetch_plan *p, struct rate *rate,
		       struct fetch_result *r, struct err *e)
{
	r->files = mem_alloc((p->count + 1) * sizeof *r->files);
	for (size_t i = 0; i < p->count; i++) {
		const struct fetch_plan_file *f = &p->files[i];
		struct fetch_file *out = &r->files[r->count++];
		out->name = f->card->name;
		out->size = f->card->size;
		out->sha256 = f->card->sha256;
		if (f->in_store) {
			partial_tidy(remote->store, &f->card->sha256);
		} else {
			int rc = fetch_one(remote, f, rate, out, e);
			if (rc < 0)
				return rc;
		}
		r->size += out->size;
		r->fetched += out->fetched;
		r->resumed += out->resumed;
	}
	return 0;
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
	*linked = store_variant_equal(old, v) && store_is_linked(remote->store, old);
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

static void name_linked(const struct store *s, const struct store_variant *v,
			struct fetch_result *r)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	for (size_t i = 0; i < r->count; i++)
		r->files[i].path = store_file_path(s, dir, &v->files[i]);
}

/* Where the files of a variant go that the store has. */
struct placing {
	const struct store *store;
	const struct card_variant *variant;
	bool moves;   /* out of the store */
	bool checked; /* that there is space for the copies */
};

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Before the first copy: the space for all. */
static int need_copies(struct placing *p, size_t first, const char *path, struct err *e)
{
	uint64_t bytes = 0;
	if (p->checked)
		return 0;
	p->checked = true;
	for (size_t i = first; i < p->variant->file_count; i++)
		bytes += p->variant->files[i].size;
	return file_need_space(path, bytes, e);
}

static int place(struct placing *p, size_t i, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(p->store, &p->variant->files[i].sha256);
	/* Root, above all in a container, can write to a read-only file: not to that of the store.
	 */
	bool own = faccessat(AT_FDCWD, blob, W_OK, AT_EACCESS) == 0, done = false;
	/* The output is the blob itself, or an existing link to it. */
	if (is_same_file(blob, path) && !p->moves)
		return 0;
	if (p->moves)
		return file_rename(blob, path, e);
	int rc = file_reflink(blob, path, FILE_READ_ONLY, &done, e);
	if (rc == 0 && !done && !own)
		rc = file_link(blob, path, &done, e);
	if (rc < 0 || done)
		return rc;
	rc = need_copies(p, i, path, e);
	return rc < 0 ? rc : file_copy(blob, path, FILE_READ_ONLY, p->store->cancel, e);
}

/* A typing error must not go unnoticed. */
static int make_folder(const struct store *s, const char *dir, struct err *e)
{
	if (file_is_dir(dir))
		return 0;
	int rc = file_mkdirs(dir, FILE_DIR_MODE, e);
	if (rc == 0)
		report_note(s->report, "made the folder %s", dir);
	return rc;
}

/* Makes a reflink, hard link or copy of each blob, atomically for each file. One file: `output`
 * is its new path, or an existing folder. Several: a folder, created if missing. */
static int place_all(const struct store *s, const struct card_variant *variant, const char *output,
		     bool moves, struct str_list *paths, struct err *e)
{
	struct placing p = { .store = s, .variant = variant, .moves = moves };
	bool folder = variant->file_count > 1 || file_is_dir(output) || str_ends(output, "/");
	CLEANUP(mem_free_ptr) char *dir = folder ? mem_strdup(output) : path_dir(output);
	int rc = make_folder(s, dir, e);
	for (size_t i = 0; rc == 0 && i < variant->file_count; i++) {
		const struct card_file *f = &variant->files[i];
		CLEANUP(mem_free_ptr) char *path = folder ? path_join(output, f->name)
							  : mem_strdup(output);
		rc = place(&p, i, path, e);
		if (rc == 0)
			str_list_take(paths, path_absolute(path));
	}
	if (rc == -ERR_NOT_FOUND)
		err_class_set(e, ERR_SYSTEM);
	return rc < 0 ? err_context(e, "--output %s", output) : 0;
}

static int deliver(struct remote *remote, const struct fetch_plan *p, const char *output,
		   bool moves, struct fetch_result *r, struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	int rc = place_all(remote->store, p->variant, output, moves, &paths, e);
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		free(r->files[i].path);
		r->files[i].path = mem_strdup(paths.at[i]);
	}
	return rc;
}

/* What the store does not have, because it was moved there by an earlier run. */
static bool is_delivered(const struct fetch_plan *p, const struct fetch_room *room,
			 struct fetch_result *r)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	if (!fetch_room_is_delivered(room, &paths))
		return false;
	r->delivered = true;
	r->files = mem_alloc((p->count + 1) * sizeof *r->files);
	for (size_t i = 0; i < p->count; i++) {
		r->files[r->count++] = (struct fetch_file){
			.path = mem_strdup(paths.at[i]),
			.name = p->files[i].card->name,
			.size = p->files[i].card->size,
			.sha256 = p->files[i].card->sha256,
		};
		r->size += p->files[i].card->size;
	}
	return true;
}

/* Fetches, links and delivers what the room is for. */
static int carry_out(struct remote *remote, const struct fetch_plan *plan,
		     const struct fetch_room *room, bool moves, struct rate *rate,
		     struct fetch_result *result, struct err *e)
{
	const struct store *s = remote->store;
	const struct store_variant *v = room->variant;
	int rc = room->linked ? 0 : store_pin(s, v, e);
	if (rc == 0)
		rc = fetch_files(remote, plan, rate, result, e);
	if (rc == 0 && !room->linked && !moves)
		rc = store_link(s, v, e);
	if (rc < 0)
		return rc;
	if (room->linked)
		store_tidy_variant(s, v);
	name_linked(s, v, result);
	if (room->output)
		rc = deliver(remote, plan, room->output, moves, result, e);
	return rc == 0 && moves ? store_forget(s, v, e) : rc;
}

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

int fetch_variant(struct remote *remote, const struct card *model,
		  const struct card_variant *variant, const struct fetch_options *options,
		  struct fetch_result *out, struct err *e)
{
	CLEANUP(fetch_plan_release) struct fetch_plan plan = { 0 };
	CLEANUP(fetch_result_release) struct fetch_result result = { 0 };
	struct rate rate = {
		.clock = remote->sources.clock,
		.bytes_per_s = options->limit_rate,
	};
	if (!options->limit_rate)
		rate.table = remote->limit_rate;
	int rc = options->withdrawn ? 0 : fetch_refuse_withdrawn(model, variant, e);
	if (rc == 0)
		rc = fetch_plan_make(remote, model, variant, options->check_blobs, &plan, e);
	if (rc < 0)
		return rc;
	bool linked, moves;
	CLEANUP(store_variant_release) struct store_variant v = stored_form(remote, &plan,
									    options->versioned);
	rc = compare_stored(remote, &v, &linked, e);
	if (rc < 0)
		return rc;
	const struct fetch_room room = { remote->store, &v, plan.to_fetch, linked, options->output,
					 remote->report };
	struct err why = ERR_INIT;
	rc = fetch_room_check(&room, &moves, &why);
	bool there = (rc < 0 || moves) && is_delivered(&plan, &room, &result);
	if (rc < 0 && !there)
		*e = why;
	else if (!there)
		rc = carry_out(remote, &plan, &room, moves, &rate, &result, e);
	if (rc < 0 && !there)
		return rc;
	*out = result;
	result = (struct fetch_result){ 0 };
	return 0;
}

/* -- without a network ----------------------------------------------------------------------- */

/* Fetched once by its variant and once by its version. */
static bool is_twice(const struct store_variant *a, const struct store_variant *b)
{
	size_t len = strcspn(a->variant, "@");
	return strcmp(a->repository, b->repository) == 0 && a->version == b->version &&
	       len == strcspn(b->variant, "@") && strncmp(a->variant, b->variant, len) == 0 &&
	       store_variant_equal(a, b);
}

static int several(const struct store_variant *a, const struct store_variant *b, struct err *e)
{
	err_set(e, ERR_USAGE, "several models in the store match: %s/%s:%s and %s/%s:%s",
		a->repository, a->model, a->variant, b->repository, b->model, b->variant);
	return err_hint(e, "name the repository and the variant, for example %s/%s:%s",
			b->repository, b->model, b->variant);
}

static int not_stored(const char *repository, const char *model, const char *variant,
		      const char *version, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s%s%s%s%s%s%s is not in the store",
		       repository ? repository : "", repository ? "/" : "", model,
		       variant ? ":" : "", variant ? variant : "", version ? "@" : "",
		       version ? version : "");
}

int fetch_from_store(const struct store *s, const char *repository, const char *model,
		     const char *variant, const char *version, struct store_variants *keep,
		     const struct store_variant **out, struct err *e)
{
	const struct store_variant *found = NULL;
	int rc = store_list(s, keep, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < keep->count; i++) {
		const struct store_variant *v = &keep->at[i];
		if (!v->complete || strcmp(v->model, model) != 0 ||
		    (repository && strcmp(v->repository, repository) != 0) ||
		    !store_variant_is(v, variant, version) || (found && is_twice(found, v)))
			continue;
		if (found)
			return several(found, v, e);
		found = v;
	}
	if (!found)
		return not_stored(repository, model, variant, version, e);
	*out = found;
	return 0;
}

static int check_stored(const struct store *s, const struct store_variant *v, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < v->file_count; i++)
		rc = store_verify(s, &v->files[i].sha256, e);
	return rc;
}

static int deliver_stored(const struct store *s, const struct store_variant *v, const char *output,
			  struct fetch_result *r, struct err *e)
{
	const struct fetch_room room = { s, v, 0, true, output, s->report };
	bool moves;
	int rc = fetch_room_check(&room, &moves, e);
	if (rc < 0)
		return rc;
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	CLEANUP(mem_free_ptr) struct card_file *files =
		mem_alloc((v->file_count + 1) * sizeof *files);
	for (size_t i = 0; i < v->file_count; i++)
		files[i] = (struct card_file){ .name = v->files[i].name,
					       .size = v->files[i].size,
					       .sha256 = v->files[i].sha256 };
	const struct card_variant as_card = { .files = files, .file_count = v->file_count };
	rc = place_all(s, &as_card, output, moves, &paths, e);
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		free(r->files[i].path);
		r->files[i].path = mem_strdup(paths.at[i]);
	}
	if (rc == 0 && moves)
		rc = store_forget(s, v, e);
	return rc;
}

int fetch_stored(const struct store *s, const struct store_variant *v,
		 const struct fetch_options *options, struct fetch_result *out, struct err *e)
{
	CLEANUP(fetch_result_release) struct fetch_result r = { 0 };
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	int rc = options->check_blobs ? check_stored(s, v, e) : 0;
	if (rc < 0)
		return rc;
	store_paths(s, v, &paths);
	r.files = mem_alloc((v->file_count + 1) * sizeof *r.files);
	for (size_t i = 0; i < v->file_count; i++) {
		r.files[r.count++] = (struct fetch_file){
			.path = mem_strdup(paths.at[i]),
			.name = v->files[i].name,
			.size = v->files[i].size,
			.sha256 = v->files[i].sha256,
		};
		r.size += v->files[i].size;
	}
	if (options->output && (rc = deliver_stored(s, v, options->output, &r, e)) < 0)
		return rc;
	*out = r;
	r = (struct fetch_result){ 0 };
	return 0;
}
