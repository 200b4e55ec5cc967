/*
 * mirror: one interface for every place that holds a copy of a repository, and one
 * file for each kind of place.
 *
 * What always holds here:
 *  - an object is named by its key, the repository-relative path ("targets/models/…",
 *    "metadata/timestamp.json"); keys that are not path_is_key() are refused;
 *  - put() is all or nothing for readers: an object is there whole, or not there, or
 *    still the old one. What a killed put() has finished is found again by the next;
 *  - nothing here decides about trust: callers verify what they read. put() verifies
 *    what it wrote as far as the kind allows, and says so in the stat it returns;
 *  - a handle belongs to one thread at a time; open another for another thread;
 *  - nothing here tries again by itself: callers do (util/retry.h), since only they know
 *    whether another mirror would serve them better.
 *
 * Error classes: ERR_NOT_FOUND (no such object), ERR_NETWORK (transient, worth another
 * try later), ERR_AUTH, ERR_CONFLICT (a condition did not hold), ERR_INTEGRITY (the bytes
 * were not those announced), ERR_USAGE (the kind cannot do this, bad configuration),
 * ERR_SYSTEM (a local problem: no retry elsewhere will help).
 */
#ifndef FERRY_MIRROR_MIRROR_H
#define FERRY_MIRROR_MIRROR_H

#include "hash/grid.h"
#include "util/buf.h"
#include "settings/conf.h"
#include "util/report.h"

enum mirror_can {
	MIRROR_CAN_WRITE = 1 << 0,
	MIRROR_CAN_LIST = 1 << 1,
	MIRROR_CAN_RANGE = 1 << 2,
	MIRROR_CAN_COPY = 1 << 3,          /* copy() without the bytes passing through us */
	MIRROR_CAN_CREATE_ONLY = 1 << 4,   /* put() with only_if_absent is atomic */
	MIRROR_CAN_REPLACE_IF = 1 << 5,    /* put() with only_if_etag is atomic */
	MIRROR_CAN_SHA256 = 1 << 6,        /* stat() tells the whole object's SHA-256 */
	MIRROR_CAN_PIECES_SHA256 = 1 << 7, /* stat() tells pieces_sha256 (S3 COMPOSITE) */
};

struct mirror_caps {
	unsigned can;           /* enum mirror_can */
	uint64_t max_object;    /* bytes; 0: no limit */
};

struct mirror_stat {
	uint64_t size;
	int64_t modified_s;             /* 0: not known */
	char etag[256];                 /* "" when the kind has none */
	bool has_sha256, has_pieces_sha256;
	struct digest sha256, pieces_sha256;
};

/* Receives an object's bytes in order. A negative return stops the transfer, and get()
 * returns it with e as the sink set it. */
struct mirror_sink {
	int (*write)(void *ctx, const void *data, size_t len, struct err *e);
	void *ctx;
};

/* What put() stores. read_at() may be asked for any range, more than once, in any
 * order. pieces may be NULL for a small object without a manifest. */
struct mirror_body {
	int (*read_at)(void *ctx, uint64_t offset, void *data, size_t len, struct err *e);
	void *ctx;
	struct grid grid;               /* of the size */
	struct digest sha256;           /* of the whole */
	const struct digest *pieces;    /* grid.count of them, or NULL */
};

struct mirror_put {
	bool only_if_absent;
	const char *only_if_etag;       /* NULL: no condition */
	const char *content_type;       /* NULL: application/octet-stream */
	bool immutable;                 /* the key holds its content's hash: cache for ever */
	const char *task;               /* the report task that advances; NULL: none */
	struct report *report;
};

struct mirror_entry {
	const char *key;
	struct mirror_stat stat;
};
/* A negative return stops the listing. */
typedef int mirror_entry_fn(void *ctx, const struct mirror_entry *entry, struct err *e);

struct mirror;

/* What a kind implements. A NULL function means the kind cannot do it. */
struct mirror_ops {
	const char *kind;       /* "file", "http", … */
	/* From [mirror.NAME], or s == NULL and just a URL (a signed catalog's mirror). */
	int (*open)(struct mirror *m, const struct conf *c, const struct conf_section *s,
		    struct err *e);
	void (*close)(struct mirror *m);
	int (*stat)(struct mirror *m, const char *key, struct mirror_stat *out, struct err *e);
	int (*get)(struct mirror *m, const char *key, uint64_t offset, uint64_t len,
		   const struct mirror_sink *sink, struct err *e);
	int (*put)(struct mirror *m, const char *key, const struct mirror_body *body,
		   const struct mirror_put *how, struct mirror_stat *out, struct err *e);
	int (*copy)(struct mirror *m, const char *from, const char *to, struct err *e);
	int (*list)(struct mirror *m, const char *prefix, mirror_entry_fn *fn, void *ctx,
		    struct err *e);
	int (*remove)(struct mirror *m, const char *key, struct err *e);
};

