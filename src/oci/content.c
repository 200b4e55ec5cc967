#include "oci/registry.h"
#include "util/mem.h"

#include <string.h>

#define DEADLINE_MS 120000 /* of a small request */

/* -- blobs ---------------------------------------------------------------------------- */

static char *blob_url(const struct oci_registry *r, const struct digest *d)
{
	char digest[OCI_DIGEST];
	return mem_printf("%s/blobs/%s", r->place.base, oci_digest_text(digest, d));
}

static int stop(void *ctx, const struct http_response *r, struct err *e)
{
	*(bool *)ctx = r->status != 0;
	return err_set(e, ERR_CONFLICT, "stopped");
}

/* For registries that redirect HEAD to an address that is signed for GET. */
static int stat_by_get(struct oci_registry *r, struct http_client *c, const struct digest *d,
		       struct http_response *out, struct err *e)
{
	bool seen = false;
	struct err why = ERR_INIT;
	struct http_request q = { .length = 1,
				  .ignored_range = HTTP_IGNORED_RESTART,
				  .deadline_ms = DEADLINE_MS,
				  .begin = stop,
				  .ctx = &seen };
	int rc = oci_blob_get(r, c, d, &q, out, &why);
	if (rc < 0 && !seen && out->status == 416) { /* an empty one has no first byte */
		out->has_total = true;
		return 0;
	}
	if (rc < 0 && !seen) {
		*e = why;
		return rc;
	}
	return 0;
}

int oci_blob_stat(struct oci_registry *r, struct http_client *c, const struct digest *d,
		  uint64_t *size, struct err *e)
{
	CLEANUP(http_response_release) struct http_response out = { 0 };
	CLEANUP(mem_free_ptr) char *url = blob_url(r, d);
	struct http_request q = { .method = "HEAD", .url = url, .deadline_ms = DEADLINE_MS };
	struct err why = ERR_INIT;
	int rc = oci_call(r, c, &q, &out, &why);
	bool refused = rc < 0 && (out.redirects || out.status == 405);
	if (refused || (rc == 0 && !out.has_total)) {
		err_clear(&why);
		rc = stat_by_get(r, c, d, &out, &why);
	}
	if (rc == 0 && !out.has_total)
		rc = err_set(&why, ERR_USAGE, "the registry does not report the size of a blob");
	if (rc < 0) {
		*e = why;
		return rc;
	}
	*size = out.total;
	return 0;
}

int oci_blob_get(struct oci_registry *r, struct http_client *c, const struct digest *d,
		 struct http_request *q, struct http_response *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = blob_url(r, d);
	struct http_request own = { .url = url,
				    .offset = q->offset,
				    .length = q->length,
				    .deadline_ms = q->deadline_ms,
				    .cancel = q->cancel,
				    .ignored_range = q->ignored_range,
				    .into = q->into,
				    .begin = q->begin,
				    .write = q->write,
				    .ctx = q->ctx };
	return oci_call(r, c, &own, out, e);
}

static int read_memory(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)e;
	if (len)
		memcpy(data, (const char *)ctx + offset, len);
	return 0;
}

int oci_blob_put(struct oci_registry *r, struct http_client *c, const void *data, size_t len,
		 struct digest *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *location = NULL;
	struct err absent = ERR_INIT;
	uint64_t size;
	sha256_of(data, len, d);
	if (oci_blob_stat(r, c, d, &size, &absent) == 0 && size == len)
		return 0;
	struct http_request q = { .read_at = read_memory,
				  .body_ctx = (void *)data,
				  .body_size = len };
	int rc = oci_upload_begin(r, c, &location, e);
	return rc < 0 ? rc : oci_upload_end(r, c, location, d, &q, e);
}

/* -- manifests ------------------------------------------------------------------------ */

static char *manifest_url(const struct oci_registry *r, const char *ref)
{
	return mem_printf("%s/manifests/%s", r->place.base, ref);
}

