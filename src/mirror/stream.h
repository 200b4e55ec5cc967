/*
 * stream: one request whose body is a run of pieces of an upload, handed over one at a time, in
 * order. For servers that take an object, or a large part of it, only as one request with a
 * Content-Length. Kinds with MIRROR_IN_ORDER.
 *
 * What always holds here:
 *  - the request runs on a thread of its own, with a connection of its own;
 *  - no piece is copied: mirror_stream_put() returns when the request has taken the bytes. So at
 *    most one piece is in memory, that of the caller, and one that is read again;
 *  - a request that fails is not lost work for the caller: its error is returned by the put or
 *    finish that is waiting, or by the next one. When that is called again, the request begins
 *    anew, and reads the pieces before through how.again (mirror.h). So callers retry as they do
 *    for every other call. Without how.again such a request cannot begin anew: ERR_USAGE;
 *  - the upload's progress advances with the bytes that are sent, and goes back when they are to
 *    be sent again.
 */
#ifndef FERRY_MIRROR_STREAM_H
#define FERRY_MIRROR_STREAM_H

#include "http/http.h"
#include "mirror/mirror.h"

struct mirror_stream;

/* Sends the request, on the stream's thread: fills in a request, calls mirror_stream_body() and
 * http_perform(). It may send others before and after, and this one again: its body can be
 * read from the start as often as needed. Its result is that of the stream. */
typedef int mirror_stream_send(void *ctx, struct mirror_stream *s, struct http_client *client,
			       struct err *e);

struct mirror_stream_how {
	struct mirror_upload *upload; /* borrowed */
	uint32_t first, count;        /* pieces of the body; at least one */
	uint32_t next;                /* piece that is put first: those before are read through
					 how.again. Up to `first`: none are */
	struct http_options http;     /* of the connection */
	mirror_stream_send *send;
	void *ctx; /* borrowed */
};

/* Sends nothing before the first piece. */
struct mirror_stream *mirror_stream_new(const struct mirror_stream_how *how);
/* Ends a running request. NULL is safe. */
void mirror_stream_free(struct mirror_stream *s);
DEFINE_CLEANUP(struct mirror_stream, mirror_stream_free);

/* Sets the body of the request: read_at, body_sent, body_ctx and body_size. */
void mirror_stream_body(struct mirror_stream *s, struct http_request *q);

/* The next piece, or the same one again after an error: data has grid_length() bytes. */
WARN_UNUSED int mirror_stream_put(struct mirror_stream *s, uint32_t piece, const void *data,
				  struct err *e);
/* Waits for the answer, when every piece was put. After a success, further calls succeed. */
WARN_UNUSED int mirror_stream_finish(struct mirror_stream *s, struct err *e);

#endif
