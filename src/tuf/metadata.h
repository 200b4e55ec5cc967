/*
 * One metadata file: parsed strictly, with all its members, signatures not yet verified (TUF
 * 1.0.34, section 4 "Document formats").
 *
 * What always holds here:
 *  - parsing checks the structure of everything, so that later steps need not; it does not verify
 *    signatures. Unknown members are allowed and kept;
 *  - signatures are verified over the canonical form of "signed" as it was received;
 *  - counts are limited; the size of the file is limited by the caller.
 *
 * Every failure is ERR_INTEGRITY and names the document.
 */
#ifndef FERRY_TUF_METADATA_H
#define FERRY_TUF_METADATA_H

#include "tuf/key.h"

#define TUF_MAX_KEYS 1024
#define TUF_MAX_SIGNATURES 1024
#define TUF_MAX_DELEGATED_ROLES 4096
#define TUF_MAX_BIN_BITS 32

enum tuf_type { TUF_ROOT, TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS };
#define TUF_TYPES 4

/* "root", "timestamp", "snapshot", "targets". */
const char *tuf_type_name(enum tuf_type type);
bool tuf_type_from_name(const char *name, enum tuf_type *out);
/* In the order that people read: root, targets, snapshot, timestamp. */
extern const enum tuf_type tuf_type_order[TUF_TYPES];

/* Sorted by id. */
struct tuf_keys {
	struct tuf_key **at;
	size_t count;
};
/* NULL when there is none. */
const struct tuf_key *tuf_keys_find(const struct tuf_keys *keys, const char *id);

/* Who may sign. The ids are borrowed and distinct; ids without a key are never counted. */
struct tuf_role {
	const char **keyids;
	size_t count;
	uint64_t threshold; /* at least 1 */
};

/* A role that targets metadata delegates to. */
struct tuf_delegated {
	const char *name;
	struct tuf_role role;
	bool terminating;
	const json_t *paths;         /* array of patterns, or NULL */
	const json_t *hash_prefixes; /* array of hex prefixes, or NULL: one of the two */
};

/* Hash bins (TAP 15): one role description for 2^bit_length roles. */
struct tuf_bins {
	const char *prefix;
	struct tuf_role role;
	unsigned bit_length; /* 1 to TUF_MAX_BIN_BITS; 0: no bins */
};

struct tuf_signature {
	const char *keyid;
	const char *hex; /* as received; malformed ones are not counted */
};

struct tuf_metadata {
	json_t *json;       /* owned; all else is borrowed from it */
	const json_t *body; /* "signed" */
	enum tuf_type type;
	uint64_t version; /* at least 1 */
	int64_t expires_s;
	struct tuf_signature *signatures;
	size_t signature_count;
	/* root: its own keys; targets: those of its delegations */
	struct tuf_keys keys;
	/* root */
	struct tuf_role roles[TUF_TYPES];
	bool consistent_snapshot;
	/* timestamp and snapshot: name → {version, length, hashes} */
	const json_t *meta;
	/* targets: path → {length, hashes, custom} */
	const json_t *targets;
	struct tuf_delegated *delegated; /* in the order of the file */
	size_t delegated_count;
	struct tuf_bins bins;
};

/* `what` names the document in messages. */
WARN_UNUSED int tuf_metadata_parse(enum tuf_type type, const void *data, size_t len,
				   const char *what, struct tuf_metadata **out, struct err *e);
/* The same from a parsed value; takes its own reference. */
WARN_UNUSED int tuf_metadata_from_json(enum tuf_type type, json_t *value, const char *what,
				       struct tuf_metadata **out, struct err *e);
void tuf_metadata_free(struct tuf_metadata *m);
DEFINE_CLEANUP(struct tuf_metadata, tuf_metadata_free);

/* An entry of timestamp's or snapshot's "meta". */
struct tuf_meta {
	uint64_t version;
	bool has_length;
	uint64_t length;
	const json_t *hashes; /* or NULL */
};
/* False when the name ("targets.json") is not listed. */
bool tuf_metadata_meta(const struct tuf_metadata *m, const char *name, struct tuf_meta *out);

/* ERR_INTEGRITY unless the bytes have the listed length and every listed hash of a known
 * algorithm (sha256, sha384, sha512); it is an error if none is known. */
WARN_UNUSED int tuf_meta_check(const struct tuf_meta *meta, const void *data, size_t len,
			       const char *what, struct err *e);

/* The first listed hash of a known algorithm, in hex; NULL: there is none. Borrowed. */
const char *tuf_hashes_first(const json_t *hashes);

/* How many distinct keys of the role signed m. keys: where the role's ids are looked
 * up. */
WARN_UNUSED int tuf_metadata_count(const struct tuf_metadata *m, const struct tuf_role *role,
				   const struct tuf_keys *keys, unsigned *out, struct err *e);
/* ERR_INTEGRITY if they are fewer than the threshold. `by` names who set the threshold ("root
 * version 3"). */
WARN_UNUSED int tuf_metadata_verify(const struct tuf_metadata *m, const struct tuf_role *role,
				    const struct tuf_keys *keys, const char *what, const char *by,
				    struct err *e);

#endif
