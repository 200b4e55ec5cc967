#include "fetch/standing.h"

#include "fetch/prefetch.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

const char *standing_name(enum standing_kind kind)
{
	static const char *const names[] = {
		[STANDING_UNKNOWN] = "unknown",     [STANDING_CURRENT] = "current",
		[STANDING_OUTDATED] = "outdated",   [STANDING_OLDER] = "older",
		[STANDING_WITHDRAWN] = "withdrawn", [STANDING_UNLISTED] = "unlisted",
	};
	return names[kind];
}

/* The numbers may differ: records of early releases have none. */
static bool has_files_of(const struct store_variant *v, const struct card_variant *of)
{
	if (v->file_count != of->file_count)
		return false;
	for (size_t i = 0; i < v->file_count; i++)
		if (strcmp(v->files[i].name, of->files[i].name) != 0 ||
		    !digest_equal(&v->files[i].sha256, &of->files[i].sha256))
			return false;
	return true;
}

/* Is it the same file as one before it, under another name? */
static bool is_again(const struct card_variant *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_equal(&v->files[k].sha256, &v->files[i].sha256))
			return true;
	return false;
}

static uint64_t missing_bytes(const struct store *s, const struct card_variant *v)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < v->file_count; i++) {
		const struct card_file *f = &v->files[i];
		if (!is_again(v, i) && !store_has(s, &f->sha256, f->size))
			bytes += f->size;
	}
	return bytes;
}

static const struct card_variant *listed_version(const struct card_variant *current,
						 uint64_t version)
{
	char number[24];
	if (!current)
		return NULL;
	snprintf(number, sizeof number, "%llu", (unsigned long long)version);
	return card_version(current, number);
}

/* reason NULL: it may be used. Of a version that the card no longer lists, the recall of the whole
 * model counts. */
static struct card_withdrawal recall_of(const struct card *model, const struct card_variant *listed)
{
	const struct card_variant unlisted = { 0 };
	return card_withdrawn(model, listed ? listed : &unlisted);
}

/* Of one that is not the current version. */
static enum standing_kind kind_of_other(const struct store_variant *v, const struct standing *st,
					const struct card_variant *listed)
{
	if (v->version > st->version || (!listed && store_variant_is_numbered(v)))
		return STANDING_UNLISTED;
	if (!st->has_newer)
		return STANDING_CURRENT;
	return store_variant_is_numbered(v) ? STANDING_OLDER : STANDING_OUTDATED;
}

static void compare(const struct store *s, const struct store_variant *v, struct standing *st)
{
	const struct card_variant *current = st->current;
	const struct card_variant *listed = listed_version(current, v->version);
	bool is_current = current && has_files_of(v, current);
	const struct card_withdrawal recall = recall_of(st->model, is_current ? current : listed);
	st->version = current ? current->version : 0;
	st->has_newer = current && !is_current && v->version <= current->version &&
			!card_withdrawn(st->model, current).reason;
	st->to_fetch = st->has_newer ? missing_bytes(s, current) : 0;
	st->reason = recall.reason;
	st->replacement = recall.replacement;
	st->kind = recall.reason ? STANDING_WITHDRAWN
		   : !current    ? STANDING_UNLISTED
		   : is_current  ? STANDING_CURRENT
				 : kind_of_other(v, st, listed);
}

int standing_of(struct remote *r, const struct store *s, const struct store_variant *v,
		struct standing *out, struct err *e)
{
	struct standing st = { .kind = STANDING_UNKNOWN };
	struct err why = ERR_INIT;
	bool known = r && r->catalog.json && v->file_count;
	int rc = known ? remote_listed_model(r, v->model, &st.model, &why) : 0;
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	if (rc < 0)
		report_detail(r->report, "%s/%s: how it stands to the catalog is not known: %s",
			      v->repository, v->model, why.text);
	if (known && rc == 0 && !st.model)
		st.kind = STANDING_UNLISTED;
	if (rc == 0 && st.model) {
		CLEANUP(mem_free_ptr) char *id = store_variant_plain(v);
		st.current = card_variant(st.model, id);
		compare(s, v, &st);
	}
	*out = st;
	return 0;
}

void standing_prefetch(struct remote *r, const struct store_variants *all)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	const char *last = "";
	for (size_t i = 0; r->has_cards && i < all->count; i++) {
		const struct store_variant *v = &all->at[i];
		if (strcmp(v->repository, r->repository) != 0 || strcmp(v->model, last) == 0)
			continue;
		last = v->model;
		str_list_take(&paths, card_document(v->model));
	}
	prefetch_targets(r, &paths);
}
