/*
 * How servers are reached: certificate authorities, client certificates, tokens, the version of
 * IP, and limits, each for the URLs below one, or for all.
 *
 * What always holds here:
 *  - an entry is for the URLs with the scheme, host and port of its own, and with a path below its
 *    path; of several, the one with the longest path counts. A server that a catalog or a redirect
 *    names gets nothing that was meant for another one;
 *  - token, netrc and client certificate are only for the origin that a request is made to: a
 *    redirect to another one gets none, even if that has an entry;
 *  - secrets are wiped, and never part of a text.
 */
#ifndef FERRY_HTTP_ACCESS_H
#define FERRY_HTTP_ACCESS_H

#include "http/url.h"
#include "util/rate.h"

#define HTTP_ACCESS_AGENT 64

struct http_access {
	char *name; /* of the section, for messages */
	struct url url;
	char *token;                   /* bearer; or NULL */
	char *token_from;              /* what it was read from, for messages */
	char *header;                  /* "Name: value", one more of each request; or NULL */
	bool netrc;                    /* user and password from ~/.netrc */
	char *ca;                      /* file with the authorities that are trusted instead of the
					  system's; or NULL */
	char *cert, *key, *key_phrase; /* of the client: files (PEM), and what the key is encrypted
					  with; or NULL */
	int ip;                        /* 4 or 6: only this version of IP; 0: both */
	unsigned connections;          /* at a time; 0: not limited */
	struct rate rate;              /* of all connections together */
	struct err fault; /* of its settings: what a request fails with that would need it */
};

struct http_access_list {
	struct http_access *at;
	size_t count, cap;
	char *ca;                      /* for all others; or NULL */
	int ip;                        /* the same */
	char agent[HTTP_ACCESS_AGENT]; /* what all of them are told in User-Agent; "":
					  "ferry/VERSION" */
};
void http_access_list_release(struct http_access_list *l);
/* Requests are of another program, for statistics of downloads to leave them out: "verify" becomes
 * "ferry-verify/VERSION". At most 32 letters. */
void http_access_program(struct http_access_list *l, const char *name);
/* Requests are of one fetch: "ferry/VERSION (fetch; t=TOKEN)", with 16 random hexadecimal digits,
 * by which statistics know that what several mirrors sent is one download. */
void http_access_fetch(struct http_access_list *l);
/* Appends an empty entry. */
struct http_access *http_access_add(struct http_access_list *l);

/* The entry for a URL, or NULL. l may be NULL. */
struct http_access *http_access_find(const struct http_access_list *l, const struct url *url);
/* The same for the text of a URL; NULL also for one that is not http or https. */
struct http_access *http_access_find_text(const struct http_access_list *l, const char *url);

#endif
