/*
 * mirror: one interface for every place that holds a copy of a repository, and one
 * file for each kind of place.
 *
 * What always holds here:
 *  - an object is named by its key, the repository-relative path ("targets/models/…",
 *    "metadata/timestamp.json"); keys that are not path_is_key() are refused;
 *  - any number of threads may use a mirror at once. What they share (configuration,
 *    capabilities, credentials) is in struct mirror; each running call has its own connection,
 *    and connections are kept for later calls;
 *  - an upload is atomic for readers: they see the complete object, or none, or the old one. The
 *    next upload continues a killed one;
 *  - nothing here establishes trust: callers verify what they read and what they upload;
 *  - nothing here retries: callers do (util/retry.h), because only they know whether another
 *    mirror would be better.
 *
 * Error classes: ERR_NOT_FOUND (no such object), ERR_NETWORK (transient, worth another try
 * later), ERR_AUTH, ERR_CONFLICT (a condition did not hold), ERR_INTEGRITY (the bytes do not
 * match their digest), ERR_USAGE (the kind cannot do this, bad configuration), ERR_SYSTEM (a
 * local problem: no retry elsewhere will help). err.cause tells more.
 */
#ifndef FERRY_MIRROR_MIRROR_H
#define FERRY_MIRROR_MIRROR_H

#include "catalog/catalog.h"
#include "catalog/places.h"
#include "hash/grid.h"
#include "http/access.h"
#include "mirror/findings.h"
#include "settings/mirrors.h"
#include "util/buf.h"
#include "util/rate.h"
#include "util/report.h"

#include <pthread.h>
#include <stdatomic.h>

enum mirror_can {
	MIRROR_CAN_WRITE = 1 << 0,
	MIRROR_CAN_LIST = 1 << 1,
	MIRROR_CAN_RANGE = 1 << 2,
	MIRROR_CAN_COPY = 1 << 3,          /* copy on the server */
	MIRROR_CAN_CREATE_ONLY = 1 << 4,   /* an upload with only_if_absent is atomic */
	MIRROR_CAN_REPLACE_IF = 1 << 5,    /* an upload with only_if_etag is atomic */
	MIRROR_CAN_SHA256 = 1 << 6,        /* stat reports the SHA-256 of the object */
	MIRROR_CAN_PIECES_SHA256 = 1 << 7, /* stat reports pieces_sha256 (S3 COMPOSITE) */
	MIRROR_IN_ORDER = 1 << 8,          /* pieces of an upload must come in order, one at a
					      time; several uploads may run at once */
	MIRROR_CAN_COPY_PIECES = 1 << 9,   /* mirror_upload_copy() from its own objects */
};

struct mirror_stat {
	uint64_t size;
	int64_t modified_s; /* 0: not known */
	char etag[256];     /* "" when the kind has none */
	bool has_sha256, has_pieces_sha256;
	struct digest sha256, pieces_sha256;
};

/* Which bytes of which object. */
struct mirror_range {
	const char *key;
	uint64_t offset, length;     /* length UINT64_MAX: to the end */
	uint64_t deadline_ms;        /* for the complete answer, else ERR_NETWORK; 0: none.
					Ignored by kinds without a server */
	const struct cancel *cancel; /* ends this call, beside the mirror's; NULL: nothing. Ignored
					by kinds without a server: their sinks can end it */
};

/* Receives an object's bytes in order. A sink that waits slows the transfer down. A negative
 * return stops it; mirror_get() returns that value with e as the sink set it. */
struct mirror_sink {
	int (*write)(void *ctx, const void *data, size_t len, struct err *e);
	void *ctx;
};

struct mirror_entry {
	const char *key;
	struct mirror_stat stat;
};
/* A negative return stops the listing. */
typedef int mirror_entry_fn(void *ctx, const struct mirror_entry *entry, struct err *e);

