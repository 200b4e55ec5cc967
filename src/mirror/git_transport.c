/* libgit2 asks for a transport, then for a stream for each service of the server. */
#include "mirror/git.h"

#include "util/mem.h"

#include <git2/sys/transport.h>
#include <string.h>

struct subtransport {
	git_smart_subtransport parent; /* first, so that it can be found again */
	struct mirror_git_line line;
	struct stream *program; /* libgit2 wants the same one for all services of a program */
};

struct stream {
	git_smart_subtransport_stream parent; /* the same */
	struct mirror_git_line *line;
};

/* Our own error is in call->why: libgit2 has only to stop. */
static int result(int rc)
{
	return rc < 0 ? GIT_EUSER : 0;
}

static int stream_read(git_smart_subtransport_stream *s, char *data, size_t size, size_t *len)
{
	struct mirror_git_line *w = ((struct stream *)s)->line;
	return result(w->ops->read(w, data, size, len, &w->call->why));
}

static int stream_write(git_smart_subtransport_stream *s, const char *data, size_t len)
{
	struct mirror_git_line *w = ((struct stream *)s)->line;
	return result(w->ops->write(w, data, len, &w->call->why));
}

static void stream_free(git_smart_subtransport_stream *s)
{
	((struct subtransport *)s->subtransport)->program = NULL;
	free(s);
}

static int begin(git_smart_subtransport_stream **out, git_smart_subtransport *t, const char *url,
		 git_smart_service_t service)
{
	struct subtransport *own = (struct subtransport *)t;
	struct mirror_git_line *w = &own->line;
	bool list = service == GIT_SERVICE_UPLOADPACK_LS || service == GIT_SERVICE_RECEIVEPACK_LS;
	(void)url;
	atomic_fetch_add(&w->call->m->requests, 1);
	int rc = w->ops->begin(w, list, &w->call->why);
	if (rc < 0)
		return result(rc);
	struct stream *s = own->program ? own->program : NEW(struct stream);
	*s = (struct stream){
		.parent = {
			.subtransport = t,
			.read = stream_read,
			.write = stream_write,
			.free = stream_free,
		},
		.line = w,
	};
	if (w->ops == &mirror_git_exec)
		own->program = s;
	*out = &s->parent;
	return 0;
}

static int end(git_smart_subtransport *t)
{
	struct mirror_git_line *w = &((struct subtransport *)t)->line;
	w->ops->end(w);
	return 0;
}

static void subtransport_free(git_smart_subtransport *t)
{
	end(t);
	free(t);
}

static int make(git_smart_subtransport **out, git_transport *owner, void *param)
{
	struct mirror_git_call *call = param;
	struct subtransport *t = NEW(struct subtransport);
	(void)owner;
	*t = (struct subtransport){
		.parent = { .action = begin, .close = end, .free = subtransport_free },
		.line = {
			.ops = call->g->remote.way == MIRROR_GIT_HTTP ? &mirror_git_http
								      : &mirror_git_exec,
			.call = call,
		},
	};
	*out = &t->parent;
	return 0;
}

int mirror_git_transport(git_transport **out, git_remote *owner, void *payload)
{
	struct mirror_git_call *call = payload;
	git_smart_subtransport_definition how = {
		.callback = make,
		.rpc = call->g->remote.way == MIRROR_GIT_HTTP,
		.param = call,
	};
	return git_transport_smart(out, owner, &how);
}
