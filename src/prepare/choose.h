/*
 * Finds the one model in a folder or an unpacked archive: a GGUF, all shards of one, or a
 * Hugging Face folder. Several models are an error that names them: which one is meant is
 * the person's choice.
 */
#ifndef FERRY_PREPARE_CHOOSE_H
#define FERRY_PREPARE_CHOOSE_H

#include "util/base.h"
#include "util/err.h"
#include "util/text.h"

struct choose {
	struct str_list files;  /* GGUF: paths relative to the folder, shards in order */
	char *hf_dir;           /* or the Hugging Face folder relative to it ("." for itself) */
};
void choose_release(struct choose *p);

/* `files`: paths relative to `dir`. `name` stands for the folder or archive in messages.
 * ERR_INTEGRITY when there is no model, ERR_USAGE when there are several. */
WARN_UNUSED int choose_model(const char *dir, const struct str_list *files, const char *name,
			   struct choose *out, struct err *e);

/* The file and, when its name is that of a shard, its siblings in order: local paths.
 * ERR_NOT_FOUND names a sibling that is missing. */
WARN_UNUSED int choose_shards(const char *path, struct str_list *out, struct err *e);

#endif
