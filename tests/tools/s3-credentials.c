/*
 * Which access keys the credentials of S3 give, for tests:
 *   s3-credentials [--profile NAME]
 * Prints them as JSON, the secrets only as their SHA-256; or the error, with its class as the exit
 * code.
 */
#include "hash/sha256.h"
#include "json/json.h"
#include "s3/credentials.h"

#include <stdio.h>
#include <string.h>

static void put_hash(json_t *out, const char *key, const char *secret)
{
	struct digest d;
	if (!secret)
		return;
	sha256_of(secret, strlen(secret), &d);
	json_put_hex(out, key, d.bytes, sizeof d.bytes);
}

static int print(struct s3_credentials *c, struct err *e)
{
	CLEANUP(s3_keys_release) struct s3_keys keys = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	CLEANUP(json_release) json_t *out = json_object();
	int rc = s3_credentials_get(c, &keys, e);
	if (rc < 0)
		return rc;
	json_put_string(out, "id", keys.id);
	put_hash(out, "secret_sha256", keys.secret);
	put_hash(out, "token_sha256", keys.token);
	if (keys.expires_s)
		json_put_time(out, "expires", keys.expires_s);
	json_put_string(out, "source", s3_credentials_source(c));
	rc = json_compact(out, &text, e);
	if (rc == 0)
		puts(buf_str(&text));
	return rc;
}

int main(int argc, char **argv)
{
	struct s3_credentials_options o = { 0 };
	struct err e = ERR_INIT;
	if (argc == 3 && strcmp(argv[1], "--profile") == 0)
		o.profile = argv[2];
	CLEANUP_PTR(s3_credentials_free) struct s3_credentials *c = s3_credentials_new(&o);
	if (print(c, &e) < 0)
		fprintf(stderr, "%s\n%s\n", e.text, e.hint);
	return e.class;
}
