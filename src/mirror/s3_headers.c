#include "mirror/s3_upload.h"

#include "util/base64.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void mirror_s3_headers_release(struct mirror_s3_headers *h)
{
	free(h->disposition);
	free(h->etag);
	free(h->checksum);
}

void mirror_s3_add(struct mirror_s3_headers *h, const char *name, const char *value)
{
	h->at[h->count++] = (struct sigv4_pair){ name, value };
}

char *mirror_s3_base64(const struct digest *d)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	base64_add(&b, d->bytes, sizeof d->bytes);
	return buf_steal(&b);
}

/* The name that a browser saves it under: without the digest that consistent snapshots put in
 * front. */
static char *disposition_of(const char *key)
{
	const char *base = path_base(key);
	uint8_t raw[DIGEST_SIZE];
	CLEANUP(mem_free_ptr) char *hex = mem_strndup(base, MIN(strlen(base), 64));
	if (strlen(base) < 66 || base[64] != '.' || !hex_decode(raw, sizeof raw, hex, false))
		return NULL;
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(base + 65, "");
	return mem_printf("attachment; filename*=UTF-8''%s", encoded);
}

/* https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
void mirror_s3_describe(struct mirror_s3_headers *h, const struct mirror_upload *u)
{
	const struct mirror_s3 *s = u->mirror->state;
	const struct mirror_put *how = &u->how;
	h->disposition = how->immutable ? disposition_of(u->key) : NULL;
	mirror_s3_add(h, "content-type",
		      how->content_type ? how->content_type : "application/octet-stream");
	mirror_s3_add(h, "cache-control",
		      how->immutable ? "public, max-age=31536000, immutable"
				     : "public, max-age=60");
	if (h->disposition)
		mirror_s3_add(h, "content-disposition", h->disposition);
	mirror_s3_add(h, MIRROR_S3_META_SHA256, digest_hex(h->hex, &how->sha256));
	if (s->storage_class)
		mirror_s3_add(h, "x-amz-storage-class", s->storage_class);
}

void mirror_s3_add_conditions(struct mirror_s3_headers *h, const struct mirror_upload *u)
{
	const struct mirror_put *how = &u->how;
	bool plain = mirror_s3_has(u->mirror, S3_PLAIN_ETAG);
	if (how->only_if_absent)
		mirror_s3_add(h, "if-none-match", "*");
	if (!how->only_if_etag)
		return;
	h->etag = mem_printf(plain ? "%s" : "\"%s\"", how->only_if_etag);
	mirror_s3_add(h, "if-match", h->etag);
}

void mirror_s3_add_checksum(struct mirror_s3_headers *h, const struct mirror_upload *u,
			    const struct digest *d)
{
	if (!mirror_s3_has(u->mirror, S3_CHECKSUMS))
		return;
	h->checksum = mirror_s3_base64(d);
	mirror_s3_add(h, "x-amz-checksum-sha256", h->checksum);
}

int mirror_s3_check_echo(const struct mirror_s3_headers *h, const struct http_response *r,
			 struct err *e)
{
	const char *echo = http_response_header(r, "x-amz-checksum-sha256");
	if (h->checksum && echo && strcmp(echo, h->checksum) != 0)
		return err_set(e, ERR_INTEGRITY,
			       "the server stored other bytes than those that were sent");
	return 0;
}

void mirror_s3_on_sent(void *ctx, int64_t bytes)
{
	struct mirror_s3_progress *p = ctx;
	p->sent += bytes;
	mirror_upload_advance(p->u, bytes);
}
