/*
 * hub: the Hugging Face Hub, as far as a model is read from there.
 *
 *   name      "hf:OWNER/REPO@REVISION:FILE"
 *   account   which Hub, and whose token
 *   answer    what its API says
 *   pick      which of the files are meant
 *
 * What always holds here:
 *  - a revision is resolved to a commit once, and everything after that is of this commit;
 *  - the token goes to the endpoint alone. Large files come from another host, without it
 *    (http/http.h);
 *  - an answer that asks for a pause (429 with Retry-After or RateLimit) gets it, and after the
 *    last request that a window allows the next one waits for the window to end.
 *
 * Error classes: a repository that does not exist or is private is ERR_NOT_FOUND (the Hub does not
 * tell which); a gated one, and a token that is refused, ERR_AUTH.
 */
#ifndef FERRY_HUB_HUB_H
#define FERRY_HUB_HUB_H

#include "http/http.h"
#include "hub/answer.h"
#include "util/report.h"

struct hub_options {
	struct report *report;
	const struct cancel *cancel;
};

struct hub;
WARN_UNUSED int hub_open(const struct hub_options *options, struct hub **out, struct err *e);
void hub_close(struct hub *h);
DEFINE_CLEANUP(struct hub, hub_close);

/* The headers with which files are asked for, NULL-ended; borrowed. */
const char *const *hub_headers(const struct hub *h);

/* A repository at one commit. */
struct hub_repo {
	struct hub_model model;
	struct hub_files files;
	char *renamed; /* from this name, or NULL */
};
void hub_repo_release(struct hub_repo *r);

/* Resolves the revision, and lists the files. */
WARN_UNUSED int hub_read(struct hub *h, const struct hub_name *name, struct hub_repo *out,
			 struct err *e);

/* ENDPOINT/OWNER/REPO, for people. Caller frees. */
char *hub_page_url(const struct hub *h, const char *repo);
/* ENDPOINT/OWNER/REPO/resolve/COMMIT/PATH. Caller frees. */
char *hub_file_url(const struct hub *h, const struct hub_repo *r, const struct hub_file *f);

/* What an error answer of the Hub about this repository means: replaces the error of a request,
 * which is set. */
int hub_explain(const struct hub *h, const char *repo, const struct http_response *r,
		struct err *e);

#endif
