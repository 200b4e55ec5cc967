/*
 * A TUF repository in memory that can do everything wrong: metadata is plain JSON that a
 * test changes as it likes, and publishes with whatever keys it likes. It shares no code
 * with the writer.
 */
#ifndef FERRY_TESTS_TUF_SIM_H
#define FERRY_TESTS_TUF_SIM_H

#include "unit.h"

#include "sign/privkey.h"
#include "tuf/client.h"
#include "json/json.h"

#define SIM_NOW 1800000000LL /* 2027-01-15T08:00:00Z */
#define SIM_DAY 86400LL
#define SIM_KEYS 12

/* Keys 0 to 3 belong to root, timestamp, snapshot, targets; the others are spare. */
enum { SIM_ROOT, SIM_TIMESTAMP, SIM_SNAPSHOT, SIM_TARGETS, SIM_SPARE };

struct sim_file {
	char *name, *data;
	size_t len;
};

struct sim {
	struct privkey *keys[SIM_KEYS];
	json_t *root, *timestamp, *snapshot, *targets; /* "signed"; change freely */
	json_t *signers;        /* role → array of key indexes; change freely */
	json_t *roles;          /* delegated role → "signed" */
	bool hashes;            /* list lengths and hashes */
	struct sim_file *files; /* what the server has */
	size_t count, cap;
	struct str_list requests;
	/* A request of this name gives an endless body. */
	const char *endless;
	size_t served; /* bytes of it that were taken */
	/* Tells of failed bytes; true: asks again. NULL: none. */
	bool (*rejected)(struct sim *s, const char *name, const struct err *why);

	char *dir, *trust; /* scratch */
	int64_t now_s;
};

/* Version 1 of everything, published, and a client initialised with its root. */
struct sim *sim_new(void);
void sim_free(struct sim *s);

/* "signed" of a role, delegated ones included. */
json_t *sim_body(const struct sim *s, const char *role);
uint64_t sim_version(const struct sim *s, const char *role);
void sim_bump(struct sim *s, const char *role); /* version + 1 */
void sim_expires(struct sim *s, const char *role, int64_t time_s);

/* Signs "signed" as it stands with the role's signers, and serves it under its name. */
void sim_publish(struct sim *s, const char *role);
/* The same with the given keys. */
void sim_publish_with(struct sim *s, const char *role, const int *keys, size_t count);
/* The envelope instead of publishing it; owned by the caller. */
json_t *sim_envelope(const struct sim *s, const json_t *body, const int *keys, size_t count);
/* Serves an envelope (borrowed) as the role's file in its version. */
void sim_serve(struct sim *s, const char *role, const json_t *envelope);
/* Bumps a targets role and all above it, and publishes them. */
void sim_update(struct sim *s, const char *role);
/* The same for timestamp alone, snapshot and timestamp, root alone. */
void sim_update_timestamp(struct sim *s);
void sim_update_snapshot(struct sim *s);
void sim_update_root(struct sim *s);

/* The key object and id of key i; in root's keys and a role's keyids. */
json_t *sim_key(const struct sim *s, int i);
const char *sim_keyid(const struct sim *s, int i);
void sim_role_keys(struct sim *s, const char *role, const int *keys, size_t count,
		   unsigned threshold);

/* Adds a delegation from parent, with key `key`, and an empty role. Publish with
 * sim_update(). paths: one pattern. */
void sim_delegate(struct sim *s, const char *parent, const char *name, const char *pattern, int key,
		  bool terminating);
/* A target whose content is `text`. */
void sim_target(struct sim *s, const char *role, const char *path, const char *text);

void sim_put(struct sim *s, const char *name, const void *data, size_t len);
void sim_put_text(struct sim *s, const char *name, const char *text);
struct sim_file *sim_file(const struct sim *s, const char *name);
void sim_remove(struct sim *s, const char *name);

/* -- the client ------------------------------------------------------------------------ */

struct tuf_transport sim_transport(struct sim *s);
WARN_UNUSED int sim_open(struct sim *s, struct tuf_client **out, struct err *e);
/* Opens, refreshes, closes. Fills requests anew. */
WARN_UNUSED int sim_refresh(struct sim *s, struct err *e);
/* Opens, refreshes, looks up, closes. */
WARN_UNUSED int sim_find(struct sim *s, const char *path, struct tuf_target *out, struct err *e);
/* Version of a role in the trust folder, 0: not there. */
uint64_t sim_trusted(const struct sim *s, const char *role);
/* The requests of the last refresh, joined by blanks. */
const char *sim_requests(struct sim *s);

/* Fails unless the refresh fails with ERR_INTEGRITY and the message has the text. */
#define sim_refused(s, text) sim_refused_at((s), (text), __FILE__, __LINE__)
void sim_refused_at(struct sim *s, const char *text, const char *file, int line);
#define sim_refreshed(s) \
	do { \
		struct err refreshed_ = ERR_INIT; \
		assert_ok(sim_refresh((s), &refreshed_), &refreshed_); \
	} while (0)

#endif
