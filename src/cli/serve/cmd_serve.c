#include "cli/serve/serve.h"

#include "auth/key.h"
#include "cli/session.h"
#include "cli/values.h"
#include "serve/serve.h"
#include "util/mem.h"
#include "util/os.h"

extern const struct command cmd_serve;

struct serve_opts {
	struct opt_list listen;
	const char *log;
	bool no_admin;
};

static const struct opt opts[] = {
	OPT_ENTRY(OPT_LIST, serve_opts, listen, 'l', "listen", "HOST:PORT",
		  "listen there, instead of where ferry.conf says, or at 127.0.0.1:8480; port 0 is "
		  "any free one, unix:/PATH a Unix socket; may be given several times"),
	OPT_HINTED(OPT_STRING, serve_opts, log, 0, "log", "FILE", HINT_FILE,
		   "write the access log there; - is standard output"),
	OPT_ENTRY(OPT_FLAG, serve_opts, no_admin, 0, "no-admin", NULL,
		  "make no Unix socket for administration"),
	OPT_LAST,
};

/* What the command has read. */
struct settings {
	struct settings_serve serve;
	struct settings_repositories repositories;
	struct settings_fetch fetch;
	struct http_access_list access;
	struct store store;
};

static void settings_release(struct settings *s)
{
	settings_serve_release(&s->serve);
	settings_repositories_release(&s->repositories);
	http_access_list_release(&s->access);
	store_close(&s->store);
}

static int apply_listen(const struct opt_list *listen, struct settings_serve *s, struct err *e)
{
	if (listen->count == 0)
		return 0;
	settings_serve_place_clear(s);
	for (size_t i = 0; i < listen->count; i++) {
		if (!settings_serve_place_add(s, listen->at[i]))
			return err_set(e, ERR_USAGE,
				       "--listen %s: expected HOST:PORT or unix:/PATH",
				       listen->at[i]);
		if (!s->listen[i].loopback && !s->anonymous_said)
			s->anonymous = false;
	}
	return 0;
}

static int apply(const struct serve_opts *o, struct settings_serve *s, struct err *e)
{
	if (o->log) {
		free(s->log);
		s->log = mem_strdup(o->log);
	}
	if (o->no_admin) {
		free(s->admin);
		s->admin = NULL;
	}
	return apply_listen(&o->listen, s, e);
}

static int read_settings(struct cli *cli, struct settings *s, struct err *e)
{
	const struct conf *conf;
	int rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = settings_serve_read(conf, &s->serve, e);
	if (rc == 0)
		rc = apply(cli->opts, &s->serve, e);
	if (rc == 0)
		rc = session_settings(cli, &s->repositories, &s->fetch, &s->access, e);
	return rc < 0 ? rc : session_store(cli, &s->store, e);
}

/* Only 401 would come of it, which clients do not show well. */
static void warn_of_nobody(struct cli *cli, const struct settings_serve *s,
			   const struct serve_sockets *sockets)
{
	CLEANUP(auth_keys_release) struct auth_keys keys = { 0 };
	struct err ignored = ERR_INIT;
	if (serve_sockets_are_open(s, sockets) || s->jwks)
		return;
	if (!s->keys)
		report_warn(cli->report, "nobody may pull: callers without credentials may not, "
					 "and [serve] has neither keys nor jwks");
	else if (auth_keys_load(s->keys, &keys, &ignored) == 0 && keys.count == 0)
		report_warn(cli->report, "nobody may pull: callers without credentials may not, "
					 "and there is no key yet: `ferry serve key new NAME`");
}

struct starting {
	struct cli *cli;
	const struct settings_serve *set;
};

/* The document is printed as soon as it serves, so that whoever started it can go on. */
static int ready(void *ctx, const struct serve_sockets *sockets, struct err *e)
{
	const struct starting *starting = ctx;
	struct cli *cli = starting->cli;
	warn_of_nobody(cli, starting->set, sockets);
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *listening = json_put_array(document, "listening");
	for (size_t i = 0; i < sockets->count; i++) {
		const struct serve_socket *s = &sockets->at[i];
		json_t *row = json_push_object(listening);
		json_put_string(row, "url", s->shown);
		json_put_bool(row, "everywhere", s->everywhere);
		json_put_bool(row, "admin", s->admin);
		report_note(cli->report, "serving at %s%s", s->shown,
			    s->admin        ? ", for administration"
			    : s->everywhere ? ", and at every other address of this machine"
					    : "");
	}
	int rc = cli_result(cli, document, e);
	return rc < 0 ? rc : cli_flush(e);
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(settings_release) struct settings s = { 0 };
	os_pool_memory();
	int rc = read_settings(cli, &s, e);
	if (rc < 0)
		return rc;
	struct starting starting = { .cli = cli, .set = &s.serve };
	const struct serve_options o = {
		.set = &s.serve,
		.repositories = &s.repositories,
		.fetch = &s.fetch,
		.access = &s.access,
		.home = s.store.home,
		.kinds = mirror_kinds_client,
		.cancel = cli->cancel,
		.report = cli->report,
		.ready = ready,
		.ctx = &starting,
	};
	return serve_run(&o, e);
}

const struct command cmd_serve = {
	.name = "serve",
	.summary = "be a verified mirror for the machines near this one",
	.description = "Serves repositories over HTTP until it is stopped. What it does not have "
		       "it fetches from their mirrors, once for all who ask, and nothing is sent "
		       "before it was verified.",
	.opts = opts,
	.opts_size = sizeof(struct serve_opts),
	.subs = (const struct command *const[]){ &cmd_serve_key, NULL },
	.run = run,
	.values = values_client,
};
