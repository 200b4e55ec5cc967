/*
 * Shared by the files of kind oci alone: oci_read.c reads, and is all that clients have; oci.c has
 * the settings and writes with oci_upload.c; oci_index.c keeps the names of what is no blob of its
 * own; oci_publish.c and oci_formats.c write the manifests and tags; oci_old.c keeps what left the
 * releases; oci_check.c checks.
 *
 * How a repository lies in a registry:
 *
 *   key with a SHA-256 in its file name   the blob of this digest
 *   every other key                       a layer of the artifact `ferry-metadata`, whose title is
 *                                         the key; written in one go by publish()
 *   ferry-model-ID                        an artifact for each model: its card, its manifests and
 *                                         its files, so that the registry keeps their blobs
 *   ferry-old-ID                          an artifact with files of the model that left the
 *                                         releases, until they are pruned
 *   ID-VARIANT…                           manifests for other programs (oci/tag.h)
 *
 * A registry verifies the digest of each blob, so stat reports it.
 */
#ifndef FERRY_MIRROR_OCI_H
#define FERRY_MIRROR_OCI_H

#include "mirror/mirror.h"
#include "oci/registry.h"

enum mirror_oci_trait {
	OCI_PROBED = 1 << 0,
	OCI_CHUNKS = 1 << 1, /* takes an upload in chunks, and continues it */
};

enum mirror_oci_format {
	OCI_FORMAT_DOCKER = 1 << 0,
	OCI_FORMAT_MODELPACK = 1 << 1,
	OCI_FORMAT_OLLAMA = 1 << 2,
};

/* The name of a blob. */
struct mirror_oci_name {
	char *key;
	bool removed;
	struct digest digest;
	uint64_t size;
	int64_t time_s; /* when it was written, or left the release; 0: not known */
};

/* An upload in chunks that was closed before its commit: the next one of the same blob, in this
 * process, continues it. */
struct mirror_oci_session {
	struct digest digest;
	char *location;
	struct mirror_oci_session *next;
};

struct mirror_oci {
	struct oci_registry registry;
	struct http_options http;
	struct str_list mount_from; /* other repositories of the registry */
	unsigned formats;           /* enum mirror_oci_format */
	atomic_uint traits;         /* enum mirror_oci_trait */

	pthread_mutex_t lock; /* of what follows */
	bool loaded;
	struct oci_manifest index; /* `ferry-metadata`, as it was read last */
	bool has_base;             /* it was there when it was read first, or we wrote it: */
	struct digest base;        /* when it is another one before it is written, somebody else
				      has written it */
	struct mirror_oci_name *staged; /* what the index does not have yet */
	size_t staged_count, staged_cap;
	struct mirror_oci_session *sessions;
};

/* The parts that both halves have. place: "HOST/NAME" or its URL; also: repositories to mount
 * from, or NULL. */
WARN_UNUSED int mirror_oci_open(struct mirror *m, const char *place, const struct str_list *also,
				bool write, struct err *e);
void mirror_oci_close(struct mirror *m);
WARN_UNUSED int mirror_oci_connect(struct mirror_connection *c, struct err *e);
void mirror_oci_disconnect(struct mirror_connection *c);
bool mirror_oci_has_credentials(const struct mirror *m);
WARN_UNUSED int mirror_oci_stat(struct mirror_connection *c, const char *key,
				struct mirror_stat *out, struct err *e);
WARN_UNUSED int mirror_oci_get(struct mirror_connection *c, const struct mirror_range *r,
			       const struct mirror_sink *sink, struct err *e);
WARN_UNUSED int mirror_oci_probe_read(struct mirror_connection *c, struct mirror_findings *out,
				      struct err *e);
/* What stat reports of such a blob. */
void mirror_oci_describe(struct mirror_stat *out, const struct digest *d, uint64_t size);

/* -- oci_index.c: the names ----------------------------------------------------------- */

/* Does the name stand for itself? Then *d is that of its blob. */
bool mirror_oci_is_blob(const char *key, struct digest *d);
/* The blob of a name that is in the index, or staged. ERR_NOT_FOUND. */
WARN_UNUSED int mirror_oci_find(struct mirror_connection *c, const char *key, struct digest *d,
				uint64_t *size, struct err *e);
/* Sets the name, or removes it (d NULL); readers see it after publish. */
void mirror_oci_stage(struct mirror_oci *s, const char *key, const struct digest *d, uint64_t size);
/* All names, sorted, as they will be published. */
WARN_UNUSED int mirror_oci_names(struct mirror_connection *c, struct mirror_oci_name **out,
				 size_t *count, struct err *e);
void mirror_oci_names_free(struct mirror_oci_name *names, size_t count);
/* Writes the index with what is staged, and with `more`, reads it back. *changed: it is another
 * one. ERR_CONFLICT when another publisher has written. version: of the release; 0: unchanged. */
WARN_UNUSED int mirror_oci_index_write(struct mirror_connection *c,
				       const struct mirror_oci_name *more, size_t count,
				       uint64_t version, bool *changed, struct err *e);

/* -- oci_old.c: what left the releases --------------------------------------------------- */

/* The artifact of the tag; empty when there is none, or something else. */
WARN_UNUSED int mirror_oci_artifact(struct mirror_connection *c, const char *tag,
				    struct oci_manifest *out, struct err *e);
/* Adds the model's objects of `was` that are neither in m nor in `without` (or NULL), with this
 * time. How many they were. */
size_t mirror_oci_keep(struct oci_manifest *m, const struct oci_manifest *was,
		       const struct oci_manifest *without, const char *id, int64_t time_s);
/* Writes those that are in `was`, but not in `now`, into ferry-old-ID, if there are any. */
WARN_UNUSED int mirror_oci_keep_old(struct mirror_connection *c, const char *id,
				    const struct oci_manifest *was, const struct oci_manifest *now,
				    struct err *e);

/* -- writing --------------------------------------------------------------------------- */

WARN_UNUSED int mirror_oci_upload_open(struct mirror_connection *c, struct mirror_upload *u,
				       struct err *e);
WARN_UNUSED int mirror_oci_upload_put(struct mirror_connection *c, struct mirror_upload *u,
				      uint32_t piece, const void *data, struct err *e);
WARN_UNUSED int mirror_oci_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
					 struct mirror_stat *out, struct err *e);
void mirror_oci_upload_close(struct mirror_upload *u);
WARN_UNUSED int mirror_oci_upload_abandon(struct mirror_connection *c, struct mirror_upload *u,
					  struct err *e);
WARN_UNUSED int mirror_oci_publish(struct mirror_connection *c, const struct mirror_publication *p,
				   struct mirror_findings *out, struct err *e);
WARN_UNUSED int mirror_oci_preflight(struct mirror_connection *c, const struct mirror_need *need,
				     struct mirror_findings *out, struct err *e);
WARN_UNUSED int mirror_oci_probe(struct mirror_connection *c, struct mirror_findings *out,
				 struct err *e);
void mirror_oci_load_traits(struct mirror *m);

#define MIRROR_OCI_EMPTY "{}" /* the config of artifacts that have none: OCI_TYPE_EMPTY */
#define MIRROR_OCI_TYPE "application/vnd.model-ferry"

#endif
