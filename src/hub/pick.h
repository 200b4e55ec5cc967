/*
 * Which files of a repository are meant: those of one model. A GGUF with all of its shards, or,
 * where there is none, what convert_hf_to_gguf.py needs of a repository with safetensors.
 */
#ifndef FERRY_HUB_PICK_H
#define FERRY_HUB_PICK_H

#include "hub/answer.h"

struct hub_pick {
	const struct hub_file **files; /* shards in order; borrowed from the list */
	size_t count, cap;
	uint64_t size;
	bool snapshot; /* of a folder with safetensors */
};
void hub_pick_release(struct hub_pick *p);

/*
 * `file` (or NULL) is a path in the repository, of any shard too, or a quantization. `id` is what
 * the model will be called, for the command in a hint; `name` what was asked for.
 *
 * ERR_USAGE when there are several models, with their sizes; ERR_NOT_FOUND when there is none, or
 * no such file; ERR_INTEGRITY when a shard is missing, or there are only PyTorch weights.
 */
WARN_UNUSED int hub_pick(const struct hub_files *files, const struct hub_name *name, const char *id,
			 struct hub_pick *out, struct err *e);

/* Does convert_hf_to_gguf.py read a file of this name? */
bool hub_pick_is_input(const char *name);

#endif
