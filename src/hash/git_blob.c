#include "hash/git_blob.h"

#include "util/file.h"
#include "util/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (256 * KIB)

static void must(int ok)
{
	if (ok != 1)
		abort();
}

static EVP_MD_CTX *begin(uint64_t size)
{
	char head[32];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	must(ctx != NULL);
	must(EVP_DigestInit_ex(ctx, EVP_sha1(), NULL));
	int len = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
	must(EVP_DigestUpdate(ctx, head, (size_t)len + 1));
	return ctx;
}

static int add_file(EVP_MD_CTX *ctx, int fd, uint64_t size, const char *path,
		    const struct cancel *cancel, struct err *e)
{
	CLEANUP(mem_free_ptr) char *data = mem_alloc(PIECE);
	int rc = 0;
	for (uint64_t at = 0; rc == 0 && at < size; at += PIECE) {
		size_t len = (size_t)MIN(size - at, (uint64_t)PIECE);
		rc = cancel_check(cancel, e);
		if (rc == 0)
			rc = file_pread(fd, data, len, at, path, e);
		if (rc == 0)
			must(EVP_DigestUpdate(ctx, data, len));
	}
	return rc;
}

int git_blob_of_file(const char *path, const struct cancel *cancel, uint8_t out[GIT_BLOB_SIZE],
		     struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	int rc = file_open_regular(path, &fd, &size, e);
	if (rc < 0)
		return rc;
	EVP_MD_CTX *ctx = begin(size);
	rc = add_file(ctx, fd, size, path, cancel, e);
	if (rc == 0)
		must(EVP_DigestFinal_ex(ctx, out, NULL));
	EVP_MD_CTX_free(ctx);
	return rc;
}

void git_blob_of(const void *data, size_t len, uint8_t out[GIT_BLOB_SIZE])
{
	EVP_MD_CTX *ctx = begin(len);
	must(EVP_DigestUpdate(ctx, data, len));
	must(EVP_DigestFinal_ex(ctx, out, NULL));
	EVP_MD_CTX_free(ctx);
}
