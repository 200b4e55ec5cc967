/*
 * Paths and names. "Key" is the repository-relative path of an object, always
 * with '/' and never leaving the repository: path_is_key() decides, for every
 * name that came from outside.
 */
#ifndef FERRY_UTIL_PATH_H
#define FERRY_UTIL_PATH_H

#include "util/base.h"
#include "util/err.h"

/* "a" + "b" → "a/b"; one slash between, an absolute b wins. Caller frees. */
char *path_join(const char *a, const char *b);
char *path_dir(const char *path);        /* "" never: "." at least; caller frees */
const char *path_base(const char *path); /* points into path */
/* Absolute form, without "//" and ".", and without ".." unless it follows a symbolic link. The
 * path need not exist; links are not resolved. Caller frees. */
char *path_absolute(const char *path);

/* Relative, no empty part, no "." or "..", no backslash, nothing that could deceive on a
 * terminal (control characters, also those above U+0080, and marks that change the direction of
 * text), valid UTF-8, at most 1024 bytes, no part over 255 bytes. */
bool path_is_key(const char *key);
/* One part of such a key: a safe file name. */
bool path_is_name(const char *name);

/* A model, variant, repository or mirror name: [a-z0-9][a-z0-9._-]{0,63}, and no
 * "..". These become folder names and parts of URLs. */
bool path_is_id(const char *id);

/* Percent-encodes everything but unreserved characters (RFC 3986) and `keep`.
 * Caller frees. */
char *path_percent_encode(const char *s, const char *keep);
/* In place. False for a malformed escape and for %00. */
bool path_percent_decode(char *s);

/* "file://" and the absolute path, percent-encoded. Caller frees. */
char *path_file_url(const char *path);

/* $XDG_DATA_HOME etc. with their defaults below $HOME; caller frees.
 * ERR_USAGE when neither variable is set. */
WARN_UNUSED int path_xdg(const char *variable, const char *below_home, char **out, struct err *e);

#endif