/* What to store under a key, and how. */
struct mirror_put {
	struct grid grid;            /* of its size */
	struct digest sha256;        /* of the whole */
	const struct digest *pieces; /* borrowed while the upload is open; grid.count of them.
					NULL: one piece at most, sha256 is its digest */
	bool only_if_absent;
	const char *only_if_etag; /* borrowed; NULL: no condition */
	bool was_wrong; /* the present object is known to be wrong, whatever digest the mirror
			   reports: after a lost answer, that digest proves nothing */
	const char *content_type; /* borrowed; NULL: application/octet-stream */
	bool immutable;           /* the key contains the hash of the content: cache
				     forever */
	/* Reads a piece once more, verified, into grid_length() bytes; from any thread, while the
	 * upload is open. For kinds that send several pieces as one request, when that has to
	 * begin anew (stream.h). NULL: it cannot. */
	int (*again)(void *ctx, uint32_t piece, void *data, struct err *e);
	void *again_ctx;       /* borrowed while the upload is open */
	struct report *report; /* its task advances by every byte that is there, those that */
	const char *task;      /* an earlier upload left included; an upload that is closed
				  before its commit takes that back. NULL: none */
};

/* Bytes that a mirror has already: of an object, from this offset on. */
struct mirror_source {
	struct mirror *mirror;
	const char *key;
	uint64_t offset;
	const void *data; /* the same bytes, if the caller has them: for kinds that could not
			     compare the copy otherwise. Or NULL */
};

/* Something that uploads left behind, and that no reader sees. */
struct mirror_leftover {
	enum mirror_leftover_kind {
		MIRROR_LEFT_UPLOAD,  /* an upload that was opened and not committed */
		MIRROR_LEFT_VERSION, /* an old version of an object that was replaced or removed */
		MIRROR_LEFT_SCRATCH, /* a test object of a probe or a check that was killed */
	} kind;
	const char *key;   /* "" when it is not known */
	const char *id;    /* what mirror_leftover_remove() needs */
	int64_t started_s; /* when it was opened (or written to last, if that is known), or
			      replaced */
	bool has_bytes;
	uint64_t bytes; /* stored, if has_bytes */
};
/* A negative return stops the listing. */
typedef int mirror_leftover_fn(void *ctx, const struct mirror_leftover *left, struct err *e);

/* What a run is going to do on a mirror, for checks before it starts. */
struct mirror_need {
	uint64_t bytes;   /* to be stored */
	uint64_t largest; /* object, in bytes */
	uint64_t seconds; /* that the run is likely to take; 0: not known */
	bool write, remove;
};

/* A file of the release that is being published; borrowed. */
struct mirror_file {
	const char *key;
	const char *path; /* of an object: its target path; else the key */
	uint64_t size;
	struct digest sha256;
	bool there; /* the mirror holds it, verified */
};

struct mirror_model {
	const struct card *card;
	const char *notes;               /* for people, in Markdown; or NULL */
	const struct mirror_file *files; /* all of its objects that the kind gets */
	size_t file_count;
};

/* A release of the repository, for mirror_publish(); borrowed. */
struct mirror_publication {
	const char *name, *title; /* of the repository; title may be NULL */
	uint64_t version;         /* of timestamp.json */
	bool shown;   /* catalog.json and timestamp.json of this release were put, too. False: only
			 objects and versioned metadata */
	bool partial; /* only some objects were to be sent: others, with `there` false, may be there
			 all the same, and readers are to see no new release */
	bool staged; /* readers of this mirror are to see nothing of it yet: it is for stage mirrors
		      */
	const struct mirror_model *models; /* only with wants_models; sorted by id */
	size_t model_count;
	const struct mirror_file *others; /* all other files of the release that the mirror gets */
	size_t other_count;
	struct report *report;
};

/* How many requests a server still allows. */
struct mirror_quota {
	uint64_t limit, left;
	int64_t reset_s; /* when there are `limit` again; 0: not known */
};

/* How often an object was downloaded, as the server counts it. A negative return stops it. */
typedef int mirror_downloads_fn(void *ctx, const char *key, uint64_t count, struct err *e);

