/*
 * The layouts that `ferry store link` makes for engines, in folders outside of the store. Each has
 * a record, links/<16 hex>.json, which is written before the first of its files, and once more,
 * "complete", when all of them are there:
 *
 *   {"format": "model-ferry-layout", "version": 1, "engine": "ollama",
 *    "root": "/home/u/.ollama/models", "name": "phi-2:q4_k_m",
 *    "repository", "model", "variant", "variant_version": 2, "made": "2026-01-02T03:04:05Z",
 *    "complete": true,
 *    "files": [{"path": "/home/…", "how": "symlink", "sha256", "size", "target", "mark"}]}
 *
 * "target" is the text of a symbolic link; "mark" (util/mark.h) is of any other file of a complete
 * layout. Of one that is not complete, "how" is what was tried first, and each file may be there or
 * not. The name of the record comes from engine, root and name, so a layout that is made again
 * finds the record of the one before.
 *
 * What always holds here: nothing outside of the store is removed or replaced unless a record of
 * this user (util/owner.h) names it, and it is still what was made.
 */
#ifndef FERRY_STORE_LINKS_H
#define FERRY_STORE_LINKS_H

#include "store/store.h"
#include "util/mark.h"

#define STORE_LINKS_ID 17

enum store_links_how {
	STORE_LINKS_SYMLINK,
	STORE_LINKS_HARDLINK,
	STORE_LINKS_CLONE,   /* a reflink */
	STORE_LINKS_COPY,    /* takes the bytes once more */
	STORE_LINKS_WRITTEN, /* a small file that the engine needs beside the model's */
};
const char *store_links_how_name(enum store_links_how how); /* "symlink", as in the record */

struct store_links_file {
	char *path; /* absolute */
	enum store_links_how how;
	struct digest sha256; /* of the bytes that it leads to */
	uint64_t size;
	char *target; /* of a symbolic link, or of one that was tried; or NULL */
	bool made;    /* how is known, and, unless it is a symbolic link, mark */
	struct mark mark;
};

struct store_layout {
	char id[STORE_LINKS_ID];
	char *engine, *root, *name;
	char *repository, *model, *variant;
	uint64_t version;
	int64_t made_s;
	bool complete;
	struct store_links_file *files;
	size_t count, cap;
};
void store_layout_release(struct store_layout *l); /* safe twice; for CLEANUP */
/* Takes path and target over. */
struct store_links_file *store_layout_add(struct store_layout *l, char *path,
					  enum store_links_how how, const struct digest *sha256,
					  uint64_t size, char *target);
/* The one of this path, or NULL. */
const struct store_links_file *store_layout_find(const struct store_layout *l, const char *path);
/* Sets the id from engine, root and name. */
void store_layout_identify(struct store_layout *l);

struct store_layouts {
	struct store_layout *at;
	size_t count, cap;
	size_t damaged; /* records that cannot be read, which were reported */
};
void store_layouts_release(struct store_layouts *l); /* safe twice; for CLEANUP */
/* Sorted by engine, root, name. */
WARN_UNUSED int store_links_list(const struct store *s, struct store_layouts *out, struct err *e);

/* Does an engine use this blob through a symbolic or hard link that still leads to it? Yes, too,
 * while a record is damaged. Clones and copies do not need the blob. */
bool store_links_need(const struct store *s, const struct store_layouts *l, const struct digest *d);

enum store_links_state {
	STORE_LINKS_OK,
	STORE_LINKS_BROKEN,  /* ours, but it leads nowhere: the store moved, or the blob is gone */
	STORE_LINKS_CHANGED, /* not what was made: another program has replaced it */
	STORE_LINKS_GONE,
};
const char *store_links_state_name(enum store_links_state state); /* "ok" */
/* A file whose maker was killed, and one that was written, may be hashed. */
enum store_links_state store_links_state(const struct store *s, const struct store_links_file *f);
/* The worst of its files: in the order above. */
enum store_links_state store_layout_state(const struct store *s, const struct store_layout *l);

/* The record of the layout with this id: ERR_NOT_FOUND when there is none, ERR_INTEGRITY when it
 * is damaged. */
WARN_UNUSED int store_links_load(const struct store *s, const char *id, struct store_layout *out,
				 struct err *e);
/* ERR_CONFLICT if the record is another user's, whose paths are not trusted. Without one it
 * succeeds. */
WARN_UNUSED int store_links_check_owner(const struct store *s, const char *id, struct err *e);
/* Writes the record: whole and on the disk. */
WARN_UNUSED int store_links_save(const struct store *s, const struct store_layout *l,
				 struct err *e);
WARN_UNUSED int store_links_forget(const struct store *s, const char *id, struct err *e);
/* One process at a time makes or removes layouts. Closing *fd, which may be -1, ends it. */
WARN_UNUSED int store_links_lock(const struct store *s, int *fd, struct err *e);

/* ---- links_record.c: also the text of a record ---- */

/* The caller owns it. */
json_t *store_links_json(const struct store_layout *l);
/* `what` names it in messages. ERR_INTEGRITY. */
WARN_UNUSED int store_links_parse(const void *data, size_t len, const char *what,
				  struct store_layout *out, struct err *e);

#endif
