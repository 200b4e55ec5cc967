/*
 * record: the results of probing a mirror, kept for later runs:
 *
 *   <state_dir>/<id>-<8 hex digits of the hash of its place>.json
 *
 *   {"format": "model-ferry-mirror-record", "version": 1, "mirror": "eu", "place": "https://…",
 *    "probed": "2026-01-02T03:04:05Z", "can": {"replace-if": true},
 *    "measured": {"upload-bytes-per-s": 41000000}}
 *
 * It is only an aid: if it is missing, malformed or of another place, it counts as empty.
 */
#ifndef FERRY_MIRROR_RECORD_H
#define FERRY_MIRROR_RECORD_H

#include "json/json.h"
#include "mirror/mirror.h"

#define MIRROR_RECORD_MAX_BYTES (64 * KIB)
#define MIRROR_RECORD_MAX_NAMES 100

/* Names of numbers, measured by `ferry mirror probe`. */
#define MIRROR_RECORD_UPLOAD "upload-bytes-per-s"
#define MIRROR_RECORD_DOWNLOAD "download-bytes-per-s"
#define MIRROR_RECORD_LATENCY "latency-us" /* of a small request */
/* Names of booleans, about readers that use the mirror's `url` without credentials. */
#define MIRROR_RECORD_PUBLIC "public-read"
#define MIRROR_RECORD_PUBLIC_RANGES "public-ranges"
#define MIRROR_RECORD_PUBLIC_CORS "public-cors"

/* The capabilities as booleans, under these names, which are also those of `ferry mirror list`. */
struct mirror_can_name {
	enum mirror_can bit;
	const char *name;
};
extern const struct mirror_can_name mirror_can_names[]; /* NULL-ended */

/* Kinds may add names of their own: at most 64 of a-z, 0-9, '.', '_' and '-'. */
struct mirror_record {
	int64_t probed_s; /* when it was saved; 0: it is empty */
	json_t *can;      /* booleans by name; NULL: none */
	json_t *measured; /* numbers by name; NULL: none */
};
void mirror_record_release(struct mirror_record *r);

/* The record of the mirror, or an empty one. The caller releases it. */
void mirror_record_load(const struct mirror *m, struct mirror_record *out);
/* Replaces the file, atomically; sets probed_s. Nothing without a state_dir. */
WARN_UNUSED int mirror_record_save(const struct mirror *m, struct mirror_record *r, struct err *e);

/* False when nothing is recorded under this name; *out is then unchanged. */
bool mirror_record_can(const struct mirror_record *r, const char *name, bool *out);
bool mirror_record_measured(const struct mirror_record *r, const char *name, uint64_t *out);
void mirror_record_set_can(struct mirror_record *r, const char *name, bool value);
void mirror_record_set_measured(struct mirror_record *r, const char *name, uint64_t value);
/* All of mirror_can_names, as they are now. */
void mirror_record_set_capabilities(struct mirror_record *r, const struct mirror *m);
void mirror_record_forget(struct mirror_record *r, const char *name);

/* Is it known that the mirror held a release? A mirror that does not show it any more is not
 * mounted, or was emptied. Kept as an empty file beside the record, <id>-<8 hex digits>.held. */
bool mirror_record_is_held(const struct mirror *m);
void mirror_record_set_held(const struct mirror *m, bool held);

/* Parses the file's text; place: of the mirror that it must be about. For mirror_record_load() and
 * tests. ERR_INTEGRITY when it is malformed or about another place. */
WARN_UNUSED int mirror_record_parse(const char *text, size_t len, const char *place,
				    struct mirror_record *out, struct err *e);

#endif
