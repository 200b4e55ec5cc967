/*
 * api: documents for programs that were made for others' servers: the API of the Hugging Face
 * Hub (hub.h), and manifests of a registry (registry.h). They are made from cards alone, and are
 * the same wherever they are made: on an edge, or as files for a mirror.
 *
 * What always holds here:
 *  - a withdrawn version is in no document;
 *  - a document depends on the card and the name of the repository only, so that its digest and
 *    its commit are the same on every server.
 *
 * hub.h: a model as a repository of the Hub, NAME/MODEL, whose files are those of the current
 * versions. Its one branch is "main"; its commit is made from the names and digests of the files,
 * so that it changes with them and only with them. Two variants whose files have the same name, but
 * another content, have theirs in a folder of the variant's name.
 *
 * Sources: huggingface/huggingface_hub: hf_api.py (ModelInfo, RepoFile, list_repo_refs);
 * huggingface/huggingface.js, @huggingface/hub 2.17: list-files.ts, model-info.ts, list-models.ts,
 * paths-info.ts; ggml-org/llama.cpp: common/hf-cache.cpp (get_repo_commit, get_repo_files; commit
 * 03eb25f), common/download.cpp (find_best_model takes the first file that matches: so the files of
 * models come first; commit 0216dab).
 */
#ifndef FERRY_API_HUB_H
#define FERRY_API_HUB_H

#include "catalog/card.h"

#define API_HUB_COMMIT 41 /* 40 hexadecimal digits and a NUL */

struct api_hub_file {
	char *path;
	const struct card_file *file; /* borrowed from the card */
	char oid[41];                 /* git's name of the pointer that LFS would have for it */
};

struct api_hub {
	const struct card *card; /* borrowed */
	char *name;              /* "NAME/MODEL" */
	char commit[API_HUB_COMMIT];
	struct api_hub_file *files; /* models first, then projectors, then other companions */
	size_t count, cap;
};
void api_hub_init(struct api_hub *out, const char *repository, const struct card *card);
void api_hub_release(struct api_hub *h);

/* "main", the commit, or at least 7 of its digits. */
bool api_hub_is_revision(const struct api_hub *h, const char *revision);
const struct api_hub_file *api_hub_find(const struct api_hub *h, const char *path);
/* The path that a file has; NULL: it has none, because it is not of a current version. */
const char *api_hub_path(const struct api_hub *h, const struct card_file *file);

/* /api/models/NAME/MODEL. The caller owns these. */
json_t *api_hub_model(const struct api_hub *h);
/* Its entry in /api/models, without files. */
json_t *api_hub_entry(const struct api_hub *h);
/* /api/models/NAME/MODEL/refs */
json_t *api_hub_refs(const struct api_hub *h);
/* /api/models/NAME/MODEL/tree/REVISION/FOLDER. folder "": the root. NULL: there is no such folder.
 */
json_t *api_hub_tree(const struct api_hub *h, const char *folder, bool recursive);
/* /api/models/NAME/MODEL/paths-info/REVISION: those of the paths, files and folders, that there
 * are. expand: with the last commit, if it is known when it was. */
json_t *api_hub_paths(const struct api_hub *h, const struct str_list *paths, bool expand);

#endif