/* What a server has counted of its requests in one hour, objects of all kinds together. */
struct mirror_traffic {
	int64_t hour_s;    /* its start */
	uint64_t requests; /* GET */
	uint64_t bytes;    /* that were sent */
	uint64_t failures; /* answers with 4xx and 5xx, to requests of any method */
};
/* A negative return stops it. */
typedef int mirror_traffic_fn(void *ctx, const struct mirror_traffic *t, struct err *e);

struct mirror;
struct mirror_connection;
struct mirror_upload;

#define MIRROR_CONNECTIONS 4

/* Objects up to this size are small: a call takes about as long as an empty one. */
#define MIRROR_SMALL MIB

/* The functions of a kind; NULL if the kind does not support one. */
struct mirror_ops {
	const char *kind;               /* "file", "http", … */
	const char *const *keys;        /* its own keys of [mirror.NAME]; NULL-ended */
	const char *const *public_keys; /* those of them that readers get in the catalog, with '_'
					   for '-'; NULL-ended, or NULL */
	bool metadata_only;             /* it holds no model files */
	bool no_metadata; /* it holds objects, but cannot replace a file, as metadata need it */
	/* The base URL for readers when 'url' is not given; the caller frees it. Or NULL. */
	char *(*reader_url)(const struct conf_section *s);
	bool wants_models;    /* publish gets the models */
	bool no_empty;        /* it cannot hold an empty object */
	bool removes_later;   /* what was removed is gone for readers only after publish */
	bool packs;           /* it gets a card and its manifests as one object (catalog/pack.h) */
	unsigned connections; /* the default of struct mirror; 0: MIRROR_CONNECTIONS */
	unsigned small_connections; /* the same; 0: as connections */
	const char *const *schemes; /* "https://", …: URLs that it can read; NULL-ended, or NULL */
	bool others_files;          /* files of others, under their own names: they may change, and
				       nothing is ever put there */
	bool reads_entries;         /* it reads mirrors of its kind by their entry in the catalog,
				       where the URL is not enough */
	bool (*reads)(const char *url); /* can it read this one of them? NULL: all of them */

	/* From [mirror.NAME], or s == NULL and just a URL with, if it is a signed catalog's mirror,
	 * m->entry. Asks no server. open NULL: this version knows the kind's keys, but cannot use
	 * it. */
	int (*open)(struct mirror *m, const struct conf *c, const struct conf_section *s,
		    struct err *e);
	void (*close)(struct mirror *m);
	/* A thread's own state; connect NULL: none is needed. */
	int (*connect)(struct mirror_connection *c, struct err *e);
	void (*disconnect)(struct mirror_connection *c);

	/* Is this object meant to be there? Asks no server. NULL: every one is. */
	bool (*has)(const struct mirror *m, const char *key);
	/* Has it credentials of its own to read with, beside those of [access.NAME] and the URL?
	 * Asks no server; may run a credential helper. NULL: never. */
	bool (*has_credentials)(const struct mirror *m);

	int (*stat)(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		    struct err *e);
	int (*get)(struct mirror_connection *c, const struct mirror_range *r,
		   const struct mirror_sink *sink, struct err *e);
	int (*list)(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn, void *ctx,
		    struct err *e);
	int (*copy)(struct mirror_connection *c, const char *from, const char *to, struct err *e);
	int (*remove)(struct mirror_connection *c, const char *key, struct err *e);

	/* A URL that anyone can read the object with for so long. Asks no server. */
	int (*presign)(struct mirror_connection *c, const char *key, uint64_t expires_s, char **out,
		       struct err *e);

	/* An upload (below). open sets u->there[] for the pieces that it finds and verifies, and
	 * u->state; put stores one piece of grid_length() bytes, and may run in several
	 * threads at once unless MIRROR_IN_ORDER; close releases u->state, also after abandon. */
	int (*upload_open)(struct mirror_connection *c, struct mirror_upload *u, struct err *e);
	int (*upload_put)(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			  const void *data, struct err *e);
	int (*upload_commit)(struct mirror_connection *c, struct mirror_upload *u,
			     struct mirror_stat *out, struct err *e);
	void (*upload_close)(struct mirror_upload *u);
	int (*upload_abandon)(struct mirror_connection *c, struct mirror_upload *u, struct err *e);
	/* Fills a piece with bytes that this mirror, or one for which copies_from is true, has, and
	 * compares them. May run in several threads, as upload_put. */
	int (*upload_copy)(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			   const struct mirror_source *from, struct err *e);
	bool (*copies_from)(const struct mirror *m, const struct mirror *from);

