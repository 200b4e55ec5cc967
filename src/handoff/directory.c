/* A folder that any program can use: all files of the variant side by side, under their names. */
#include "handoff/internal.h"

#include "util/mem.h"
#include "util/path.h"

int handoff_directory(const struct handoff_draft *d, struct err *e)
{
	const struct store_variant *v = d->variant;
	struct handoff *h = d->out;
	int rc = handoff_plain_name(d, &h->layout.name, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < v->file_count; i++)
		handoff_add_file(d, path_join(h->layout.root, v->files[i].name), &v->files[i]);
	h->open = mem_strdup(h->items[0].path);
	h->use = text_shell_quoted(h->open);
	return 0;
}
