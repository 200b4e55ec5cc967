/*
 * libferry: fetches models of signed repositories, verified, from an application.
 *
 *     struct ferry_repository lab = { .name = "lab", .urls = urls, .root_sha256 = "5d0c…" };
 *     struct ferry_settings settings = FERRY_SETTINGS_INIT;
 *     settings.repositories = &lab;
 *     settings.repository_count = 1;
 *     struct ferry *f;
 *     struct ferry_result *result;
 *     if (ferry_open(&settings, &f, &error) == 0 &&
 *         ferry_fetch(f, references, 1, NULL, NULL, &result, &error) == 0)
 *             use(ferry_result_at(result, 0)->files[0]->path);
 *
 * What always holds:
 *  - a path that this library returns is that of a file whose every byte was verified, against
 *    metadata that the pinned root signed (The Update Framework 1.0), before the file had this
 *    name;
 *  - a fetch that was cancelled, failed or killed is continued by the next one;
 *  - nothing is printed, no signal handler is installed, the process is not ended (except by
 *    abort() when memory is exhausted), and nothing is global: several handles, each with settings
 *    of its own, work at once;
 *  - a handle may be used by several threads at once. Handles, threads and processes may share a
 *    store. A child of fork() must not use a handle of its parent;
 *  - the threads that a call starts have the signal mask of its caller, and have ended when it
 *    returns. No server can raise SIGPIPE.
 *
 * Functions that can fail return 0 or the negative of the error's code, and fill in *error unless
 * it is NULL. They block until they are done or cancelled. Strings are UTF-8 and end with 0; in
 * messages, hints, event.text and item.fallback control characters are escaped, so that they can
 * be shown on a terminal. Sizes are in bytes. Arguments are borrowed for the call only. error,
 * call, filter and options may be NULL. After an error *out is NULL, except where something else is
 * said.
 *
 * What is stable: a program that was built with one version runs with every later one with the same
 * soname (libferry.so.1). Functions are never removed nor changed within it, values of an enum keep
 * their numbers, and structs only grow at their ends: those that the caller fills in begin with
 * their size, which the INIT macro sets (0 is FERRY_USAGE: it was forgotten), and have no padding
 * there; the others are only ever given out as pointers, so that no program depends on their sizes.
 * struct ferry_error and struct ferry_repository do not grow.
 *
 * Environment: as with libcurl, http_proxy, https_proxy, all_proxy and no_proxy say which proxy is
 * used; SSL_CERT_FILE, SSL_CERT_DIR and CURL_CA_BUNDLE which authorities are trusted. If
 * settings.home is NULL, FERRY_HOME, XDG_DATA_HOME and HOME say where the store is. How fast
 * mirrors were, and until when servers asked for a pause, is kept below XDG_STATE_HOME or HOME, for
 * all programs of the user. A ferry.conf in settings.conf may name variables with tokens.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FERRY_API __attribute__((visibility("default")))
#else
#define FERRY_API
#endif

/* Sets the size, and zeroes the rest. */
#ifdef __cplusplus
#define FERRY_INIT_(type) \
	([] { \
		struct type s_ = type(); \
		s_.size = sizeof s_; \
		return s_; \
	}())
#else
#define FERRY_INIT_(type) \
	{ \
		.size = sizeof(struct type) \
	}
#endif

/* "0.1.0", of the library that runs. */
FERRY_API const char *ferry_version(void);

/* -- errors ---------------------------------------------------------------------------------- */

/* The same as the exit codes of the ferry commands. */
enum ferry_code {
	FERRY_OK = 0,
	FERRY_USAGE = 2,     /* an argument or a setting is wrong */
	FERRY_NOT_FOUND = 3, /* there is no such repository, model, variant or version */
	FERRY_NETWORK = 4,   /* every source failed; later it may work */
	FERRY_AUTH = 5,      /* a server refused authentication or permission */
	FERRY_INTEGRITY = 6, /* a digest, signature or version is wrong, or metadata expired */
	FERRY_SYSTEM = 7,    /* disk full, I/O error, permission on this machine */
	FERRY_CONFLICT = 8,  /* another process holds a lock, or removed what was fetched */
	FERRY_CANCELLED = 9, /* ferry_cancel_ask() was called */
	FERRY_BUG = 70
};

struct ferry_error {
	int code;             /* enum ferry_code */
	int system;           /* errno if it was the cause, else 0 */
	uint64_t retry_after; /* seconds that the server asked for; 0: none */
	char message[1024];   /* one line: what failed, on what, and why; cut if it is longer */
	char hint[512];       /* what a person can do, or "" */
};

/* -- settings, handles ------------------------------------------------------------------------ */

struct ferry_repository {
	const char *name;        /* as in references: "lab" of "lab/phi-2" */
	const char *const *urls; /* base URLs of the metadata, NULL at the end; also file:// */
	/* What is trusted: one of the two, or both. */
	const char *root;        /* path of the pinned 1.root.json */
	const char *root_sha256; /* its SHA-256, 64 hexadecimal digits */
};

