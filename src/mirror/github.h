/*
 * The kind github, shared by its files. An object is an asset of a release, or a run of them
 * (github/name.h).
 *
 * What is known of the releases and assets is kept for the whole mirror: listed once, and updated
 * by what this process does. What GitHub's answers contradict is listed again.
 */
#ifndef FERRY_MIRROR_GITHUB_H
#define FERRY_MIRROR_GITHUB_H

#include "github/github.h"
#include "github/name.h"
#include "github/release.h"
#include "mirror/mirror.h"

struct mirror_github_release {
	/* The strings never change; draft, immutable and gone do, under the lock of the state. */
	struct github_release about;
	bool gone;
	pthread_mutex_t lock; /* of what follows */
	bool listed;
	bool changed; /* there are new assets since its notes were written */
	struct github_asset *assets;
	size_t count, cap;
};

struct mirror_github {
	struct http_options http; /* first: the kinds that read web servers use it, too (web.h) */
	struct github_place place;
	bool has_api;         /* false: only the public URLs are known */
	bool writes;          /* it is from ferry.conf: drafts are looked for */
	char *tag;            /* base of the tags */
	uint64_t part_size;   /* bytes */
	pthread_mutex_t lock; /* of what follows */
	bool listed;
	bool is_private; /* the public URLs do not work, the API does */
	struct mirror_github_release **releases;
	size_t count, cap;
	struct str_list split;   /* keys of objects that are known to be in parts */
	struct str_list sending; /* keys of objects that are being sent in parts */
};

/* ---- github_open.c ---- */
void mirror_github_close(struct mirror *m);
/* Opens what a reader knows of it: its URL, and its entry in the catalog. */
WARN_UNUSED int mirror_github_open_entry(struct mirror *m, struct err *e);
bool mirror_github_has_credentials(const struct mirror *m);
/* State for m, with its lock and options, and nothing else. */
struct mirror_github *mirror_github_state(struct mirror *m);

/* ---- github_quota.c ---- */
WARN_UNUSED int mirror_github_quota(struct mirror_connection *c, struct mirror_quota *out,
				    struct err *e);

/* ---- github_cache.c: releases and their assets ---- */
WARN_UNUSED int mirror_github_call(struct mirror_connection *c, const struct github_request *q,
				   struct http_response *r, struct err *e);
/* The tag of the release that has the object, by m->places. The caller frees it. */
char *mirror_github_tag(const struct mirror *m, const char *key);
/* The release with this tag, with its assets; *out is NULL if there is none. It stays as long as
 * the mirror. */
WARN_UNUSED int mirror_github_find(struct mirror_connection *c, const char *tag,
				   struct mirror_github_release **out, struct err *e);
/* All of our releases, without their assets. The list is copied; the caller frees it. */
WARN_UNUSED int mirror_github_all(struct mirror_connection *c, struct mirror_github_release ***out,
				  size_t *count, struct err *e);
/* Lists the assets, if that was not done; again: in any case. */
WARN_UNUSED int mirror_github_assets(struct mirror_connection *c, struct mirror_github_release *r,
				     bool again, struct err *e);
/* Takes what GitHub answered about a release. */
WARN_UNUSED int mirror_github_note_release(struct mirror_github *s, const json_t *o, struct err *e);
void mirror_github_forget_release(struct mirror_github *s, struct mirror_github_release *r);
/* Is it a draft? Is it published and immutable? */
bool mirror_github_is_draft(struct mirror_github *s, const struct mirror_github_release *r);
bool mirror_github_is_fixed(struct mirror_github *s, const struct mirror_github_release *r);
/* False: another release of its tag is used instead, the published one or the oldest draft. */
bool mirror_github_is_used(struct mirror_github *s, const struct mirror_github_release *r);
/* The release of the tag; a new one is a draft. */
WARN_UNUSED int mirror_github_create(struct mirror_connection *c, const char *tag,
				     struct mirror_github_release **out, struct err *e);
/* A copy, without name and label, of the asset with this name. False: there is none. */
bool mirror_github_asset(struct mirror_github_release *r, const char *name,
			 struct github_asset *out);
/* Takes the parsed asset; the one with its id is replaced. */
void mirror_github_note_asset(struct mirror_github_release *r, struct github_asset *a);
void mirror_github_forget_asset(struct mirror_github_release *r, uint64_t id);

/* ---- github_object.c ---- */
/* The assets of an object, in order. */
struct mirror_github_object {
	struct mirror_github_release *release;
	struct github_asset *parts; /* without names and labels */
	size_t count;               /* 0: the object is not there */
	bool whole;                 /* one asset, which is not a part */
	uint64_t size;
};
void mirror_github_object_release(struct mirror_github_object *o);
/* *out has count 0 if the object is not there, or not complete. */
WARN_UNUSED int mirror_github_object(struct mirror_connection *c, const char *key,
				     struct mirror_github_object *out, struct err *e);
