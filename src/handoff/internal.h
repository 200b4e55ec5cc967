/* Shared by the files of this folder. */
#ifndef FERRY_HANDOFF_INTERNAL_H
#define FERRY_HANDOFF_INTERNAL_H

#include "handoff/handoff.h"

#include <sys/stat.h>

/* How an engine's file asks for a layout: the files in the order in which they are made. */
struct handoff_draft {
	const struct store *store;
	const struct store_variant *variant;
	const struct handoff_options *options;
	const char *title;   /* of the engine */
	struct handoff *out; /* the root and the names of the model are set */
};
typedef int handoff_draft_fn(const struct handoff_draft *d, struct err *e);

/* Sets out->layout.name, and adds items, notes, open and use. */
WARN_UNUSED int handoff_llama_cpp(const struct handoff_draft *d, struct err *e);
WARN_UNUSED int handoff_huggingface(const struct handoff_draft *d, struct err *e);
WARN_UNUSED int handoff_ollama(const struct handoff_draft *d, struct err *e);
WARN_UNUSED int handoff_lmstudio(const struct handoff_draft *d, struct err *e);
WARN_UNUSED int handoff_directory(const struct handoff_draft *d, struct err *e);

/* Their folders: handoff_root(). */
WARN_UNUSED int handoff_llama_cpp_root(char **out, struct err *e);
WARN_UNUSED int handoff_huggingface_root(char **out, struct err *e);
WARN_UNUSED int handoff_ollama_root(char **out, struct err *e);
WARN_UNUSED int handoff_lmstudio_root(char **out, struct err *e);

/* ---- draft.c: for the engines' files ---- */

/* A file of the model at the path, which is taken over. */
struct handoff_item *handoff_add_file(const struct handoff_draft *d, char *path,
				      const struct store_file *f);
/* A small file; path and text are taken over. */
struct handoff_item *handoff_add_text(struct handoff *h, char *path, char *text);
/* Below the root; the caller frees. */
char *handoff_path(const struct handoff_draft *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool handoff_is_role(const struct store_file *f, const char *role);
/* Engines know a projector by "mmproj" in its name: the name, or one with that in front. The
 * caller frees. */
char *handoff_projector_name(const char *name);
/* The first file of the model. ERR_USAGE when the variant is none, such as an adapter alone. */
WARN_UNUSED int handoff_first(const struct handoff_draft *d, const struct store_file **out,
			      struct err *e);
/* "phi-2-q4_k_m", the name, or the one of the options. ERR_USAGE unless it is one safe name of a
 * folder. The caller frees. */
WARN_UNUSED int handoff_plain_name(const struct handoff_draft *d, char **out, struct err *e);
/* "q4_k_m", or "q4_k_m-v2" of the variant "q4_k_m@2". The caller frees. */
char *handoff_variant_name(const struct store_variant *v);
/* The model and its projector; other companions would be taken for models where they stand
 * beside one. */
bool handoff_is_for_all(const struct store_file *f);
/* Notes which files are left out for that reason. */
void handoff_note_left_out(const struct handoff_draft *d);
/* Adds the files of a model in one folder: shards and projector side by side, where engines look
 * for both. Other companions are in a folder of their role if `all`, else left out. *open is the
 * first, borrowed. */
WARN_UNUSED int handoff_add_folder(const struct handoff_draft *d, const char *dir, bool all,
				   const char **open, struct err *e);
/* The first of the variables that is set and not empty, with what follows it, or below $HOME;
 * the list ends with a NULL variable. Caller frees. */
struct handoff_place {
	const char *variable, *below;
};
WARN_UNUSED int handoff_find_root(const struct handoff_place *places, const char *below_home,
				  char **out, struct err *e);

/* ---- engines.c ---- */

handoff_draft_fn *handoff_draft_of(enum handoff_engine engine);

/* ---- classify.c ---- */

/* Finds the action of each item, and *before: the record of this name; empty if there is none. */
WARN_UNUSED int handoff_classify(const struct store *s, struct handoff *h,
				 struct store_layout *before, struct err *e);
/* Does another layout than this one have the path? */
bool handoff_is_shared(const struct store_layouts *all, const char *id, const char *path);

/* ---- how.c: links, reflinks and copies ---- */

/* The ways to make the files of a layout, best first. */
struct handoff_ways {
	enum store_links_how at[4];
	size_t count;
	bool public; /* the engine runs as another user: what is made is readable for everybody,
			and, as far as this process may do that, given to the owner of the root */
	const char *root; /* borrowed */
	struct stat of_root;
};
void handoff_ways_find(const struct handoff *h, struct handoff_ways *out);
/* Makes the item in the first way that works, and sets item->how. ERR_SYSTEM, errno 0, if none
 * does; ERR_CONFLICT if another program has taken the name meanwhile. */
WARN_UNUSED int handoff_make_item(const struct store *s, const struct handoff_ways *w,
				  struct handoff_item *item, struct err *e);

/* ---- remove.c ---- */

/* Removes the file, if it is still as it was made and no other layout has it. */
WARN_UNUSED int handoff_remove_file(const struct store *s, const struct store_layouts *all,
				    const char *id, const struct store_links_file *f,
				    struct handoff_removed *out, struct err *e);
/* Removes the folders that contain the path, as long as they are empty, but not the root. */
void handoff_remove_folders(const char *root, const char *path);
/* Removes what a process that was killed left of files that were to have these paths. */
void handoff_remove_temporaries(const struct store_layout *l);

#endif
