/*
 * git_remote: where a git repository is, as git itself writes it: https://HOST/PATH,
 * ssh://USER@HOST:PORT/PATH, USER@HOST:PATH, file:///PATH or a path.
 *
 * Prefixes: mirror_git_remote_.
 */
#ifndef FERRY_MIRROR_GIT_REMOTE_H
#define FERRY_MIRROR_GIT_REMOTE_H

#include "util/base.h"
#include "util/err.h"

struct mirror_git_remote {
	enum mirror_git_means { MIRROR_GIT_HTTP, MIRROR_GIT_SSH, MIRROR_GIT_FILE } way;
	char *url;     /* of http: without a '/' at the end; else as it was written */
	char *user;    /* or NULL */
	char *host;    /* lower case; "" of a file */
	unsigned port; /* of ssh; 0: ssh's own */
	char *path;    /* of ssh and file: what the program on the other side is given */
	bool https;
};
void mirror_git_remote_release(struct mirror_git_remote *r);

/* ERR_USAGE for anything else, for a password in the URL (ferry.conf can be read by others), and
 * for a host or path that ssh would take for an option (CVE-2017-1000117). */
WARN_UNUSED int mirror_git_remote_parse(const char *text, struct mirror_git_remote *out,
					struct err *e);

/* Where the host serves the files of a branch to everybody, below a prefix that is "" or ends with
 * '/'; known of GitHub alone, else NULL. Caller frees. */
char *mirror_git_remote_raw_url(const struct mirror_git_remote *r, const char *branch,
				const char *prefix);

/* A server of this machine: a token may be sent to it without TLS. */
bool mirror_git_remote_is_loopback(const struct mirror_git_remote *r);

#endif