int oci_manifest_get(struct oci_registry *r, struct http_client *c, const char *ref,
		     struct buf *out, struct digest *d, struct err *e)
{
	static const char *const headers[] = { OCI_ACCEPT, NULL };
	CLEANUP(http_response_release) struct http_response answer = { 0 };
	CLEANUP(mem_free_ptr) char *url = manifest_url(r, ref);
	struct http_request q = {
		.url = url, .headers = headers, .deadline_ms = DEADLINE_MS, .into = out
	};
	int rc = oci_call(r, c, &q, &answer, e);
	if (rc == 0 && answer.html)
		rc = http_fault_page(&answer, e);
	if (rc == 0)
		sha256_of(buf_str(out), out->len, d);
	return rc;
}

int oci_manifest_head(struct oci_registry *r, struct http_client *c, const char *ref,
		      struct digest *d, struct err *e)
{
	static const char *const headers[] = { OCI_ACCEPT, NULL };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(OCI_MANIFEST_MAX);
	CLEANUP(http_response_release) struct http_response out = { 0 };
	CLEANUP(mem_free_ptr) char *url = manifest_url(r, ref);
	struct http_request q = {
		.method = "HEAD", .url = url, .headers = headers, .deadline_ms = DEADLINE_MS
	};
	int rc = oci_call(r, c, &q, &out, e);
	const char *told = http_response_header(&out, "docker-content-digest");
	if (rc < 0 || (told && oci_digest_parse(told, d)))
		return rc;
	return oci_manifest_get(r, c, ref, &bytes, d, e);
}

int oci_manifest_put(struct oci_registry *r, struct http_client *c, const char *ref,
		     const char *type, const struct buf *bytes, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = manifest_url(r, ref);
	CLEANUP(mem_free_ptr) char *line = mem_printf("Content-Type: %s", type);
	const char *const headers[] = { line, NULL };
	struct http_request q = { .method = "PUT",
				  .url = url,
				  .headers = headers,
				  .deadline_ms = DEADLINE_MS,
				  .read_at = read_memory,
				  .body_ctx = bytes->data,
				  .body_size = bytes->len };
	return oci_call(r, c, &q, NULL, e);
}

/* -- tags ----------------------------------------------------------------------------- */

static int take_page(const struct buf *body, struct str_list *out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = 8 * MIB };
	CLEANUP(json_release) json_t *root = NULL;
	json_t *tags = NULL;
	int rc = json_parse(buf_str(body), body->len, &limits, "the list of tags", &root, e);
	if (rc == 0)
		rc = json_opt_array(root, "", "tags", OCI_TAGS, &tags, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));
		if (tag && oci_tag_is_valid(tag))
			str_list_add(out, tag);
	}
	if (rc == 0 && out->count > OCI_TAGS)
		rc = err_set(e, ERR_INTEGRITY, "there are more than %d tags", OCI_TAGS);
	return rc;
}

/* RFC 8288: <URL>; rel="next". NULL: this was the last page. */
static int next_page(const struct http_response *r, const char *url, char **out, struct err *e)
{
	const char *link = http_response_header(r, "link");
	const char *end = link && *link == '<' ? strchr(link, '>') : NULL;
	*out = NULL;
	if (!end || !strstr(end, "next"))
		return 0;
	CLEANUP(mem_free_ptr) char *to = mem_strndup(link + 1, (size_t)(end - link - 1));
	int rc = oci_location(url, to, out, e);
	if (rc == 0 && strcmp(*out, url) == 0) {
		mem_free_ptr(out);
		rc = err_set(e, ERR_INTEGRITY, "the list of tags leads to the same page again");
	}
	return rc;
}

int oci_tags(struct oci_registry *r, struct http_client *c, struct str_list *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/tags/list?n=1000", r->place.base);
	int rc = 0;
	while (rc == 0 && url) {
		CLEANUP(buf_release) struct buf body = BUF_INIT(8 * MIB);
		CLEANUP(http_response_release) struct http_response answer = { 0 };
		struct err why = ERR_INIT;
		char *next = NULL;
		struct http_request q = { .url = url, .deadline_ms = DEADLINE_MS, .into = &body };
		rc = oci_call(r, c, &q, &answer, &why);
		if (rc == -ERR_NOT_FOUND && !out->count)
			return 0;
		size_t before = out->count;
		if (rc == 0)
			rc = take_page(&body, out, &why);
		/* A page without tags is the last one, whatever it says. */
		if (rc == 0 && out->count > before)
			rc = next_page(&answer, url, &next, &why);
		if (rc < 0)
			*e = why;
		free(url);
		url = next;
	}
	return rc;
}
