/*
 * settings: what ferry.conf says. This file knows its syntax; the others read a section each, once,
 * into a plain struct which knows nothing of the file.
 *
 * What always holds here:
 *  - code that needs settings takes the plain struct, so that an application can fill it in without
 *    a file; only the commands read one;
 *  - faults are ERR_USAGE with file and line; unknown keys and sections are faults;
 *  - nothing is opened, and the network is not used.
 *
 * ferry.conf is INI, read with inih; every value knows its line number:
 *
 *   [section] or [kind.NAME], "key = value", '#' or ';' starts a comment. Values may be
 *   continued by indented lines. A key given twice in a section is an error, and so
 *   is a section given twice.
 */
#ifndef FERRY_SETTINGS_CONF_H
#define FERRY_SETTINGS_CONF_H

#include "util/base.h"
#include "util/err.h"
#include "util/rate.h"
#include "util/text.h"

#define CONF_MAX_BYTES MIB

struct conf_value {
	char *key, *value;
	int line;
};

struct conf_section {
	char *kind; /* "mirror" of [mirror.eu] */
	char *name; /* "eu", or "" */
	int line;
	struct conf_value *values;
	size_t count, cap;
};

struct conf {
	char *path; /* where it was read, or NULL: no file, no sections */
	char *dir;  /* its folder: relative paths in it are relative to this */
	struct conf_section *sections;
	size_t count, cap;
	int unwritten; /* the first line that is not in the file yet: errors name its section
			  instead of the line. 0: all are */
};

/* ERR_USAGE "ferry.conf:12: …" for malformed lines; caps of CONF_MAX_BYTES, 1,000 sections. */
WARN_UNUSED int conf_parse(const char *text, size_t len, const char *path, struct conf *out,
			   struct err *e);
/* The same for another program's INI file: the kind of a section is all of its name ("profile
 * my.name"), its own name is "". Values that were joined leave no copies in memory. */
WARN_UNUSED int conf_parse_plain(const char *text, size_t len, const char *path, struct conf *out,
				 struct err *e);
/* The file `path`. `named`: by a person, so that it may be a pipe. */
WARN_UNUSED int conf_load(const char *path, bool named, struct conf *out, struct err *e);
void conf_release(struct conf *c);
/* For files with secrets: zeroes the values, then releases. */
void conf_wipe(struct conf *c);

/* The section, or NULL. */
const struct conf_section *conf_find(const struct conf *c, const char *kind, const char *name);
/* The n-th section of a kind, or NULL. */
const struct conf_section *conf_nth(const struct conf *c, const char *kind, size_t n);

/* The value or NULL; borrowed. A NULL section has no values. */
const char *conf_get(const struct conf_section *s, const char *key);

/* Typed; `*out` keeps its value (the default) when the key is absent. ERR_USAGE with
 * file and line when the value does not parse. */
WARN_UNUSED int conf_get_bool(const struct conf *c, const struct conf_section *s, const char *key,
			      bool *out, struct err *e);
WARN_UNUSED int conf_get_u64(const struct conf *c, const struct conf_section *s, const char *key,
			     uint64_t *out, struct err *e);
WARN_UNUSED int conf_get_size(const struct conf *c, const struct conf_section *s, const char *key,
			      uint64_t *out, struct err *e);
WARN_UNUSED int conf_get_duration(const struct conf *c, const struct conf_section *s,
				  const char *key, uint64_t *out_s, struct err *e);
/* As rate_table_parse(). */
WARN_UNUSED int conf_get_rate(const struct conf *c, const struct conf_section *s, const char *key,
			      struct rate_table *out, struct err *e);
/* Blank- or line-separated words, appended to out. */
void conf_get_words(const struct conf_section *s, const char *key, struct str_list *out);
/* A path: "~/" expanded, relative to the file's folder. NULL when absent; the
 * caller frees. */
char *conf_get_path(const struct conf *c, const struct conf_section *s, const char *key);

/* ERR_USAGE "ferry.conf:7: unknown key 'ulr' (did you mean 'url'?)". allowed ends
 * with NULL. */
WARN_UNUSED int conf_check_keys(const struct conf *c, const struct conf_section *s,
				const char *const *allowed, struct err *e);
/* The same for the kinds of sections, which are those that the files of this folder read. */
WARN_UNUSED int conf_check_kinds(const struct conf *c, struct err *e);

/* ERR_USAGE with "file:line: " in front, or "[kind.NAME]: ", for checks of the caller. */
int conf_err(const struct conf *c, const struct conf_section *s, const char *key, struct err *e,
	     const char *fmt, ...) PRINTF_LIKE(5, 6);

/*
 * Functions that change the text of a configuration. Everything else stays byte for byte. They
 * parse the result and refuse (ERR_USAGE, with the hint to edit by hand) if any other section or
 * value would change.
 */

/* Appends the section's text, "[kind.NAME]" and its lines, with an empty line in front.
 * `text` is the whole file, "" when there is none yet; replaced on success. */
WARN_UNUSED int conf_edit_append(struct buf *text, const char *path, const char *section,
				 struct err *e);
/* Removes [kind.NAME], from its header to its last line that is neither empty nor a comment, and
 * one empty line before it. */
WARN_UNUSED int conf_edit_remove(struct buf *text, const char *path, const char *kind,
				 const char *name, struct err *e);

/* The text and the parsed configuration; both empty when there is no file. */
WARN_UNUSED int conf_edit_read(const char *path, struct buf *text, struct conf *conf,
			       struct err *e);
/* Atomic; makes missing folders, and replaces the file that a symbolic link points to. */
WARN_UNUSED int conf_edit_write(const char *path, const struct buf *text, struct err *e);

#endif