	/* mirror_publish(). */
	int (*publish)(struct mirror_connection *c, const struct mirror_publication *p,
		       struct mirror_findings *out, struct err *e);

	int (*leftovers)(struct mirror_connection *c, mirror_leftover_fn *fn, void *ctx,
			 struct err *e);
	int (*leftover_remove)(struct mirror_connection *c, const struct mirror_leftover *left,
			       struct err *e);

	/* What the server still allows; ERR_USAGE if it sets no limit. */
	int (*downloads)(struct mirror_connection *c, mirror_downloads_fn *fn, void *ctx,
			 struct err *e);
	int (*traffic)(struct mirror_connection *c, int64_t from_s, int64_t to_s,
		       mirror_traffic_fn *fn, void *ctx, struct err *e);
	int (*quota)(struct mirror_connection *c, struct mirror_quota *out, struct err *e);

	/* Checks, without changing what readers see, whether a run can succeed: credentials and
	 * what they allow, the clock, space and limits. Faults are findings; the return value is
	 * negative only when it was cancelled. */
	int (*preflight)(struct mirror_connection *c, const struct mirror_need *need,
			 struct mirror_findings *out, struct err *e);
	/* Adds a finding when readers cannot read what is there because of its modes. */
	int (*readers)(struct mirror_connection *c, struct mirror_findings *out, struct err *e);
	/* Determines the capabilities, and says what is missing. */
	int (*probe)(struct mirror_connection *c, struct mirror_findings *out, struct err *e);
	/* Creates what the mirror needs, or with dry_run says what would be done. */
	int (*setup)(struct mirror_connection *c, bool dry_run, struct mirror_findings *out,
		     struct err *e);
};

/* Settings of the caller for all connections; zero is a good default. */
struct mirror_env {
	uint64_t stall_s;                /* a transfer without data for this long fails; 0: the
					    default of http/http.h */
	struct rate *rate;               /* the limit that all connections share; NULL: none */
	const struct cancel *cancel;     /* ends calls; NULL: nothing does */
	const struct clock *clock;       /* NULL: the real one */
	struct http_access_list *access; /* borrowed: how servers are reached (http/access.h); NULL:
					    none is set */
	bool as_reader;        /* what readers do not see before mirror_publish() is not there */
	bool new_mirror;       /* a folder that is gone or empty is no reason to refuse */
	const char *state_dir; /* borrowed; the folder of what probing found out (record.h).
				  NULL: it is not kept */
};

struct mirror {
	const struct mirror_ops *ops;
	struct mirror_env env;
	atomic_uint can;        /* enum mirror_can; set by open, and updated later */
	atomic_ullong requests; /* that were sent; kinds without a server count none */
	uint64_t max_object;    /* bytes; 0: no limit. Set by open */
	char *id;               /* NAME of [mirror.NAME], or the catalog's id */
	char *url;              /* base URL that readers use, or NULL */
	char *place;          /* where it is, for records (record.h), e.g. its endpoint, bucket and
				 prefix; no secrets. Set by open; NULL: url */
	char *region;         /* or NULL */
	uint64_t priority;    /* lower is used first; default 50 */
	unsigned connections; /* how many calls a caller should run at a time, */
	unsigned small_connections; /* and how many of them while all are for small objects */
	enum mirror_holds holds;
	bool stage;
	bool has_traffic;      /* mirror_traffic() works; set by open */
	const json_t *entry;   /* of the signed catalog, borrowed while open runs; or NULL */
	struct places *places; /* where its objects are, if not where the kind puts them; owned.
				  NULL: no list was read */
	void *state;           /* the kind's own, shared by all connections */