struct ferry_settings {
	size_t size;
	const char *home; /* folder of the store; NULL: that of the ferry commands */
	const char *conf; /* path of a ferry.conf whose repositories, [fetch] and [access.NAME]
			     are used; NULL: none */
	/* Besides those of conf; one with the same name replaces that of conf. */
	const struct ferry_repository *repositories;
	size_t repository_count;
	const char *ca;       /* file of certificate authorities (PEM) that are trusted instead
				 of the system's; NULL: the system's */
	uint64_t limit_rate;  /* bytes per second, of a fetch; 0: not limited */
	uint64_t max_memory;  /* of pieces on their way, at least 8 MiB; 0: the default */
	unsigned connections; /* to a mirror, at most 64; 0: the default */
	unsigned offline;     /* 1: nothing is asked from the network */
	uint64_t memory;      /* what a model may need that "MODEL:auto" chooses; 0: the memory
				 of this machine */
};
#define FERRY_SETTINGS_INIT FERRY_INIT_(ferry_settings)

struct ferry;

/* Checks the settings and opens the store, which is created if need be; no request is made. The
 * caller closes *out, after all calls with it have returned. FERRY_USAGE for a setting that is
 * wrong, FERRY_SYSTEM for a store that cannot be used. */
FERRY_API int ferry_open(const struct ferry_settings *settings, struct ferry **out,
			 struct ferry_error *error);
FERRY_API void ferry_close(struct ferry *f); /* NULL is allowed */

/* -- progress, cancellation -------------------------------------------------------------------- */

enum ferry_event_kind {
	FERRY_EVENT_PROGRESS = 1, /* done, total, file */
	FERRY_EVENT_NOTE = 2,     /* text */
	FERRY_EVENT_WARNING = 3,  /* text: something is wrong, but the work goes on */
	FERRY_EVENT_MIRROR = 4    /* mirror, bytes, state */
};

struct ferry_event {
	int kind;             /* enum ferry_event_kind; ignore those that you do not know */
	uint64_t done, total; /* of all files of the call; total 0: not known yet. done can fall,
				 when bytes turn out to be wrong */
	const char *file;     /* the one that advanced, or NULL */
	const char *text;
	const char *mirror; /* id in the catalog */
	int64_t bytes;      /* that it sent since the last event; negative: they were of no use */
	const char *state;  /* NULL: as before; "": active; "waiting", "slow", "banned", "failed" */
};

/* A token: it cannot be taken back, so that a call which is to be cancelled alone, or after another
 * one was, needs a new one. The caller frees it, after all calls with it have returned. */
struct ferry_cancel;
FERRY_API struct ferry_cancel *ferry_cancel_new(void);
FERRY_API void ferry_cancel_free(struct ferry_cancel *c); /* NULL is allowed */
/* Calls that were given c end soon with FERRY_CANCELLED, those that begin later at once. May be
 * called by any thread, in a signal handler, and in on_event. What was received is kept for the
 * next fetch. */
FERRY_API void ferry_cancel_ask(struct ferry_cancel *c);

/* Of one call. */
struct ferry_call {
	size_t size;
	/* Called by any thread, one at a time; the event is borrowed. It must return soon, without
	 * an exception or longjmp(), and must not use this handle, except to cancel. NULL: nobody
	 * listens. */
	void (*on_event)(void *ctx, const struct ferry_event *event);
	void *ctx;
	struct ferry_cancel *cancel; /* NULL: it cannot be cancelled */
};
#define FERRY_CALL_INIT FERRY_INIT_(ferry_call)

/* -- what there is ---------------------------------------------------------------------------- */

struct ferry_variant {
	const char *id;           /* "q4_k_m" */
	const char *kind;         /* NULL: a model; "adapter", "projector", … */
	const char *quantization; /* "Q4_K_M", or NULL */
	uint64_t size;            /* of all its files */
	uint64_t memory;          /* that an engine needs for it */
	uint64_t version;         /* from 1 */
	bool is_default, withdrawn;
	bool stored; /* complete in the store, in this version or an earlier one */
};

struct ferry_model {
	const char *repository, *id;
	const char *title;                   /* the id if it has none */
	const char *family, *license;        /* license: an SPDX expression; both may be NULL */
	uint64_t parameters, context_length; /* 0: not known */
	bool deprecated, withdrawn;
	const char *replacement;                     /* "model[:variant]", or NULL */
	const char *const *tags;                     /* NULL at the end */
	const struct ferry_variant *const *variants; /* variant_count of them, then NULL */
	size_t variant_count;
};

/* All that are set must hold. */
struct ferry_filter {
	size_t size;
	const char *words;   /* separated by blanks; each is found in id, title, tags, family,
				license or quantization. The best matches come first */
	const char *pattern; /* of the id, with * and ?, or a part of id, title or family */
	const char *license; /* an SPDX identifier in any spelling, or an expression, all of whose
				identifiers that of the model must have */
	const char *family;
	const char *kind;        /* "model", "adapter", … */
	const char *const *tags; /* NULL at the end */
	uint64_t max_size;       /* of the files of a variant; 0: any */
	uint64_t fits;           /* variants that need no more memory; 0: any */
};
#define FERRY_FILTER_INIT FERRY_INIT_(ferry_filter)