/* What a mirror is said to hold: "all", or only part of the repository. */
enum mirror_holds { MIRROR_HOLDS_ALL, MIRROR_HOLDS_OBJECTS, MIRROR_HOLDS_METADATA };

struct mirror {
	const struct mirror_ops *ops;
	struct mirror_caps caps;        /* set by open() */
	char *id;                       /* NAME of [mirror.NAME], or the catalog's id */
	char *url;                      /* base URL that readers use, or NULL */
	char *region;                   /* or NULL */
	uint64_t priority;              /* lower is asked first; default 50 */
	enum mirror_holds holds;
	bool stage;
	uint64_t deadline_ms;           /* set by the caller: a get() that takes longer fails with
					   ERR_NETWORK; 0: none. Kinds that ask no server know
					   no deadline */
	void *state;                    /* the kind's own */
};

/* The kinds that a program links: the client's programs the reading ones (file, http),
 * the publisher's all. NULL-ended. */
extern const struct mirror_ops *const mirror_kinds_client[];
extern const struct mirror_ops *const mirror_kinds_all[];

/* Opens [mirror.NAME]; checks its keys (those of its kind in settings/mirrors.h). */
WARN_UNUSED int mirror_open(const struct mirror_ops *const *kinds, const struct conf *c,
			    const struct conf_section *s, struct mirror **out, struct err *e);
/* Opens a place by its public URL for reading: file://, http://, https://. */
WARN_UNUSED int mirror_open_url(const struct mirror_ops *const *kinds, const char *id,
				const char *url, struct mirror **out, struct err *e);
void mirror_close(struct mirror *m);
DEFINE_CLEANUP(struct mirror, mirror_close);

/* The calls that everybody uses: they check the key and the capability, and put
 * "mirror <id>: <key>: " in front of errors. *out of put and stat may be NULL. */
WARN_UNUSED int mirror_stat_key(struct mirror *m, const char *key, struct mirror_stat *out,
				struct err *e);
/* len UINT64_MAX: to the end; nothing is left at offset == size. A range past the end is
 * ERR_INTEGRITY. When it fails, the sink may have had the first part of the bytes; when
 * it succeeds, exactly all of them. */
WARN_UNUSED int mirror_get(struct mirror *m, const char *key, uint64_t offset, uint64_t len,
			   const struct mirror_sink *sink, struct err *e);
/* Whole small object into out, refused over out->max. */
WARN_UNUSED int mirror_get_small(struct mirror *m, const char *key, struct buf *out,
				 struct err *e);
/* ERR_CONFLICT when a condition does not hold; ERR_INTEGRITY when the body is not what
 * body->sha256 and body->pieces say. The report's task advances by every byte that is there
 * now, those that an interrupted put() left included. */
WARN_UNUSED int mirror_put(struct mirror *m, const char *key, const struct mirror_body *body,
			   const struct mirror_put *how, struct mirror_stat *out, struct err *e);
WARN_UNUSED int mirror_put_small(struct mirror *m, const char *key, const void *data,
				 size_t len, const struct mirror_put *how, struct err *e);
WARN_UNUSED int mirror_copy(struct mirror *m, const char *from, const char *to,
			    struct err *e);
/* Every object whose key starts with prefix ("" is all), sorted by key as bytes. A place
 * without any such object lists nothing. */
WARN_UNUSED int mirror_list(struct mirror *m, const char *prefix, mirror_entry_fn *fn,
			    void *ctx, struct err *e);
/* Removing what is not there succeeds. */
WARN_UNUSED int mirror_remove(struct mirror *m, const char *key, struct err *e);

/* A body over an open file; fd is borrowed. */
struct mirror_file_body {
	struct mirror_body body;
	int fd;
	const char *what;
};
void mirror_file_body_init(struct mirror_file_body *b, int fd, const char *what,
			   const struct grid *grid, const struct digest *sha256,
			   const struct digest *pieces);

#endif