	pthread_mutex_t lock; /* of what follows */
	struct mirror_connection *idle;
	struct str_list closed; /* what takes no more objects, in the words of the kind */
};

struct mirror_connection {
	struct mirror *mirror;
	void *state; /* the kind's own, of one thread at a time */
	struct mirror_connection *next;
};

/* The kinds that a program links: the reading ones (file, http) in the client's programs, all in
 * the publisher's. NULL-ended. */
extern const struct mirror_ops *const mirror_kinds_client[];
extern const struct mirror_ops *const mirror_kinds_all[];

/* The value of a variable of the environment that is of this mirror alone, or NULL when it is not
 * set or empty: with "FERRY_" and "_TOKEN", FERRY_EU_HUB_TOKEN of [mirror.eu-hub]. For kinds. */
const char *mirror_variable(const struct mirror *m, const char *before, const char *behind);
/* Its name, for messages. The caller frees it. */
char *mirror_variable_name(const struct mirror *m, const char *before, const char *behind);

/* The same kinds, for readers of [mirror.NAME]; the caller frees the list. */
struct settings_kind *mirror_settings_kinds(const struct mirror_ops *const *kinds);

/* Opens [mirror.NAME], unless its settings are faulty. env NULL: the defaults. */
WARN_UNUSED int mirror_open(const struct mirror_ops *const *kinds, const struct mirror_env *env,
			    const struct settings_mirror *s, struct mirror **out, struct err *e);
/* Opens a place by its public URL, for reading. */
WARN_UNUSED int mirror_open_url(const struct mirror_ops *const *kinds, const struct mirror_env *env,
				const char *id, const char *url, struct mirror **out,
				struct err *e);
/* Opens a mirror of the signed catalog, for reading: one whose kind reads such entries, else by its
 * URL. The entry is borrowed for the call. */
WARN_UNUSED int mirror_open_entry(const struct mirror_ops *const *kinds,
				  const struct mirror_env *env, const struct catalog_mirror *entry,
				  struct mirror **out, struct err *e);
/* Can one of the kinds read it? what: MIRROR_HOLDS_OBJECTS or _METADATA. */
bool mirror_reads_entry(const struct mirror_ops *const *kinds, const struct catalog_mirror *entry,
			enum mirror_holds what);
/* Are the files there those of others (mirror_ops.others_files)? */
bool mirror_entry_is_of_others(const struct mirror_ops *const *kinds,
			       const struct catalog_mirror *entry);
/* Reads its signed list of places (catalog/places.h), before any other call uses the mirror.
 * ERR_INTEGRITY: it is damaged. */
WARN_UNUSED int mirror_read_places(struct mirror *m, const void *data, size_t len, const char *what,
				   struct err *e);
/* Is this object meant to be on it? Asks no server. */
bool mirror_has(const struct mirror *m, const char *key);
/* May requests to it carry credentials: of [access.NAME], the URL, the environment, or another
 * source of its kind? Asks no server; may run a credential helper. */
bool mirror_has_credentials(const struct mirror *m);
/* A mirror of this kind with this id, not opened yet: for mirror_open() and the kinds of tests. */
struct mirror *mirror_new(const struct mirror_ops *ops, const char *id);
void mirror_close(struct mirror *m);
DEFINE_CLEANUP(struct mirror, mirror_close);

/* Is it on a server, so that calls are requests? */
bool mirror_has_server(const struct mirror *m);
/* How many threads should work on it, if no more than m->connections of them have a large object
 * at a time. */
unsigned mirror_threads(const struct mirror *m);
/* Does it support all of these (enum mirror_can)? */
bool mirror_can(const struct mirror *m, unsigned what);

/* The public calls: they check the key and the capability, and put "mirror <id>: <key>: " in
 * front of errors. *out of stat may be NULL. */
WARN_UNUSED int mirror_stat_key(struct mirror *m, const char *key, struct mirror_stat *out,
				struct err *e);
