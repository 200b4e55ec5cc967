/*
 * Files of a web server, for the kinds that read one at a URL: http, names.
 *
 * The state of a mirror is, or begins with, struct http_options; that of a connection is a
 * struct http_client.
 */
#ifndef FERRY_MIRROR_WEB_H
#define FERRY_MIRROR_WEB_H

#include "http/http.h"
#include "mirror/mirror.h"

/* The options of requests, from m->env. */
void web_options(const struct mirror *m, struct http_options *out);
/* Opens a client with the options in m->state. */
WARN_UNUSED int web_connect(struct mirror_connection *c, struct err *e);
void web_disconnect(struct mirror_connection *c);

/* One file. A web page in place of it is no answer, unless `page`: the file is one itself. */
struct web_file {
	const char *url;
	const char *const *headers; /* as in struct http_request */
	bool page;
	bool linked; /* a redirect that has X-Linked-ETag and X-Linked-Size tells size and SHA-256:
			Hugging Face sends them for the large files of a repository
			(huggingface_hub, file_download.py) */
};
/* Size, date and ETag, by HEAD, or a GET where that is refused. */
WARN_UNUSED int web_stat(struct mirror_connection *c, const struct web_file *f,
			 struct mirror_stat *out, struct err *e);
/* As mirror_ops.get. The mirror loses MIRROR_CAN_RANGE when its server ignores the range. */
WARN_UNUSED int web_get(struct mirror_connection *c, const struct web_file *f,
			const struct mirror_range *range, const struct mirror_sink *sink,
			struct err *e);

/* Asks for the first byte of a file, and says whether it can be read, and in parts. `what` names
 * it. Negative only when it was cancelled. */
WARN_UNUSED int web_probe(struct mirror_connection *c, const struct web_file *f, const char *what,
			  struct mirror_findings *out, struct err *e);

#endif
