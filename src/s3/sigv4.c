#include "s3/sigv4.h"

#include "hash/sha256.h"
#include "util/mem.h"
#include "util/text.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_TEXT (256 * KIB)
#define ALGORITHM "AWS4-HMAC-SHA256"

const char *sigv4_date(char out[SIGV4_DATE], int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;
	gmtime_r(&t, &tm);
	if (!strftime(out, SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm))
		out[0] = '\0';
	return out;
}

/* -- encoding -------------------------------------------------------------------- */

static void add_encoded(struct buf *out, const char *s, bool keep_slash)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (; *s; s++) {
		if (strchr(plain, *s) || (keep_slash && *s == '/'))
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

void sigv4_path(struct buf *out, const char *key)
{
	add_encoded(out, key, true);
}

/* The order is that of the encoded names, then of the encoded values: "name=value" would sort "a=1"
 * behind "a-b=1", since '-' is before '='; so a byte that is smaller than both ends the name. */
void sigv4_query(struct buf *out, const struct sigv4_pair *query, size_t count)
{
	struct str_list all = { 0 };
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_release) struct buf b = BUF_INIT(MAX_TEXT);
		add_encoded(&b, query[i].name, false);
		buf_addc(&b, '\1');
		add_encoded(&b, query[i].value ? query[i].value : "", false);
		str_list_add(&all, buf_str(&b));
	}
	if (count)
		qsort(all.at, all.count, sizeof *all.at, str_compare);
	for (size_t i = 0; i < count; i++) {
		*strchr(all.at[i], '\1') = '=';
		buf_addf(out, "%s%s", i ? "&" : "", all.at[i]);
	}
	str_list_release(&all);
}

/* -- the canonical request -------------------------------------------------------- */

/* Removes blanks around the value, and reduces runs of blanks within it to one. */
static void add_trimmed(struct buf *out, const char *value)
{
	bool blank = false, any = false;
	for (; *value; value++) {
		if (*value == ' ' || *value == '\t') {
			blank = any;
			continue;
		}
		if (blank)
			buf_addc(out, ' ');
		buf_addc(out, *value);
		blank = false;
		any = true;
	}
}

static int compare_names(const void *a, const void *b)
{
	const struct sigv4_pair *const *x = a, *const *y = b;
	int by_name = strcmp((*x)->name, (*y)->name);
	/* Headers of one name keep their order: they are in one array. */
	return by_name ? by_name : *x < *y ? -1 : *x > *y;
}

/* Header lines, those of one name joined by commas; and the list of names. */
static void add_headers(struct buf *lines, struct buf *names, const struct sigv4_request *r)
{
	CLEANUP(mem_free_ptr) const struct sigv4_pair **sorted =
		mem_alloc((r->header_count + 1) * sizeof *sorted);
	for (size_t i = 0; i < r->header_count; i++)
		sorted[i] = &r->headers[i];
	qsort(sorted, r->header_count, sizeof *sorted, compare_names);
	for (size_t i = 0; i < r->header_count; i++) {
		const struct sigv4_pair *h = sorted[i];
		bool same = i && strcmp(sorted[i - 1]->name, h->name) == 0;
		if (same)
			buf_addc(lines, ',');
		else
			buf_addf(lines, "%s%s:", i ? "\n" : "", h->name);
		add_trimmed(lines, h->value ? h->value : "");
		if (!same)
			buf_addf(names, "%s%s", i ? ";" : "", h->name);
	}
	buf_addc(lines, '\n');
}

struct canonical {
	struct buf headers, names; /* "host:example.com\n…", "host;…" */
};

static void canonical_release(struct canonical *c)
{
	buf_release(&c->headers);
	buf_release(&c->names);
}

#define CANONICAL_INIT BRACES(BUF_INIT(MAX_TEXT), BUF_INIT(MAX_TEXT))

static void hash_request(struct digest *out, const struct sigv4_request *r, const char *query,
			 const struct canonical *c)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_TEXT);
	buf_addf(&text, "%s\n%s\n%s\n%s\n%s\n%s", r->method, r->path, query, buf_str(&c->headers),
		 buf_str(&c->names), r->payload);
	sha256_of(text.data, text.len, out);
}

/* -- the signature ---------------------------------------------------------------- */

static void hmac(const void *key, size_t key_len, const char *text, uint8_t out[DIGEST_SIZE])
{
	unsigned len = DIGEST_SIZE;
	if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out,
		  &len))
		abort(); /* a broken installation of OpenSSL */
}