/* The range is empty if offset == size; a range beyond the end is ERR_INTEGRITY. On success the
 * sink has received exactly these bytes, on failure perhaps the first part. */
WARN_UNUSED int mirror_get(struct mirror *m, const struct mirror_range *r,
			   const struct mirror_sink *sink, struct err *e);
/* A whole small object into out; refused if larger than out->max. deadline_ms as in struct
 * mirror_range. */
WARN_UNUSED int mirror_get_small(struct mirror *m, const char *key, uint64_t deadline_ms,
				 struct buf *out, struct err *e);
WARN_UNUSED int mirror_copy(struct mirror *m, const char *from, const char *to, struct err *e);
/* Every object whose key starts with prefix ("" is all), sorted by key as bytes. If there are
 * none, the list is empty. */
WARN_UNUSED int mirror_list(struct mirror *m, const char *prefix, mirror_entry_fn *fn, void *ctx,
			    struct err *e);
/* Removing what is not there succeeds. */
WARN_UNUSED int mirror_remove(struct mirror *m, const char *key, struct err *e);
/* A URL with which anyone can read the object for so long, at most MIRROR_PRESIGN_MAX_S. Whether
 * the object exists is not checked. The caller frees it. */
#define MIRROR_PRESIGN_MAX_S (7 * 86400)
WARN_UNUSED int mirror_presign(struct mirror *m, const char *key, uint64_t expires_s, char **out,
			       struct err *e);
/* Of every object that is there: the count since it is there, an upper bound, because how the
 * server counts parts and attempts is not known. ERR_USAGE when the kind has no such counts. */
WARN_UNUSED int mirror_downloads(struct mirror *m, mirror_downloads_fn *fn, void *ctx,
				 struct err *e);
bool mirror_has_downloads(const struct mirror *m);
/* Of the hours from from_s to to_s, as far as the server has counted, in order. Servers make no
 * promise that nothing is missing. ERR_USAGE when the settings of the mirror name no such counts.
 */
WARN_UNUSED int mirror_traffic(struct mirror *m, int64_t from_s, int64_t to_s,
			       mirror_traffic_fn *fn, void *ctx, struct err *e);
/* ERR_USAGE when the server sets no limit that is known; what it asked for once (CAUSE_THROTTLED)
 * is an error of other calls. */
WARN_UNUSED int mirror_quota(struct mirror *m, struct mirror_quota *out, struct err *e);
/* Both add to *out. Probing is ERR_USAGE when the kind cannot be probed; a kind that needs no
 * set-up has nothing to do. */
WARN_UNUSED int mirror_probe(struct mirror *m, struct mirror_findings *out, struct err *e);
WARN_UNUSED int mirror_setup(struct mirror *m, bool dry_run, struct mirror_findings *out,
			     struct err *e);
/* Can the run succeed? Adds findings to *out, faults with their class (findings.h); kinds without
 * checks add nothing. Negative only when it was cancelled. */
WARN_UNUSED int mirror_preflight(struct mirror *m, const struct mirror_need *need,
				 struct mirror_findings *out, struct err *e);
/* Can those read what is there for whom it is? Adds a finding to *out if not; nothing for kinds
 * without modes. Negative only when it was cancelled. */
WARN_UNUSED int mirror_readers(struct mirror *m, struct mirror_findings *out, struct err *e);
/*
 * Makes visible to readers what was committed since the last time, if the kind does that later; and
 * groups it, if the kind has groups (releases with notes, artifacts with tags). Until then, calls
 * of the same handle see what was committed, but others may not. Repeating it is harmless: it also
 * finishes what a run that was killed left. Findings: CHANGED for what is new to readers, LACKS for
 * what some of them cannot get. ERR_CONFLICT when another publisher has written meanwhile.
 */
WARN_UNUSED int mirror_publish(struct mirror *m, const struct mirror_publication *p,
			       struct mirror_findings *out, struct err *e);

/* Nothing, if the kind leaves nothing behind. Removing what is not there succeeds; ERR_CONFLICT
 * when it is known that an upload is still using it. */