struct ferry_models;
/* The models of all repositories, in the order of their ids in each. A repository that cannot be
 * reached, and was not before, is left out with a warning, unless it is the only one. Offline, it
 * is the list that was verified last, or, with a warning, the models in the store. The caller frees
 * *out. */
FERRY_API int ferry_list(struct ferry *f, const struct ferry_call *call, struct ferry_models **out,
			 struct ferry_error *error);
/* Those that match; without words they keep that order. Variants that do not match are left out,
 * and models without any that does. FERRY_USAGE for a license that is none. */
FERRY_API int ferry_search(struct ferry *f, const struct ferry_filter *filter,
			   const struct ferry_call *call, struct ferry_models **out,
			   struct ferry_error *error);
FERRY_API size_t ferry_models_count(const struct ferry_models *m); /* of NULL: 0 */
/* Borrowed from m; NULL behind the last one. */
FERRY_API const struct ferry_model *ferry_models_at(const struct ferry_models *m, size_t i);
FERRY_API void ferry_models_free(struct ferry_models *m); /* NULL is allowed */

/* -- models that are asked for ---------------------------------------------------------------- */

struct ferry_file {
	const char *name;   /* as engines see it */
	const char *path;   /* absolute; NULL: it is not in the store */
	const char *sha256; /* 64 hexadecimal digits */
	uint64_t size;
	const char *role; /* NULL: the model; "projector", "adapter", "draft", "imatrix" */
};

struct ferry_item {
	const char *reference;           /* as it was given; of ferry_stored(): what names it */
	const struct ferry_error *error; /* why there is nothing below; NULL: there is */
	const char *repository, *model, *variant;
	uint64_t version;
	const char *kind; /* NULL: a model */
	uint64_t size;    /* of all files: what follows adds up to it */
	uint64_t stored;  /* in the store already */
	uint64_t kept;    /* of an earlier fetch that did not end, if it is still right */
	uint64_t reused;  /* that other files of the store have */
	uint64_t download;
	const char *fallback; /* why the model in the store is used without comparing it with a
				 valid catalog; NULL: it was compared */
	const struct ferry_file *const *files; /* the one to open first, then NULL at the end */
	size_t file_count;
};

struct ferry_result;
FERRY_API size_t ferry_result_count(const struct ferry_result *r); /* of NULL: 0 */
/* In the order of the references; borrowed from r; NULL behind the last one. */
FERRY_API const struct ferry_item *ferry_result_at(const struct ferry_result *r, size_t i);
FERRY_API void ferry_result_free(struct ferry_result *r); /* NULL is allowed */

/*
 * A reference is "[repository/]model[:variant][@version]"; the variant "auto" is the largest one
 * that fits into memory. The three functions below take several. If some fail, the others are
 * done: then *out is set, each item that failed has an error of its own, and the call returns the
 * first of these. *out is NULL if nothing could be tried, or if the call was cancelled. The caller
 * frees it, also after an error.
 */

/* Which models these are, and which files they have. No manifest is read, so that download is the
 * size of what the store does not have, and kept and reused are 0. */
FERRY_API int ferry_resolve(struct ferry *f, const char *const *references, size_t count,
			    const struct ferry_call *call, struct ferry_result **out,
			    struct ferry_error *error);

struct ferry_fetch_options {
	size_t size;
	unsigned check;     /* 1: hash again what the store has */
	unsigned withdrawn; /* 1: also what its publisher has withdrawn */
};
#define FERRY_FETCH_OPTIONS_INIT FERRY_INIT_(ferry_fetch_options)

/* What ferry_fetch() would do now: nothing of a model is downloaded. */
FERRY_API int ferry_plan(struct ferry *f, const char *const *references, size_t count,
			 const struct ferry_fetch_options *options, const struct ferry_call *call,
			 struct ferry_result **out, struct ferry_error *error);

/* Fetches what the store does not have, in one run for all references, and verifies it. If the
 * catalog cannot be refreshed, the one that was verified last is used while it is valid, with a
 * warning. If there is none, or the mirrors cannot serve, a model that is in the store is used,
 * with a warning and item.fallback. In the items, kept, reused and download are what was. */
FERRY_API int ferry_fetch(struct ferry *f, const char *const *references, size_t count,
			  const struct ferry_fetch_options *options, const struct ferry_call *call,
			  struct ferry_result **out, struct ferry_error *error);

/* The complete models in the store, without the network: of the reference, or with NULL all.
 * A reference without a variant names all variants of the model. FERRY_NOT_FOUND if it has none. */
FERRY_API int ferry_stored(struct ferry *f, const char *reference, struct ferry_result **out,
			   struct ferry_error *error);

#ifdef __cplusplus
}
#endif

#endif
