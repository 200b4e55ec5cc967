#include "fetch/import.h"
#include "fetch/prefetch.h"
#include "util/mem.h"

#include <string.h>

void import_catalog_release(struct import_catalog *c)
{
	free(c->models);
	free(c->entries);
	*c = (struct import_catalog){ 0 };
}

/* -- the sizes of the files -------------------------------------------------------------------- */

struct sizes {
	uint64_t *at;
	size_t count;
};

static void sizes_release(struct sizes *s)
{
	free(s->at);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void sizes_of(const struct import_files *files, struct sizes *out)
{
	out->at = mem_alloc((files->count + 1) * sizeof *out->at);
	for (size_t i = 0; i < files->count; i++)
		if (files->at[i].state == IMPORT_FOUND)
			out->at[out->count++] = files->at[i].size;
	qsort(out->at, out->count, sizeof *out->at, by_value);
}

static void names_of(const struct import_files *files, struct str_list *out)
{
	for (size_t i = 0; i < files->count; i++)
		if (import_is_gguf_name(files->at[i].names.at[0]))
			str_list_add(out, files->at[i].names.at[0]);
}

static bool has_size(const struct sizes *s, uint64_t size)
{
	return bsearch(&size, s->at, s->count, sizeof size, by_value) != NULL;
}

/* -- which cards ------------------------------------------------------------------------------- */

struct reading {
	struct remote *remote;
	const struct str_list *names; /* of GGUF files */
	const struct sizes *sizes;
	struct import_catalog *out;
	struct str_list ids;    /* of all models */
	struct str_list likely; /* of those that may have one of the files, by the index */
};

static void reading_release(struct reading *r)
{
	str_list_release(&r->ids);
	str_list_release(&r->likely);
}

/* Of a model in several files the index knows only the sum, so that their names have to do. */
static bool is_named(const struct str_list *names, const char *id)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcasestr(names->at[i], id))
			return true;
	return false;
}

static int take_model(void *ctx, const struct index_model *m, struct err *e)
{
	struct reading *r = ctx;
	bool likely = false;
	(void)e;
	for (size_t i = 0; i < m->variant_count; i++)
		likely |= has_size(r->sizes, m->variants[i].size);
	str_list_add(&r->ids, m->id);
	if (likely || is_named(r->names, m->id))
		str_list_add(&r->likely, m->id);
	return 0;
}

static bool card_has_size(const struct card *c, const struct sizes *sizes)
{
	struct card_walk walk = { .card = c };
	while (card_next_file(&walk))
		if (has_size(sizes, walk.file->size))
			return true;
	return false;
}

/* With every version of every model: exact, and one request. */
static bool choose_by_catalog(struct reading *r, struct str_list *out)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	CLEANUP(catalog_release) struct catalog all = { 0 };
	struct err unread = ERR_INIT;
	if (remote_target(r->remote, CATALOG_TARGET, "targets", CATALOG_MAX_BYTES, &bytes,
			  &unread) < 0 ||
	    catalog_parse(buf_str(&bytes), bytes.len, CATALOG_TARGET, &all, &unread) < 0 ||
	    json_is_false(json_object_get(all.json, "complete")))
		return false;
	for (size_t i = 0; i < all.model_count; i++)
		if (card_has_size(&all.models[i], r->sizes))
			str_list_add(out, all.models[i].id);
	return true;
}

static const struct str_list *choose(struct reading *r, struct str_list *exact)
{
	if (r->ids.count <= IMPORT_ALL_CARDS || !r->remote->has_cards)
		return &r->ids;
	return choose_by_catalog(r, exact) ? exact : &r->likely;
}

/* -- what the cards have ----------------------------------------------------------------------- */