void mirror_github_fill_stat(const struct mirror_github_object *o, struct mirror_stat *out);
WARN_UNUSED int mirror_github_stat(struct mirror_connection *c, const char *key,
				   struct mirror_stat *out, struct err *e);
/* Reads it where the listing says that it is. */
WARN_UNUSED int mirror_github_get(struct mirror_connection *c, const struct mirror_range *r,
				  const struct mirror_sink *sink, struct err *e);

/* ---- github_asset.c: changes ---- */
/* Where an asset goes. */
struct mirror_github_target {
	struct mirror_github_release *release;
	char *name, *label; /* owned */
	const char *content_type;
	uint64_t size;
	struct digest sha256;  /* of the body, */
	atomic_bool is_hashed; /* from now on: before its end is sent, at the latest */
	bool failed;           /* a request was sent, and its answer lost */
};
void mirror_github_target_release(struct mirror_github_target *t);
/* Sends it: body has read_at, body_sent, body_ctx and body_size. Success also if GitHub has the
 * same bytes under this name already, sent by somebody else, or by us when the answer was lost.
 * ERR_CONFLICT: it has others. */
WARN_UNUSED int mirror_github_send(struct mirror_connection *c, struct mirror_github_target *t,
				   const struct http_request *body, struct err *e);
/* Does the asset have these bytes? By its digest or, without one, by reading it. */
WARN_UNUSED int mirror_github_compare(struct mirror_connection *c, const struct github_asset *a,
				      const struct digest *want, bool *same, struct err *e);
/* Removing what is not there succeeds. */
WARN_UNUSED int mirror_github_remove_asset(struct mirror_connection *c,
					   struct mirror_github_release *r, uint64_t id,
					   struct err *e);
WARN_UNUSED int mirror_github_rename_asset(struct mirror_connection *c,
					   struct mirror_github_release *r, uint64_t id,
					   const char *name, struct err *e);
WARN_UNUSED int mirror_github_remove_release(struct mirror_connection *c,
					     struct mirror_github_release *r, struct err *e);
WARN_UNUSED int mirror_github_remove(struct mirror_connection *c, const char *key, struct err *e);
/* The release takes no more assets: its tag is noted in m->closed. */
void mirror_github_note_closed(struct mirror *m, const struct mirror_github_release *r);
/* ERR_CONFLICT: the release takes no more assets. Its tag is noted in m->closed. */
int mirror_github_closed(struct mirror *m, const struct mirror_github_release *r, const char *why,
			 struct err *e);

/* ---- github_list.c ---- */
WARN_UNUSED int mirror_github_list(struct mirror_connection *c, const char *prefix,
				   mirror_entry_fn *fn, void *ctx, struct err *e);
/* Calls fn for each asset of a release that is ours, with what it is; the lock is not held. */
typedef int mirror_github_asset_fn(void *ctx, const struct github_asset *a,
				   const struct github_name *n, struct err *e);
WARN_UNUSED int mirror_github_each(struct mirror_github *s, struct mirror_github_release *r,
				   mirror_github_asset_fn *fn, void *ctx, struct err *e);

/* The same assets, with the downloads of the part that has most of them. */
WARN_UNUSED int mirror_github_downloads(struct mirror_connection *c, mirror_downloads_fn *fn,
					void *ctx, struct err *e);

/* ---- github_upload.c, github_commit.c ---- */
WARN_UNUSED int mirror_github_upload_open(struct mirror_connection *c, struct mirror_upload *u,
					  struct err *e);
WARN_UNUSED int mirror_github_upload_put(struct mirror_connection *c, struct mirror_upload *u,
					 uint32_t piece, const void *data, struct err *e);
WARN_UNUSED int mirror_github_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
					    struct mirror_stat *out, struct err *e);
WARN_UNUSED int mirror_github_upload_abandon(struct mirror_connection *c, struct mirror_upload *u,
					     struct err *e);
void mirror_github_upload_close(struct mirror_upload *u);

/* ---- github_publish.c, github_leftover.c, github_preflight.c ---- */
WARN_UNUSED int mirror_github_publish(struct mirror_connection *c,
				      const struct mirror_publication *p,
				      struct mirror_findings *out, struct err *e);
WARN_UNUSED int mirror_github_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn,
					void *ctx, struct err *e);
WARN_UNUSED int mirror_github_leftover_remove(struct mirror_connection *c,
					      const struct mirror_leftover *left, struct err *e);
WARN_UNUSED int mirror_github_preflight(struct mirror_connection *c, const struct mirror_need *need,
					struct mirror_findings *out, struct err *e);
WARN_UNUSED int mirror_github_probe(struct mirror_connection *c, struct mirror_findings *out,
				    struct err *e);
WARN_UNUSED int mirror_github_setup(struct mirror_connection *c, bool dry_run,
				    struct mirror_findings *out, struct err *e);

#endif
