/*
 * github: requests to the REST API of GitHub, github.com's or that of an Enterprise server. Nothing
 * here knows of mirrors or models.
 *
 * What always holds here:
 *  - a token goes to the API and its upload server only, never along with a redirect, and is in no
 *    error text;
 *  - errors say what GitHub said. ERR_AUTH: the token is missing, wrong, or does not allow it ·
 *    ERR_NOT_FOUND: missing, or (as GitHub answers then) not to be seen with this token ·
 *    ERR_CONFLICT: a name is taken · ERR_NETWORK: failures of the server, and limits of requests,
 *    with the pause that GitHub asks for (retry_after_s) and CAUSE_THROTTLED · ERR_USAGE: what
 *    GitHub refuses otherwise, and a repository that was renamed: its new name is in the text;
 *  - nothing is retried: callers do that.
 *
 * https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api
 * https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
#ifndef FERRY_GITHUB_GITHUB_H
#define FERRY_GITHUB_GITHUB_H

#include "github/pace.h"
#include "http/http.h"
#include "json/json.h"

#include <pthread.h>

#define GITHUB_API "https://api.github.com"
/* The largest document that is read: a page of releases with their notes and assets. */
#define GITHUB_MAX_ANSWER (64 * MIB)

/* Whose releases: shared by all threads. */
struct github_place {
	char *api; /* without '/' at its end */
	char *owner, *repo;
	char *token;               /* secret; NULL: requests are anonymous */
	char *token_from;          /* "GH_TOKEN", for messages; NULL: no token */
	bool paced;                /* github.com's own limits hold there */
	const struct clock *clock; /* borrowed; NULL: the real one */
	const struct cancel *cancel;
	pthread_mutex_t lock; /* of what follows */
	struct github_pace pace;
	struct github_limits {
		bool known;
		uint64_t limit, remaining; /* requests; until: */
		int64_t reset_s;
		int64_t token_expires_s; /* 0: not known */
	} limits;
};

struct github_place_options {
	const char *api; /* NULL: GITHUB_API */
	const char *owner, *repo;
	bool own; /* the user named the server, in ferry.conf: it gets the user's token. False: only
		     github.com, and the host in GH_HOST */
	const char *variable; /* of a token that goes before all others; or NULL */
	const struct clock *clock;
	const struct cancel *cancel;
};
/* ERR_USAGE for what cannot be the URL of an API, the name of an owner or of a repository. Sends no
 * request. */
WARN_UNUSED int github_place_open(struct github_place *p, const struct github_place_options *o,
				  struct err *e);
void github_place_release(struct github_place *p);
/* The API of the server whose releases are at this public URL
 * ("https://HOST/OWNER/REPO/releases/download"), and whose they are. The caller frees them. False:
 * it is no such URL. */
bool github_place_of_url(const char *url, char **api, char **owner, char **repo);
/* Where everybody can read the releases: "https://github.com/OWNER/REPO/releases/download" for
 * github.com's API (NULL). The caller frees it. */
char *github_place_downloads(const char *api, const char *owner, const char *repo);
struct github_limits github_place_limits(struct github_place *p);

/*
 * The token, in this order: that in `variable` (may be NULL); GH_TOKEN, GITHUB_TOKEN, for other
 * servers than github.com before them GH_ENTERPRISE_TOKEN and GITHUB_ENTERPRISE_TOKEN; then the
 * password of the API's host in $NETRC or
 * ~/.netrc. *out and *from are NULL if there is none. ERR_USAGE: it cannot be a token.
 * https://cli.github.com/manual/gh_help_environment
 */
WARN_UNUSED int github_token_find(const char *variable, const char *host, bool is_github_com,
				  char **out, char **from, struct err *e);
/* The password for the host in the text of a netrc file, or NULL. The caller wipes and frees it. */
char *github_token_netrc(const char *text, const char *host);

#define GITHUB_CODE 32

struct github_request {
	const char *method; /* NULL: GET */
	const char *path;   /* below the repository, as "/releases?per_page=100"; "": the repository
			       itself */
	const char *url;    /* instead of path: that GitHub has named. Refused if it is not the
			       API's own, nor that of its uploads */
	const json_t *json; /* the body; NULL: none, or the following */
	const struct http_request *body; /* read_at, body_sent, body_ctx and body_size of it */
	const char *content_type;        /* of that body */
	bool once;                       /* as in struct http_request */
	bool creates;                    /* counts as new content: it is paced */

	json_t **answer; /* out: owned by the caller; NULL: it is not wanted */
	/* Or the bytes of an asset, wherever GitHub redirects to. */
	bool download;
	uint64_t offset, length, deadline_ms;
	const struct cancel *cancel; /* ends this request; or NULL */
	int (*begin)(void *ctx, const struct http_response *r, struct err *e);
	int (*write)(void *ctx, const void *data, size_t len, struct err *e);
	void *ctx;

	/* out: GITHUB_CODE bytes, may be NULL: "already_exists", …; of a "custom" error the field,
	 * as "file_count"; or "" */
	char *code;
};
/* Performs it. *out as in http_perform(), or NULL. */
WARN_UNUSED int github_call(struct http_client *c, struct github_place *p,
			    const struct github_request *q, struct http_response *out,
			    struct err *e);

/* Gets each element of a list, page after page. path has a query already. A negative return of fn
 * stops it. ERR_INTEGRITY for a list that does not end. */
typedef int github_item_fn(void *ctx, const json_t *item, struct err *e);
WARN_UNUSED int github_pages(struct http_client *c, struct github_place *p, const char *path,
			     github_item_fn *fn, void *ctx, struct err *e);
/* The URL of the next page in the Link header, or NULL. The caller frees it.
 * https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api */
char *github_next_page(const char *link);

/* Sets e from a failed answer and http, its error as http_perform() set it. */
struct github_failure {
	const struct http_response *answer;
	const char *body;
	size_t len;
	int64_t now_s;          /* of this machine */
	const char *token_from; /* NULL: the request was anonymous */
	const struct err *http;
};
int github_fault(const struct github_failure *f, char code[GITHUB_CODE], struct err *e);

/* "2026-01-02 03:04:05 UTC", or "… +0200": of github-authentication-token-expiration. */
bool github_parse_expiry(const char *text, int64_t *out_s);

#endif
