/*
 * A publisher over the writer, with a key for each role and four more, and a reader of what it
 * published, who keeps a trust folder and remembers what was asked for.
 */
#ifndef UNIT_PUBLISHER_H
#define UNIT_PUBLISHER_H

#include "sign/privkey.h"
#include "tuf/client.h"
#include "repository/writer/writer.h"
#include "util/text.h"

#define NOW 1800000000 /* 2027-01-15 */
#define DAY 86400

struct publisher {
	char *dir, *tree, *metadata, *trust;
	struct signer *keys[8];   /* the sixth is ECDSA P-256, all others Ed25519 */
	struct str_list requests; /* of the reader's last refresh and what came after */
};
enum { ROOT, TARGETS, SNAPSHOT, TIMESTAMP, SPARE };

/* For cmocka: *state is a struct publisher without a tree. */
int publisher_set_up(void **state);
int publisher_tear_down(void **state);

struct writer *publisher_open(const struct publisher *p, int64_t now_s);
/* Gives each role its key, threshold 1. */
void publisher_add_keys(const struct publisher *p, struct writer *w);
/* Lists a file that has this text. */
void publisher_set(struct writer *w, const char *role, const char *path, const char *text);
struct writer_saved publisher_save(struct writer *w, struct signer *const *signers, size_t count);

/* A client that began with the first root and has now refreshed. On failure *out is closed. */
int publisher_read(struct publisher *p, int64_t now_s, struct tuf_client **out, struct err *e);

#endif
