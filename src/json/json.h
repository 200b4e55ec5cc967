/*
 * json: parsing, canonical form, and access functions with error messages.
 *
 * What always holds here:
 *  - our own documents, and all that is signed, are parsed by json_parse() only: size and depth are
 *    limited; duplicate keys, NUL in strings, invalid UTF-8, integers beyond 64 bits and trailing
 *    bytes are refused (RFC 8259, stricter where it leaves a choice);
 *  - files of other programs, from which little is taken, are parsed by json_lenient();
 *  - errors are ERR_INTEGRITY and name the place ("line 3, column 7", or the path
 *    "models[2].variants[0].size").
 *
 * Other folders build and read json_t with jansson's own functions; only this one
 * calls its parser.
 */
#ifndef FERRY_JSON_JSON_H
#define FERRY_JSON_JSON_H

#include "util/base.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <jansson.h>

/* For CLEANUP(json_release): json_decref and NULL. */
void json_release(json_t **value);

struct json_limits {
	size_t max_bytes;
	unsigned max_depth; /* nested arrays and objects; 0: the default of 64 */
	bool allow_real;    /* else any number with a fraction or exponent is refused */
};

/* `what` names the document in messages ("timestamp.json from https://…"). The
 * caller owns *out. */
WARN_UNUSED int json_parse(const void *data, size_t len, const struct json_limits *limits,
			   const char *what, json_t **out, struct err *e);
WARN_UNUSED int json_parse_file(const char *path, const struct json_limits *limits, json_t **out,
				struct err *e);

/*
 * JSON of other programs (config.json, an index of weights, AWS's caches): what Python's json
 * module reads, and what editors make of it: a byte order mark, UTF-16, invalid UTF-8. NaN,
 * Infinity and numbers that fit neither 64-bit integers nor doubles become null; of a key that
 * stands twice the last counts; a NUL or an unpaired surrogate in a string becomes U+FFFD. Depth is
 * limited to 1000. ERR_INTEGRITY for anything else, such as a truncated text.
 */
WARN_UNUSED int json_lenient(const void *data, size_t len, size_t max_bytes, const char *what,
			     json_t **out, struct err *e);
WARN_UNUSED int json_lenient_file(const char *path, size_t max_bytes, json_t **out, struct err *e);

/*
 * OLPC canonical JSON (wiki.laptop.org/go/Canonical_JSON), as TUF uses it: keys
 * sorted by bytes, no white space, only '"' and '\' escaped, integers only. A real
 * is ERR_INTEGRITY. Appends to out.
 */
WARN_UNUSED int json_canonical(const json_t *value, struct buf *out, struct err *e);

/* Text for people and files: two blanks of indentation, insertion order kept, one
 * newline at the end. Appends to out. */
WARN_UNUSED int json_pretty(const json_t *value, struct buf *out, struct err *e);
/* The same for documents with long lists: each entry of a list is one line. */
WARN_UNUSED int json_rows(const json_t *value, struct buf *out, struct err *e);
/* One line without a newline. */
WARN_UNUSED int json_compact(const json_t *value, struct buf *out, struct err *e);

/* Atomic, pretty. */
WARN_UNUSED int json_write_file(const char *path, const json_t *value, mode_t mode, struct err *e);

/*
 * Members of an object. `at` is the path of the object for messages ("" at the top).
 * The results are borrowed from the object. get_*: missing or of another type is
 * ERR_INTEGRITY; opt_*: missing or null gives the default, another type is an error.
 */
WARN_UNUSED int json_get_string(const json_t *object, const char *at, const char *key,
				const char **out, struct err *e);
WARN_UNUSED int json_opt_string(const json_t *object, const char *at, const char *key,
				const char **out, struct err *e); /* default NULL */
/* 0 to INT64_MAX; a negative number is an error. */
WARN_UNUSED int json_get_u64(const json_t *object, const char *at, const char *key, uint64_t *out,
			     struct err *e);
WARN_UNUSED int json_opt_u64(const json_t *object, const char *at, const char *key, uint64_t def,
			     uint64_t *out, struct err *e);
WARN_UNUSED int json_opt_bool(const json_t *object, const char *at, const char *key, bool def,
			      bool *out, struct err *e);
WARN_UNUSED int json_get_array(const json_t *object, const char *at, const char *key,
			       size_t max_count, json_t **out, struct err *e);
WARN_UNUSED int json_opt_array(const json_t *object, const char *at, const char *key,
			       size_t max_count, json_t **out, struct err *e); /* NULL */
WARN_UNUSED int json_get_object(const json_t *object, const char *at, const char *key, json_t **out,
				struct err *e);
WARN_UNUSED int json_opt_object(const json_t *object, const char *at, const char *key, json_t **out,
				struct err *e); /* NULL */
/* Lower-case hex of exactly len bytes. */
WARN_UNUSED int json_get_hex(const json_t *object, const char *at, const char *key, void *out,
			     size_t len, struct err *e);

/* An error in a document: {"class": …, "exit": …, "message": …, "hint": …}; and back. *out is what
 * the member says, ERR_NONE if there is none. */
json_t *json_error(const struct err *e);
WARN_UNUSED int json_opt_error(const json_t *object, const char *at, const char *key,
			       struct err *out, struct err *e);

/* Members of a document made by this program, without error messages: NULL, 0 and false when they
 * are missing. */
const char *json_text(const json_t *object, const char *key);
uint64_t json_number(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

/* Setters take ownership of the value and abort if memory runs out. NULL values are skipped, so
 * optional members need no condition. */
void json_put(json_t *object, const char *key, json_t *value);
void json_put_string(json_t *object, const char *key, const char *value);
void json_put_u64(json_t *object, const char *key, uint64_t value);
void json_put_bool(json_t *object, const char *key, bool value);
void json_put_hex(json_t *object, const char *key, const void *data, size_t len);
void json_put_time(json_t *object, const char *key, int64_t time_s); /* RFC 3339, UTC */
/* A new, empty value to be filled, borrowed from the object. */
json_t *json_put_object(json_t *object, const char *key);
json_t *json_put_array(json_t *object, const char *key);
/* Appends to an array, taking ownership. */
void json_push(json_t *array, json_t *value);
void json_push_string(json_t *array, const char *value);
json_t *json_push_object(json_t *array); /* new, empty, borrowed from the array */
/* A string from foreign bytes: invalid UTF-8 and NULs are replaced by U+FFFD. */
json_t *json_string_lossy(const char *s, size_t len);
/* An array of such strings. */
json_t *json_strings(const struct str_list *list);

#endif
