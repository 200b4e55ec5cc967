/*
 * Manifests of a registry: the OCI one and Docker's version 2, schema 2.
 * https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md
 */
#ifndef FERRY_OCI_MANIFEST_H
#define FERRY_OCI_MANIFEST_H

#include "hash/sha256.h"
#include "json/json.h"

#define OCI_MANIFEST_MAX \
	(4 * MIB) /* what registries take: distribution-spec, Pushing Manifests \
		   */
#define OCI_MANIFEST_LAYERS 16384

#define OCI_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_TYPE_DOCKER "application/vnd.docker.distribution.manifest.v2+json"
#define OCI_TYPE_EMPTY "application/vnd.oci.empty.v1+json"
#define OCI_ACCEPT "Accept: " OCI_TYPE_MANIFEST ", " OCI_TYPE_DOCKER

#define OCI_TITLE "org.opencontainers.image.title"
/* Our own annotation of a layer: since when it is what it is. */
#define OCI_TIME "model-ferry.time"

/* A blob and what it is. */
struct oci_layer {
	char *type;
	struct digest digest;
	uint64_t size;
	char *title;    /* the annotation OCI_TITLE, or NULL */
	char *path;     /* "org.cncf.model.filepath", or NULL */
	int64_t time_s; /* of OCI_TIME, or 0 */
};

struct oci_manifest {
	char *type;          /* OCI_TYPE_MANIFEST or OCI_TYPE_DOCKER */
	char *artifact_type; /* or NULL */
	struct oci_layer config;
	struct oci_layer *layers;
	size_t count, cap;
	json_t *annotations; /* an object, or NULL */
};
void oci_manifest_release(struct oci_manifest *m);

/* Copies what it is given; title and path may be NULL. */
void oci_manifest_set_config(struct oci_manifest *m, const char *type, const struct digest *d,
			     uint64_t size);
void oci_manifest_add(struct oci_manifest *m, const char *type, const struct digest *d,
		      uint64_t size, const char *title, const char *path);
void oci_manifest_annotate(struct oci_manifest *m, const char *key, const char *value);
/* Removes the layer with this title; false: there is none. Another layer has to be left, else the
 * empty blob (OCI_TYPE_EMPTY, that of the config) takes its place. */
bool oci_manifest_remove(struct oci_manifest *m, const char *title);
/* The layer with this title; NULL: there is none. */
const struct oci_layer *oci_manifest_find(const struct oci_manifest *m, const char *title);

/* Appends the JSON to out. ERR_USAGE when it is larger than OCI_MANIFEST_MAX. */
WARN_UNUSED int oci_manifest_write(const struct oci_manifest *m, struct buf *out, struct err *e);
/* ERR_INTEGRITY for what is no such manifest: an index, a list, schema 1, a digest that is not
 * SHA-256, a title that occurs twice. */
WARN_UNUSED int oci_manifest_parse(const void *data, size_t len, const char *what,
				   struct oci_manifest *out, struct err *e);

#endif
