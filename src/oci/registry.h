/*
 * registry: requests to one repository of a registry. Nothing here knows of mirrors or models.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
 *
 * What always holds here:
 *  - a request is authorised as the registry asks (auth.h), and sent again when a token has expired
 *    or was revoked;
 *  - Authorization goes to the registry only, never to where it redirects. Redirects are signed
 *    and expire: each request asks the registry anew, and once more if the address was refused;
 *  - nothing else is retried: callers do that.
 *
 * Error classes, by the "code" of the answer, else by its status (http/http.h): UNAUTHORIZED and
 * DENIED ERR_AUTH · what is UNKNOWN ERR_NOT_FOUND · DIGEST_INVALID and SIZE_INVALID ERR_INTEGRITY ·
 * TOOMANYREQUESTS ERR_NETWORK · UNSUPPORTED ERR_USAGE.
 */
#ifndef FERRY_OCI_REGISTRY_H
#define FERRY_OCI_REGISTRY_H

#include "http/http.h"
#include "oci/auth.h"
#include "oci/manifest.h"
#include "oci/reference.h"

#include <stdatomic.h>

/* Shared by all threads. */
struct oci_registry {
	struct oci_reference place;
	struct oci_auth *auth;
	atomic_ullong *requests; /* borrowed; counts those that were sent. NULL: nobody does */
};
/* Takes the reference. */
void oci_registry_open(struct oci_registry *r, struct oci_reference *place,
		       const struct oci_auth_options *o, atomic_ullong *requests);
void oci_registry_close(struct oci_registry *r);

/* Performs q, whose `what` and `error_body` are set here; *out as in http_perform(), or NULL. */
WARN_UNUSED int oci_call(struct oci_registry *r, struct http_client *c, struct http_request *q,
			 struct http_response *out, struct err *e);
/* GET /v2/: is it a registry? ERR_USAGE if not. */
WARN_UNUSED int oci_ping(struct oci_registry *r, struct http_client *c, struct http_response *out,
			 struct err *e);

/* -- blobs (content.c) --------------------------------------------------------------- */

WARN_UNUSED int oci_blob_stat(struct oci_registry *r, struct http_client *c, const struct digest *d,
			      uint64_t *size, struct err *e);
/* q: offset, length, deadline_ms, begin, write, into, ctx and ignored_range are used. A range is
 * one closed range. */
WARN_UNUSED int oci_blob_get(struct oci_registry *r, struct http_client *c, const struct digest *d,
			     struct http_request *q, struct http_response *out, struct err *e);
/* The blob from another repository of the registry. *mounted: it is there now; else *location is
 * that of an upload, if the registry opened one: the caller frees it. */
WARN_UNUSED int oci_blob_mount(struct oci_registry *r, struct http_client *c,
			       const struct digest *d, const char *from, bool *mounted,
			       char **location, struct err *e);
/* A small blob, unless it is there. */
WARN_UNUSED int oci_blob_put(struct oci_registry *r, struct http_client *c, const void *data,
			     size_t len, struct digest *d, struct err *e);

/* -- uploads (upload.c) -------------------------------------------------------------- */

/* *location: the URL of the upload; the caller frees it. */
WARN_UNUSED int oci_upload_begin(struct oci_registry *r, struct http_client *c, char **location,
				 struct err *e);
/* All of it, or what chunks have not sent: q has the body; read_at NULL: there is none left. */
WARN_UNUSED int oci_upload_end(struct oci_registry *r, struct http_client *c, const char *location,
			       const struct digest *d, struct http_request *q, struct err *e);
/* The bytes from `offset` on, q has them as its body. *location is replaced by that for the next
 * request. ERR_INTEGRITY when the registry then has another number of bytes. */
WARN_UNUSED int oci_upload_chunk(struct oci_registry *r, struct http_client *c, char **location,
				 uint64_t offset, struct http_request *q, struct err *e);
/* How many bytes it has. A registry that does not know the upload any more gives ERR_NOT_FOUND. */
WARN_UNUSED int oci_upload_size(struct oci_registry *r, struct http_client *c, char **location,
				uint64_t *size, struct err *e);
/* Ends it, as far as the registry can; errors do not matter. */
void oci_upload_cancel(struct oci_registry *r, struct http_client *c, const char *location);

/* -- manifests and tags (content.c) ---------------------------------------------------- */

/* By tag or digest, any type of OCI_ACCEPT. Appends to out; *d is that of its bytes. */
WARN_UNUSED int oci_manifest_get(struct oci_registry *r, struct http_client *c, const char *ref,
				 struct buf *out, struct digest *d, struct err *e);
/* The digest that the tag points at, or of that manifest, without its bytes if the registry
 * tells it. */
WARN_UNUSED int oci_manifest_head(struct oci_registry *r, struct http_client *c, const char *ref,
				  struct digest *d, struct err *e);
WARN_UNUSED int oci_manifest_put(struct oci_registry *r, struct http_client *c, const char *ref,
				 const char *type, const struct buf *bytes, struct err *e);
/* All tags; a repository that does not exist has none. At most OCI_TAGS. */
#define OCI_TAGS 100000
WARN_UNUSED int oci_tags(struct oci_registry *r, struct http_client *c, struct str_list *out,
			 struct err *e);

/* The URL that a Location or Link header of the answer from `url` means; the caller frees it.
 * ERR_INTEGRITY when it is none, or leads from https to http. */
WARN_UNUSED int oci_location(const char *url, const char *value, char **out, struct err *e);

#endif
