/*
 * What a fetch would do: what it would download, from whom, what it would reuse, the space on the
 * disk, and which version in the store it would replace. Metadata and manifests may be read; no
 * byte of a model is, and the store is not changed.
 */
#ifndef FERRY_FETCH_PREVIEW_H
#define FERRY_FETCH_PREVIEW_H

#include "fetch/fetch.h"
#include "fetch/room.h"

struct preview_file {
	const struct card_file *card; /* borrowed */
	bool in_store;
	uint64_t download; /* bytes */
	uint64_t kept;     /* of an earlier run, if they are still correct */
	uint64_t reused;   /* that other files of the store have */
};

struct preview {
	struct preview_file *files;
	size_t count;
	uint64_t size, download, in_store, kept, reused; /* of all files; the last four make size */
	uint64_t replaces; /* version in the store that would be replaced; 0: none */
	char **sources;    /* ids of those that would be asked for the files, in this order */
	size_t source_count;
	const char *output; /* -o, borrowed; or NULL */
	struct fetch_room_need room;
};
void preview_release(struct preview *p);

/* ERR_INTEGRITY as fetch_variants(), ERR_NOT_FOUND as fetch_plan_make(). A lack of space is no
 * error. */
WARN_UNUSED int preview_make(struct remote *remote, const struct card *model,
			     const struct card_variant *variant,
			     const struct fetch_options *options, struct preview *out,
			     struct err *e);

#endif