static void add_version(struct reading *r, const struct card *card, const struct card_variant *v,
			bool versioned)
{
	struct import_catalog *c = r->out;
	if (!v->file_count)
		return;
	c->models = mem_grow(c->models, c->model_count, &c->model_cap, sizeof *c->models);
	c->models[c->model_count] = (struct import_model){
		.remote = r->remote,
		.model = card,
		.variant = v,
		.versioned = versioned,
	};
	for (size_t i = 0; i < v->file_count; i++) {
		c->entries = mem_grow(c->entries, c->entry_count, &c->entry_cap,
				      sizeof *c->entries);
		c->entries[c->entry_count++] = (struct import_entry){ .model = c->model_count,
								      .file = &v->files[i] };
	}
	c->model_count++;
}

static void add_card(struct reading *r, const struct card *card)
{
	for (size_t i = 0; i < card->variant_count; i++) {
		const struct card_variant *v = &card->variants[i];
		add_version(r, card, v, false);
		for (size_t k = 0; k < v->superseded_count; k++)
			add_version(r, card, &v->superseded[k], true);
	}
}

static int read_cards(struct reading *r, const struct str_list *ids, struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	struct err first = ERR_INIT;
	size_t failed = 0;
	for (size_t i = 0; r->remote->has_cards && i < ids->count; i++)
		str_list_take(&paths, card_document(ids->at[i]));
	prefetch_targets(r->remote, &paths);
	for (size_t i = 0; i < ids->count; i++) {
		const struct card *card;
		struct err why = ERR_INIT;
		if (remote_model(r->remote, ids->at[i], &card, &why) == 0) {
			add_card(r, card);
			continue;
		}
		if (!failed++ || err_is(&why, ERR_CANCELLED))
			first = why;
		if (err_is(&why, ERR_CANCELLED))
			break;
	}
	if (failed && (failed == ids->count || err_is(&first, ERR_CANCELLED))) {
		*e = first;
		return -(int)e->class;
	}
	if (failed)
		report_warn(r->remote->report,
			    "%s: %zu of %zu cards could not be read, so their models are not "
			    "found: %s",
			    r->remote->repository, failed, ids->count, first.text);
	return 0;
}

static int read_remote(struct reading *r, struct err *e)
{
	CLEANUP(str_list_release) struct str_list exact = { 0 };
	int rc = remote_each_model(r->remote, take_model, r, e);
	return rc < 0 ? rc : read_cards(r, choose(r, &exact), e);
}

/* -- all of it --------------------------------------------------------------------------------- */

static int compare(const struct import_entry *x, uint64_t size, const struct digest *d)
{
	if (x->file->size != size)
		return x->file->size < size ? -1 : 1;
	return d ? memcmp(x->file->sha256.bytes, d->bytes, DIGEST_SIZE) : 0;
}

static int by_digest(const void *a, const void *b)
{
	const struct import_entry *x = a, *y = b;
	int order = compare(x, y->file->size, &y->file->sha256);
	if (order)
		return order;
	return x->model < y->model ? -1 : x->model > y->model;
}

int import_catalog_read(const struct remotes *all, const struct import_files *files,
			struct import_catalog *out, struct err *e)
{
	CLEANUP(import_catalog_release) struct import_catalog c = { 0 };
	CLEANUP(sizes_release) struct sizes sizes = { 0 };
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = 0;
	sizes_of(files, &sizes);
	names_of(files, &names);
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		CLEANUP(reading_release) struct reading r = {
			.remote = all->at[i],
			.names = &names,
			.sizes = &sizes,
			.out = &c,
		};
		rc = read_remote(&r, e);
	}
	if (rc < 0)
		return rc;
	if (c.entry_count)
		qsort(c.entries, c.entry_count, sizeof *c.entries, by_digest);
	*out = c;
	c = (struct import_catalog){ 0 };
	return 0;
}

const struct import_entry *import_catalog_find(const struct import_catalog *c, uint64_t size,
					       const struct digest *d, size_t *count)
{
	size_t low = 0, high = c->entry_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare(&c->entries[mid], size, d) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (*count = 0; low + *count < c->entry_count; ++*count)
		if (compare(&c->entries[low + *count], size, d) != 0)
			break;
	return *count ? &c->entries[low] : NULL;
}
