/*
 * handoff: lays a model of the store out where an engine looks for models, without copying it.
 *
 *   plan, classify   what would be made, and what is there already
 *   make, how        making it
 *   remove           removing it
 *   engines          the names of the engines, and where their folders are
 *   draft            what the engines' files have in common
 *   llama_cpp, huggingface, ollama, lmstudio, directory
 *                    which file goes where: one file for each engine, with its sources
 *
 * What always holds here:
 *  - a file is made as a symbolic link, a hard link or a reflink, in the order that the engine's
 *    file says and as far as the file systems have them; bytes are copied only if that is allowed;
 *  - what another program made is never replaced or removed. One that has the same bytes is used
 *    as it is;
 *  - the record (store/links.h) is written before the first file. Each file has its name only when
 *    it is whole, and the file by which an engine finds the model comes last: so a process that
 *    is killed leaves nothing that an engine takes for a model, and everything that it made can be
 *    removed.
 */
#ifndef FERRY_HANDOFF_HANDOFF_H
#define FERRY_HANDOFF_HANDOFF_H

#include "store/links.h"

enum handoff_engine {
	HANDOFF_LLAMA_CPP,
	HANDOFF_HUGGINGFACE,
	HANDOFF_OLLAMA,
	HANDOFF_LMSTUDIO,
	HANDOFF_DIRECTORY,
	HANDOFF_ENGINES
};
/* "llama.cpp huggingface ollama lmstudio directory", in this order. */
#define HANDOFF_ENGINE_NAMES "llama.cpp huggingface ollama lmstudio directory"
const char *handoff_engine_name(enum handoff_engine engine);
/* What people call it: "LM Studio". */
const char *handoff_engine_title(enum handoff_engine engine);
/* The folder in which the engine looks, by its own environment variables and settings; absolute.
 * ERR_USAGE for `directory`, which has none, or without $HOME. Caller frees. */
WARN_UNUSED int handoff_root(enum handoff_engine engine, char **out, struct err *e);
/* The folder of another user with this home, whose environment is not known; NULL for `directory`.
 * Caller frees. */
char *handoff_root_of(enum handoff_engine engine, const char *home);

struct handoff_options {
	enum handoff_engine engine;
	const char *to;     /* the folder; NULL: the engine's own */
	const char *name;   /* what the engine calls the model; NULL: made from the model's */
	const char *source; /* URL of the original, of the card; or NULL */
	bool copy;          /* bytes may be copied where nothing else works */
	bool shared;        /* the folder may be another user's, who may be unable to follow links
			       into this store. Always so for Ollama */
};

enum handoff_action {
	HANDOFF_MAKE,
	HANDOFF_REPLACE, /* an older one of ours */
	HANDOFF_KEEP,    /* it is there already */
	HANDOFF_USE,     /* another program made one with the same bytes */
};
const char *handoff_action_name(enum handoff_action action); /* "make" */

/* A file of the layout, in the order in which they are made. */
struct handoff_item {
	char *path;
	char *blob;   /* the file of the store that it leads to, or */
	char *target; /* the text of a relative symbolic link to another item, or */
	char *text;   /* its content */
	struct digest sha256;
	uint64_t size;
	bool existing;    /* it must be there: it is in a folder of another program's */
	const char *hint; /* what to do when another program has the name; NULL: move it away */
	enum handoff_action action;
	enum store_links_how how; /* as far as it is known before it is made */
};

struct handoff {
	enum handoff_engine engine;
	bool copy, shared;
	struct store_layout layout; /* without files */
	struct handoff_item *items;
	size_t count, cap;
	char *open; /* the path of the model, for a program that wants one */
	char *use;  /* how it is used: a command, or a sentence */
	struct str_list notes;
};
void handoff_release(struct handoff *h); /* safe twice; for CLEANUP */

/*
 * What would be made for a complete variant. Errors: ERR_USAGE when the engine cannot use it (more
 * than one file for Ollama, no model) or the name is not one of its; ERR_CONFLICT when a file of
 * another program's has one of the names, or another model has; ERR_SYSTEM. Existing files may be
 * hashed.
 */
WARN_UNUSED int handoff_plan(const struct store *s, const struct store_variant *v,
			     const struct handoff_options *o, struct handoff *out, struct err *e);
/* Makes it; on success the items say how. What an older layout of this name had, and this one has
 * not, is removed. ERR_SYSTEM with a hint when the folder or the store cannot be written to, or
 * bytes would have to be copied. */
WARN_UNUSED int handoff_make(const struct store *s, struct handoff *h, struct err *e);
/* Bytes that it takes on the disk besides the store's. */
uint64_t handoff_copied(const struct handoff *h);

struct handoff_removed {
	size_t removed, gone;
	struct str_list kept; /* paths that another program has changed, or another layout has */
};
void handoff_removed_release(struct handoff_removed *r); /* safe twice; for CLEANUP */
/* Removes what is still as it was made, then folders that are empty, then the record. ERR_CONFLICT
 * when the record is another user's. */
WARN_UNUSED int handoff_remove(const struct store *s, const struct store_layout *l,
			       struct handoff_removed *out, struct err *e);

#endif
