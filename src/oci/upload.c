#include "http/url.h"
#include "oci/registry.h"
#include "util/mem.h"

#include <string.h>

#define DEADLINE_MS 120000
/* A registry may hash or move the whole blob before it answers: seconds, and more for each so many
 * bytes. */
#define VERIFY_S 60
#define VERIFY_BYTES_PER_S (20 * MIB)

int oci_location(const char *url, const char *value, char **out, struct err *e)
{
	CLEANUP(url_release) struct url from = { 0 }, to = { 0 };
	struct err bad = ERR_INIT;
	char *text = NULL;
	if (url_parse(url, &from, &bad) < 0 || url_resolve(url, value, &text, &bad) < 0 ||
	    url_parse(text, &to, &bad) < 0) {
		free(text);
		return err_set(e, ERR_INTEGRITY, "the registry sent an address that is no URL");
	}
	if (strcmp(from.scheme, "https") == 0 && strcmp(to.scheme, "https") != 0) {
		free(text);
		err_set(e, ERR_INTEGRITY, "the registry sent an http address for an upload");
		return err_hint(e, "a proxy in front of it must set X-Forwarded-Proto");
	}
	*out = text;
	return 0;
}

static int take_location(const char *url, const struct http_response *r, char **out, struct err *e)
{
	const char *value = http_response_header(r, "location");
	if (!value)
		return err_set(e, ERR_INTEGRITY, "the registry did not say where to upload to");
	return oci_location(url, value, out, e);
}

static int no_bytes(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)ctx, (void)offset, (void)data, (void)len, (void)e;
	return 0;
}

static int post(struct oci_registry *r, struct http_client *c, const char *url,
		struct http_response *out, struct err *e)
{
	/* 201 and 202 with a Location are no redirects. */
	struct http_request q = {
		.method = "POST", .url = url, .deadline_ms = DEADLINE_MS, .read_at = no_bytes
	};
	return oci_call(r, c, &q, out, e);
}

int oci_upload_begin(struct oci_registry *r, struct http_client *c, char **location, struct err *e)
{
	CLEANUP(http_response_release) struct http_response out = { 0 };
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/blobs/uploads/", r->place.base);
	int rc = post(r, c, url, &out, e);
	return rc < 0 ? rc : take_location(url, &out, location, e);
}

int oci_blob_mount(struct oci_registry *r, struct http_client *c, const struct digest *d,
		   const char *from, bool *mounted, char **location, struct err *e)
{
	CLEANUP(http_response_release) struct http_response out = { 0 };
	char digest[OCI_DIGEST];
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/blobs/uploads/?mount=%s&from=%s",
						     r->place.base, oci_digest_text(digest, d),
						     from);
	int rc = post(r, c, url, &out, e);
	if (rc < 0)
		return rc;
	*mounted = out.status == 201;
	return *mounted ? 0 : take_location(url, &out, location, e);
}

int oci_upload_end(struct oci_registry *r, struct http_client *c, const char *location,
		   const struct digest *d, struct http_request *q, struct err *e)
{
	static const char *const headers[] = { "Content-Type: application/octet-stream", NULL };
	char digest[OCI_DIGEST];
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s%cdigest=%s", location,
						     strchr(location, '?') ? '&' : '?',
						     oci_digest_text(digest, d));
	struct http_request put = *q;
	put.method = "PUT";
	put.url = url;
	put.headers = headers;
	put.stall_s = VERIFY_S + put.body_size / VERIFY_BYTES_PER_S;
	put.once = put.body_size; /* what was sent twice would be appended twice */
	if (!put.read_at)
		put.read_at = no_bytes;
	return oci_call(r, c, &put, NULL, e);
}

static void replace(char **location, char *by)
{
	free(*location);
	*location = by;
}

int oci_upload_chunk(struct oci_registry *r, struct http_client *c, char **location,
		     uint64_t offset, struct http_request *q, struct err *e)
{
	CLEANUP(http_response_release) struct http_response out = { 0 };
	uint64_t end = offset + q->body_size, size = 0;
	CLEANUP(mem_free_ptr) char *range = mem_printf("Content-Range: %llu-%llu",
						       (unsigned long long)offset,
						       (unsigned long long)(end - 1));
	const char *const headers[] = { range, "Content-Type: application/octet-stream", NULL };
	struct http_request patch = *q;
	patch.method = "PATCH";
	patch.url = *location;
	patch.headers = headers;
	patch.once = true; /* what was sent twice would be appended twice */
	char *next = NULL;
	int rc = oci_call(r, c, &patch, &out, e);
	if (rc == 0)
		rc = take_location(*location, &out, &next, e);
	if (rc < 0)
		return rc;
	replace(location, next);
	const char *told = http_response_header(&out, "range");
	if (!told || !oci_upload_range(told, &size) || size != end)
		return err_set(e, ERR_INTEGRITY,
			       "after %llu bytes, the registry has '%.60s' of the upload",
			       (unsigned long long)end, told ? told : "no range");
	return 0;
}

int oci_upload_size(struct oci_registry *r, struct http_client *c, char **location, uint64_t *size,
		    struct err *e)
{
	CLEANUP(http_response_release) struct http_response out = { 0 };
	struct http_request q = { .url = *location, .deadline_ms = DEADLINE_MS };
	int rc = oci_call(r, c, &q, &out, e);
	if (rc < 0)
		return rc;
	const char *told = http_response_header(&out, "range");
	if (!told || !oci_upload_range(told, size))
		return err_set(e, ERR_INTEGRITY, "the registry does not say what an upload has");
	char *next = NULL;
	struct err none = ERR_INIT;
	if (take_location(*location, &out, &next, &none) == 0)
		replace(location, next);
	return 0;
}

void oci_upload_cancel(struct oci_registry *r, struct http_client *c, const char *location)
{
	struct err ignored = ERR_INIT;
	struct http_request q = { .method = "DELETE", .url = location, .deadline_ms = DEADLINE_MS };
	(void)!oci_call(r, c, &q, NULL, &ignored);
}