/* "20150830/us-east-1/s3/aws4_request" */
static void add_scope(struct buf *out, const struct sigv4_scope *s, const char *date)
{
	buf_addf(out, "%.8s/%s/%s/aws4_request", date, s->region, s->service);
}

/* The key for one day, region and service. */
static void signing_key(struct digest *out, const struct sigv4_scope *s, const char *date,
			const char *secret)
{
	CLEANUP(buf_wipe) struct buf first = BUF_INIT(MAX_TEXT);
	char day[9];
	snprintf(day, sizeof day, "%.8s", date);
	buf_addf(&first, "AWS4%s", secret);
	hmac(first.data, first.len, day, out->bytes);
	hmac(out->bytes, DIGEST_SIZE, s->region, out->bytes);
	hmac(out->bytes, DIGEST_SIZE, s->service, out->bytes);
	hmac(out->bytes, DIGEST_SIZE, "aws4_request", out->bytes);
}

static void signature(char hex[DIGEST_HEX], const struct digest *request,
		      const struct sigv4_scope *s, const struct sigv4_keys *keys)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_TEXT);
	char date[SIGV4_DATE];
	struct digest key, signed_text;
	buf_addf(&text, ALGORITHM "\n%s\n", sigv4_date(date, s->now_s));
	add_scope(&text, s, date);
	buf_addf(&text, "\n%s", digest_hex(hex, request));
	signing_key(&key, s, date, keys->secret);
	hmac(key.bytes, DIGEST_SIZE, buf_str(&text), signed_text.bytes);
	mem_wipe(&key, sizeof key);
	digest_hex(hex, &signed_text);
}

void sigv4_sign(struct buf *out, const struct sigv4_request *r, const struct sigv4_scope *scope,
		const struct sigv4_keys *keys)
{
	CLEANUP(buf_release) struct buf query = BUF_INIT(MAX_TEXT);
	CLEANUP(canonical_release) struct canonical c = CANONICAL_INIT;
	char hex[DIGEST_HEX], date[SIGV4_DATE];
	struct digest request;
	add_headers(&c.headers, &c.names, r);
	sigv4_query(&query, r->query, r->query_count);
	hash_request(&request, r, buf_str(&query), &c);
	signature(hex, &request, scope, keys);
	buf_addf(out, ALGORITHM " Credential=%s/", keys->id);
	add_scope(out, scope, sigv4_date(date, scope->now_s));
	buf_addf(out, ", SignedHeaders=%s, Signature=%s", buf_str(&c.names), hex);
}

/* The request's own query, and who signed it, when, and for how long. */
static void presigned_query(struct buf *out, const struct sigv4_request *r,
			    const struct sigv4_scope *scope, const struct sigv4_keys *keys,
			    uint64_t expires_s, const char *names)
{
	CLEANUP(buf_release) struct buf credential = BUF_INIT(MAX_TEXT);
	CLEANUP(mem_free_ptr) struct sigv4_pair *all =
		mem_alloc((r->query_count + 6) * sizeof *all);
	char date[SIGV4_DATE], seconds[24];
	size_t n = 0;
	buf_addf(&credential, "%s/", keys->id);
	add_scope(&credential, scope, sigv4_date(date, scope->now_s));
	snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)expires_s);
	while (n < r->query_count) {
		all[n] = r->query[n];
		n++;
	}
	all[n++] = (struct sigv4_pair){ "X-Amz-Algorithm", ALGORITHM };
	all[n++] = (struct sigv4_pair){ "X-Amz-Credential", buf_str(&credential) };
	all[n++] = (struct sigv4_pair){ "X-Amz-Date", date };
	all[n++] = (struct sigv4_pair){ "X-Amz-Expires", seconds };
	all[n++] = (struct sigv4_pair){ "X-Amz-SignedHeaders", names };
	if (keys->token)
		all[n++] = (struct sigv4_pair){ "X-Amz-Security-Token", keys->token };
	sigv4_query(out, all, n);
}

void sigv4_presign(struct buf *out, const struct sigv4_request *r, const struct sigv4_scope *scope,
		   const struct sigv4_keys *keys, uint64_t expires_s)
{
	CLEANUP(buf_release) struct buf query = BUF_INIT(MAX_TEXT);
	CLEANUP(canonical_release) struct canonical c = CANONICAL_INIT;
	char hex[DIGEST_HEX];
	struct digest request;
	add_headers(&c.headers, &c.names, r);
	presigned_query(&query, r, scope, keys, expires_s, buf_str(&c.names));
	hash_request(&request, r, buf_str(&query), &c);
	signature(hex, &request, scope, keys);
	buf_addf(out, "%s&X-Amz-Signature=%s", buf_str(&query), hex);
}
