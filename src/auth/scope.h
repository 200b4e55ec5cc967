/*
 * What a key or a token allows: "pull:REPOSITORY/GLOB", "preload:…"; "admin", "metrics" without
 * more. "pull", "pull:*" and "pull:*" with "/GLOB" are for any repository; "pull:REPOSITORY" is for
 * all of it. '*' and '?' in the glob are as in fnmatch(), without any meaning of '/'.
 */
#ifndef FERRY_AUTH_SCOPE_H
#define FERRY_AUTH_SCOPE_H

#include "util/base.h"
#include "util/buf.h"
#include "util/err.h"

#define AUTH_SCOPE_MAX 256 /* bytes */
#define AUTH_SCOPES_MAX 64 /* of one key or token */

enum auth_action { AUTH_PULL, AUTH_PRELOAD, AUTH_ADMIN, AUTH_METRICS, AUTH_ACTIONS };

struct auth_scope {
	enum auth_action action;
	char *repository, *glob; /* NULL: any */
};
/* ERR_USAGE. */
WARN_UNUSED int auth_scope_parse(const char *text, struct auth_scope *out, struct err *e);
void auth_scope_release(struct auth_scope *s);
/* The same form, appended. */
void auth_scope_text(const struct auth_scope *s, struct buf *out);
/* Another owned copy. */
struct auth_scope auth_scope_copy(const struct auth_scope *s);

/* model NULL: the whole repository is needed. */
bool auth_scope_allows(const struct auth_scope *s, enum auth_action action, const char *repository,
		       const char *model);

#endif
