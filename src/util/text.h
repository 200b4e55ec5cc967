/*
 * Text: hex, UTF-8, parsing of numbers, sizes and times, formatting for people,
 * and escaping of foreign strings before a terminal sees them.
 *
 * Prefixes: text_, str_, hex_, utf8_, parse_, format_.
 */
#ifndef FERRY_UTIL_TEXT_H
#define FERRY_UTIL_TEXT_H

#include "util/base.h"
#include "util/buf.h"
#include "util/err.h"

bool str_starts(const char *s, const char *prefix);
bool str_starts_nocase(const char *s, const char *prefix); /* ASCII */
bool str_ends(const char *s, const char *suffix);
bool str_eq_nocase(const char *a, const char *b); /* ASCII */
bool str_same(const char *a, const char *b);      /* either may be NULL */
int str_compare(const void *a, const void *b);    /* qsort of char * */

/* A growing list of owned strings. */
struct str_list {
	char **at;
	size_t count, cap;
};
void str_list_add(struct str_list *l, const char *s);
void str_list_take(struct str_list *l, char *s); /* takes ownership */
bool str_list_has(const struct str_list *l, const char *s);
void str_list_split(struct str_list *l, const char *s, const char *separators);
void str_list_release(struct str_list *l);
void str_list_wipe(struct str_list *l); /* for secrets: zeroes, then releases */

void hex_encode(char *out, const void *data, size_t len); /* 2 * len + NUL */
/* Exactly len bytes from exactly 2 * len hex digits; false on anything else.
 * Lower case only unless any_case. */
bool hex_decode(void *out, size_t len, const char *hex, bool any_case);

bool utf8_valid(const void *data, size_t len); /* RFC 3629, NUL allowed */

/* Decimal digits only, no sign, no blank; false on overflow or anything else. */
bool parse_u64(const char *s, uint64_t *out);
/* "10", "64K", "64KiB", "1.5G": powers of 1024; "64kB", "1GB": powers of 1000. */
bool parse_size(const char *s, uint64_t *out);
/* "90", "90s", "15m", "36h", "30d", "1y" (365 days) to seconds. */
bool parse_duration(const char *s, uint64_t *out_s);
/* "yes/no/true/false/on/off/1/0". */
bool parse_bool(const char *s, bool *out);
/* RFC 3339 in UTC with a Z, as TUF demands: "2026-01-02T03:04:05Z". */
bool parse_time(const char *s, int64_t *out_s);

#define TIME_TEXT 21
void format_time(char out[TIME_TEXT], int64_t time_s); /* the same form */
#define SIZE_TEXT 16
const char *format_size(char out[SIZE_TEXT], uint64_t bytes); /* "1.4 GiB" */
#define DURATION_TEXT 16
const char *format_duration(char out[DURATION_TEXT], uint64_t s); /* "2h 03m" */

/* Appends s with control characters, invalid UTF-8 and bidirectional overrides
 * replaced by \xNN or \u{NNNN}: safe for a terminal. */
void text_escape(struct buf *out, const char *s, size_t len);
char *text_escaped(const char *s); /* the caller frees */
/* The same for a JSON text: as \uNNNN, which in JSON means the same. */
void text_escape_json(struct buf *out, const char *json, size_t len);
/* Does it contain nothing that text_escape() would replace? Marks that join or separate letters,
 * which names in some scripts need, are allowed. */
bool text_is_name(const char *s, size_t len);
/* Quoted as one word of a POSIX shell, if it needs quotes, so that it can be copied from a
 * message. The caller frees it and keeps control characters out. */
char *text_shell_quoted(const char *s);

/* The entry of `names` with the smallest edit distance to `s`, or NULL if none is close enough to
 * be a typo. */
const char *text_nearest(const char *s, const char *const *names, size_t count);
/* Hints at it: "did you mean 'NAME'?", else `otherwise`, which may be NULL. As err_hint. */
int text_hint_nearest(const char *s, const char *const *names, size_t count, const char *otherwise,
		      struct err *e);

#endif
