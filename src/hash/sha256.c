#include "hash/sha256.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/report.h"
#include "util/text.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

struct sha256 {
	EVP_MD_CTX *ctx;
};

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

const char *digest_hex(char out[DIGEST_HEX], const struct digest *d)
{
	hex_encode(out, d->bytes, DIGEST_SIZE);
	return out;
}

bool digest_parse(struct digest *out, const char *hex)
{
	return hex_decode(out->bytes, DIGEST_SIZE, hex, true);
}

static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct sha256 *sha256_new(void)
{
	struct sha256 *s = NEW(struct sha256);
	s->ctx = EVP_MD_CTX_new();
	must(s->ctx != NULL);
	must(EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL));
	return s;
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	must(EVP_DigestUpdate(s->ctx, data, len));
}

void sha256_final(struct sha256 *s, struct digest *out)
{
	must(EVP_DigestFinal_ex(s->ctx, out->bytes, NULL));
	sha256_reset(s);
}

void sha256_reset(struct sha256 *s)
{
	must(EVP_DigestInit_ex(s->ctx, NULL, NULL));
}

void sha256_of(const void *data, size_t len, struct digest *out)
{
	CLEANUP_PTR(sha256_free) struct sha256 *s = sha256_new();
	sha256_add(s, data, len);
	sha256_final(s, out);
}

/* From where it is, to its end. */
static int hash_rest(int fd, const char *path, size_t room, struct report *report, const char *task,
		     const struct cancel *cancel, struct digest *out, uint64_t *size, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *s = sha256_new();
	CLEANUP(mem_free_ptr) char *data = mem_alloc(room);
	uint64_t total = 0;
	int rc;
	while ((rc = cancel_check(cancel, e)) == 0) {
		ssize_t n = read(fd, data, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", path);
		if (n == 0) {
			sha256_final(s, out);
			*size = total;
			return 0;
		}
		sha256_add(s, data, (size_t)n);
		report_advance(report, task, n);
		total += (uint64_t)n;
	}
	return rc;
}

int sha256_of_task(const char *path, struct report *report, const char *task,
		   const struct cancel *cancel, struct digest *out, uint64_t *size, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_regular(path, &fd, size, e);
	if (rc == -ERR_USAGE)
		rc = err_class_set(e, ERR_INTEGRITY);
	if (rc < 0)
		return rc;
	/* One byte more than the file has: then the second read finds its end. */
	size_t room = (size_t)MIN(*size + 1, (uint64_t)MIB);
	report_begin(report, task, *size, 0);
	rc = hash_rest(fd, path, room, report, task, cancel, out, size, e);
	report_end(report, task, rc == 0);
	return rc;
}

int sha256_of_file(const char *path, const struct cancel *cancel, struct digest *out,
		   uint64_t *size, struct err *e)
{
	return sha256_of_task(path, NULL, path, cancel, out, size, e);
}

bool sha256_file_is(const char *path, const struct digest *want)
{
	struct err unread = ERR_INIT;
	struct digest have;
	uint64_t size;
	return sha256_of_file(path, NULL, &have, &size, &unread) == 0 && digest_equal(&have, want);
}
