/* Which mirrors the person chose, over all repositories that are open. */
#include "fetch/rank.h"
#include "fetch/remote_internal.h"
#include "util/mem.h"

#include <string.h>

/* The ids of the mirrors with model files, each once. */
static void list_mirrors(const struct remotes *all, struct str_list *out)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct source_list *l = &all->at[i]->sources;
		for (size_t j = 0; j < l->count; j++)
			if (l->at[j]->objects && !str_list_has(out, l->at[j]->id))
				str_list_add(out, l->at[j]->id);
	}
}

static int unknown(const char *option, const char *id, const struct str_list *known, struct err *e)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT(KIB);
	for (size_t i = 0; i < known->count; i++)
		buf_addf(&names, "%s%s", i ? ", " : "the mirrors are ", known->at[i]);
	err_set(e, ERR_USAGE, "%s %s: there is no such mirror", option, id);
	return text_hint_nearest(id, (const char *const *)known->at, known->count,
				 known->count ? buf_str(&names) : NULL, e);
}

static int check_names(const char *option, const struct opt_list *ids, const struct str_list *known,
		       struct err *e)
{
	for (size_t i = 0; i < ids->count; i++)
		if (!str_list_has(known, ids->at[i]))
			return unknown(option, ids->at[i], known, e);
	return 0;
}

static bool any_left(const struct remotes *all)
{
	for (size_t i = 0; i < all->count; i++)
		for (size_t j = 0; j < all->at[i]->sources.count; j++)
			if (all->at[i]->sources.at[j]->objects)
				return true;
	return false;
}

/* The regions of the mirrors, each once. True: one of them is what the remote prefers. */
static bool list_regions(const struct remote *r, struct buf *out)
{
	CLEANUP(str_list_release) struct str_list seen = { 0 };
	for (size_t i = 0; i < r->sources.count; i++) {
		const struct source *s = r->sources.at[i];
		const char *region = s->entry ? s->entry->region : NULL;
		if (source_is_in_region(s, r->prefer_region))
			return true;
		if (!region || str_list_has(&seen, region))
			continue;
		str_list_add(&seen, region);
		buf_addf(out, "%s%s", out->len ? ", " : "", region);
	}
	return false;
}

static void check_region(const struct remotes *all, struct report *report)
{
	CLEANUP(buf_release) struct buf regions = BUF_INIT(4 * KIB);
	const char *wanted = all->count ? all->at[0]->prefer_region : NULL;
	for (size_t i = 0; wanted && i < all->count; i++)
		if (list_regions(all->at[i], &regions))
			return;
	if (wanted)
		report_warn(report, "no mirror is in the region %s; the regions are: %s", wanted,
			    regions.len ? buf_str(&regions) : "none");
}

int remotes_select(struct remotes *all, const struct remote_options *options, struct err *e)
{
	static const struct opt_list none = { 0 };
	const struct opt_list *only = options->only ? options->only : &none;
	const struct opt_list *without = options->without ? options->without : &none;
	CLEANUP(str_list_release) struct str_list known = { 0 };
	if (options->only_from)
		return 0;
	check_region(all, options->report);
	list_mirrors(all, &known);
	int rc = check_names("--mirror", only, &known, e);
	if (rc == 0)
		rc = check_names("--exclude-mirror", without, &known, e);
	for (size_t i = 0; rc == 0 && i < all->count; i++)
		source_list_select(&all->at[i]->sources, only, without);
	if (rc < 0 || !known.count || any_left(all))
		return rc;
	err_set(e, ERR_USAGE, "--mirror and --exclude-mirror leave no mirror to fetch from");
	return err_hint(e, "leave out one of them");
}
