/*
 * plan_file: what a push is going to do, as a document (schemas/push-plan.schema.json) that another
 * person reviews, and that `ferry push --apply` carries out if nothing has changed since.
 */
#ifndef FERRY_PUBLISH_PLAN_FILE_H
#define FERRY_PUBLISH_PLAN_FILE_H

#include "json/json.h"
#include "publish/push.h"

#define PLAN_FILE_FORMAT "model-ferry-push-plan"
#define PLAN_FILE_MAX_BYTES (64 * MIB)
#define PLAN_FILE_MAX_MIRRORS 1000
#define PLAN_FILE_MAX_STEPS 200000

/* A run of push: what the plan is made of, and compared with. All borrowed. */
struct plan_file_run {
	const struct tree *tree;
	const char *repository;  /* or NULL */
	const char *const *only; /* the names of --mirror, only_count of them */
	size_t only_count;
	const struct push_options *options;
	const struct push_mirror *mirrors; /* planned */
	size_t count;
};

/* The document of a run without failures; the caller owns it. */
json_t *plan_file_make(const struct plan_file_run *run, int64_t now_s);

struct plan_file_step {
	char *key;
	enum push_action action; /* CHECK, PUT or REPLACE */
	uint64_t size;
	struct digest sha256;
};

struct plan_file_mirror {
	char *id, *kind, *place; /* place: its URL without a password, or "" */
	enum mirror_holds holds;
	bool stage, examined;
	json_t *settings; /* [mirror.NAME]: key → value */
	/* what it showed */
	enum release_state state;
	uint64_t version;
	char *etag;
	struct plan_file_step *steps; /* sorted by key */
	size_t count;
};

struct plan_file {
	char *repository; /* or NULL */
	uint64_t release;
	struct digest timestamp, snapshot;
	uint64_t quorum; /* as configured; 0: all mirrors that count */
	bool stage, recheck;
	struct str_list only;
	struct plan_file_mirror *mirrors; /* in the order of the configuration */
	size_t count;
};
void plan_file_release(struct plan_file *p);

/* ERR_INTEGRITY for anything but a plan; `what` names it in messages. */
WARN_UNUSED int plan_file_parse(const void *data, size_t len, const char *what,
				struct plan_file *out, struct err *e);
WARN_UNUSED int plan_file_read(const char *path, struct plan_file *out, struct err *e);

/* What differs now. */
struct plan_file_moves {
	struct plan_file_move {
		char *mirror; /* NULL: not of one mirror */
		char *what;   /* "quorum", a key */
		char *planned, *now;
	} * at;
	size_t count, cap;
};
void plan_file_moves_release(struct plan_file_moves *m);

/*
 * Compares a run that is planned, but has not begun, with the plan. Steps that are done already,
 * by an apply that was interrupted, do not count as differences, nor do mirrors that cannot be
 * reached. Appends to out; ERR_CONFLICT if there are differences.
 */
WARN_UNUSED int plan_file_compare(const struct plan_file *p, const struct plan_file_run *run,
				  struct plan_file_moves *out, struct err *e);

#endif