WARN_UNUSED int mirror_leftovers(struct mirror *m, mirror_leftover_fn *fn, void *ctx,
				 struct err *e);
WARN_UNUSED int mirror_leftover_remove(struct mirror *m, const struct mirror_leftover *left,
				       struct err *e);

/*
 * An upload: a session that transfers one object, piece by piece.
 *
 *   open      looks for what an earlier upload of the same content left there
 *   put       stores a piece: from any thread, in any order (MIRROR_IN_ORDER: in order, one at a
 *             time)
 *   commit    makes the object visible under its key, when every piece is there (to other readers
 *             perhaps later: mirror_publish())
 *   close     ends the session; what is there stays for the next one
 *   abandon   removes what is there
 *
 * Two uploads for one key at once: readers see either object whole. Of the same content, the
 * second may be refused with ERR_CONFLICT while the first is open.
 */
struct mirror_upload {
	struct mirror *mirror;
	char *key;
	struct mirror_put how;
	pthread_mutex_t lock; /* of what follows */
	bool *there;          /* how.grid.count; of the pieces that are there */
	uint32_t missing;     /* pieces */
	uint32_t to_compare;  /* of the missing: the mirror has something in their place, which is
				 compared when they are put, and kept if it is right */
	uint64_t resumed;     /* bytes of pieces that an earlier upload left */
	int64_t told;         /* bytes that were reported */
	void *state;          /* the kind's own */
};

/* ERR_CONFLICT when a condition is already not met; ERR_USAGE when the kind does not support it. */
WARN_UNUSED int mirror_upload_open(struct mirror *m, const char *key, const struct mirror_put *how,
				   struct mirror_upload **out, struct err *e);
bool mirror_upload_has(struct mirror_upload *u, uint32_t piece);
/* data: grid_length() bytes, which the caller has verified against the piece's digest. */
WARN_UNUSED int mirror_upload_put(struct mirror_upload *u, uint32_t piece, const void *data,
				  struct err *e);
/* Can pieces of an upload to m be copied from objects of `from` (perhaps m itself), without the
 * bytes passing through this process? */
bool mirror_copies_from(const struct mirror *m, const struct mirror *from);
/* Stores a piece that is copied from there. from->mirror must be one for which
 * mirror_copies_from() is true. The kind compares the copy with the piece: a copied piece is as
 * right as one that was put. After an error, put it instead: ERR_INTEGRITY when the copy differs,
 * ERR_NOT_FOUND when the source is missing, ERR_USAGE when the copy cannot be compared (with
 * from->data perhaps it can) or made. */
WARN_UNUSED int mirror_upload_copy(struct mirror_upload *u, uint32_t piece,
				   const struct mirror_source *from, struct err *e);
/* *out (may be NULL) describes the stored object. ERR_CONFLICT when a condition is not met. If
 * only the answer was lost, and the mirror reports the object's digest, this is not a failure,
 * unless how.was_wrong. */
WARN_UNUSED int mirror_upload_commit(struct mirror_upload *u, struct mirror_stat *out,
				     struct err *e);
WARN_UNUSED int mirror_upload_abandon(struct mirror_upload *u, struct err *e);
void mirror_upload_close(struct mirror_upload *u);
DEFINE_CLEANUP(struct mirror_upload, mirror_upload_close);

/* For kinds, in upload_open: a piece is already there; or, in upload_put too, it was compared and
 * found right. */
void mirror_upload_found(struct mirror_upload *u, uint32_t piece);
/* For kinds, in upload_put: the report's task advances; negative takes back. */
void mirror_upload_advance(struct mirror_upload *u, int64_t bytes);
/* The digest of a piece; those of the next pieces follow it in memory. */
const struct digest *mirror_upload_digest(const struct mirror_upload *u, uint32_t piece);

/* A complete upload from memory. how: only its conditions, content type and report are used. */
WARN_UNUSED int mirror_put_small(struct mirror *m, const char *key, const void *data, size_t len,
				 const struct mirror_put *how, struct mirror_stat *out,
				 struct err *e);

#endif
