/*
 * Finds the model in a folder or an unpacked archive, in any sub-folder: a GGUF, all shards of one,
 * or a Hugging Face folder. What a GGUF is, its content says, not its name. Several models are an
 * error that lists them, because the user has to choose.
 */
#ifndef FERRY_PREPARE_CHOOSE_H
#define FERRY_PREPARE_CHOOSE_H

#include "util/base.h"
#include "util/err.h"
#include "util/text.h"

struct choose {
	struct str_list files; /* GGUF: paths relative to the folder, shards in order */
	char *hf_dir;          /* or the Hugging Face folder relative to it ("." for itself) */
};
void choose_release(struct choose *p);

/* `files`: paths relative to `dir`. `name` is the name of the folder or archive for messages.
 * ERR_INTEGRITY when there is no model, ERR_USAGE when there are several. */
WARN_UNUSED int choose_model(const char *dir, const struct str_list *files, const char *name,
			     struct choose *out, struct err *e);

/* The local paths of the file and, if it is a shard with the name of one, of all shards in order.
 * ERR_NOT_FOUND names a missing one. */
WARN_UNUSED int choose_shards(const char *path, struct str_list *out, struct err *e);

#endif
