#include "cli/earlier.h"

#include "store/links.h"
#include "util/mem.h"

#include <string.h>

void earlier_put_removed(json_t *object, const struct kept_removed *removed)
{
	json_t *o = json_put_object(object, "removed_versions");
	json_put_u64(o, "versions", removed->versions);
	json_put_u64(o, "bytes", removed->bytes);
}

void earlier_put(json_t *model, const struct fetch_result *r)
{
	if (r->kept) {
		json_t *kept = json_put_object(model, "kept_version");
		json_put_u64(kept, "version", r->kept);
		json_put_u64(kept, "bytes", r->kept_bytes);
	}
	if (r->removed.versions)
		earlier_put_removed(model, &r->removed);
}

void earlier_tell(struct cli *cli, const json_t *model, const struct fetch_result *r)
{
	CLEANUP(mem_free_ptr)
	char *kept = cli_fill(model, "{repository}/{model}:{variant}@{kept_version.version}");
	CLEANUP(mem_free_ptr)
	char *removed = cli_fill(model, "{removed_versions.versions#earlier version} of "
					"{repository}/{model}:{variant} removed, as keep-versions "
					"of ferry.conf says: {removed_versions.bytes:size} freed");
	char size[SIZE_TEXT];
	if (r->kept)
		report_note(cli->report, "%s is kept: %s; `ferry store remove %s` removes it", kept,
			    format_size(size, r->kept_bytes), kept);
	if (r->removed.versions)
		report_note(cli->report, "%s", removed);
}

static bool is_linked(const struct store_layout *l, const json_t *model, uint64_t version)
{
	return l->version == version &&
	       strcmp(l->repository, json_text(model, "repository")) == 0 &&
	       strcmp(l->model, json_text(model, "model")) == 0 &&
	       strcmp(l->variant, json_text(model, "variant")) == 0;
}

void earlier_tell_links(struct cli *cli, const struct store *s, const json_t *model,
			const struct fetch_result *r)
{
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	CLEANUP(mem_free_ptr) char *name = cli_fill(model, "{repository}/{model}:{variant}");
	struct err ignored = ERR_INIT;
	if (!r->kept || store_links_list(s, &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all.count; i++)
		if (is_linked(&all.at[i], model, r->kept))
			report_note(cli->report,
				    "%s for %s still leads to version %llu of %s: the same `ferry "
				    "store link` command leads it to the new one",
				    all.at[i].root, all.at[i].engine, (unsigned long long)r->kept,
				    name);
}
