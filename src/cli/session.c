#include "cli/session.h"

#include "cli/consent.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_VARIABLE "FERRY_MEMORY"

/* What others can change is no longer what was verified, or no longer what is trusted. */
static bool warn_of_others(struct cli *cli, const char *dir)
{
	struct err why = ERR_INIT;
	if (owner_check_dir(dir, cli_trust(cli), &why) == 0)
		return false;
	report_warn(cli->report,
		    "%s: what was verified can be replaced; if this is intended, "
		    "see safe-directory in ferry.conf(5)",
		    why.text);
	return true;
}

static void check_store(struct cli *cli, const struct store *s)
{
	CLEANUP(mem_free_ptr) char *trust = store_trust_dir(s, "");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	bool told = cli->store_checked || warn_of_others(cli, s->home) ||
		    warn_of_others(cli, trust);
	cli->store_checked = true;
	if (told || file_list_dir(trust, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *dir = path_join(trust, names.at[i]);
		warn_of_others(cli, dir);
	}
}

int session_store(struct cli *cli, struct store *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	int rc = store_home(&home, e);
	if (rc == 0)
		rc = store_open(home, out, e);
	if (rc < 0)
		return rc;
	out->cancel = cli->cancel;
	check_store(cli, out);
	out->report = cli->report;
	return 0;
}

static bool is_for_publishing(const struct settings_repositories *all)
{
	bool any = false;
	for (size_t i = 0; i < all->count; i++) {
		if (all->at[i].dir)
			return true;
		any |= all->at[i].metadata.count > 0;
	}
	return !any;
}

static int add_own(struct cli *cli, struct settings_repositories *repositories,
		   struct settings_fetch *fetch, struct http_access_list *access, struct err *e)
{
	CLEANUP(settings_repositories_release) struct settings_repositories more = { 0 };
	const struct conf *near, *own;
	int rc = cli_conf_own(cli, &own, e);
	if (rc < 0 || !own)
		return rc;
	rc = cli_conf(cli, &near, e);
	if (rc == 0 && !conf_find(near, "fetch", ""))
		rc = settings_fetch_read(own, fetch, e);
	if (rc == 0)
		rc = settings_repositories_read(own, &more, e);
	if (rc == 0)
		rc = settings_access_read(own, access, e);
	if (rc < 0)
		return rc;
	report_detail(cli->report, "%s is for publishing, so %s is read, too", near->path,
		      own->path);
	settings_repositories_add(repositories, &more);
	return 0;
}

int session_settings(struct cli *cli, struct settings_repositories *repositories,
		     struct settings_fetch *fetch, struct http_access_list *access, struct err *e)
{
	const struct conf *conf;
	int rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = settings_fetch_read(conf, fetch, e);
	if (rc == 0)
		rc = settings_repositories_read(conf, repositories, e);
	if (rc == 0)
		rc = settings_access_read(conf, access, e);
	if (rc == 0 && is_for_publishing(repositories))
		rc = add_own(cli, repositories, fetch, access, e);
	if (rc == 0 && cli->network)
		network_apply(cli->network, fetch, access);
	fetch->access = access;
	return rc;
}

/* The memory that $FERRY_MEMORY says; 0: it does not. */
static int read_memory(uint64_t *out, struct err *e)
{
	const char *given = getenv(MEMORY_VARIABLE);
	*out = 0;
	if (!given || !*given || (parse_size(given, out) && *out))
		return 0;
	return err_set(e, ERR_USAGE, MEMORY_VARIABLE "=%s: expected a size, for example 16G",
		       given);
}

static int read_settings(struct cli *cli, struct client *c, struct err *e)
{
	if (cli->network) {
		c->only = &cli->network->only;
		c->without = &cli->network->without;
	}
	int rc = session_settings(cli, &c->repositories, &c->fetch, &c->access, e);
	return rc < 0 ? rc : read_memory(&c->memory, e);
}

static int open_store(struct cli *cli, struct client *c, struct err *e)
{
	c->report = cli->report;
	c->cancel = cli->cancel;
	return session_store(cli, &c->store, e);
}

int session_client(struct cli *cli, struct client *out, struct err *e)
{
	*out = (struct client){ 0 };
	int rc = read_settings(cli, out, e);
	if (rc == 0)
		rc = open_store(cli, out, e);
	if (rc < 0)
		client_release(out);
	return rc;
}

int session_open(struct cli *cli, const char *repository, enum client_mode mode, struct client *out,
		 struct err *e)
{
	int rc = session_client(cli, out, e);
	if (rc < 0)
		return rc;
	rc = client_connect(out, repository, mode, NULL, e);
	if (rc < 0)
		client_release(out);
	return rc;
}

/* For retrieval.confirm. */
static int confirm(void *ctx, const struct retrieval *r, const struct reference *reference,
		   struct fetch_want *w, const char **instead, struct err *e)
{
	struct consent c = { ctx, &r->client, reference, &r->fitting, r->yes, NULL };
	int rc = consent_get(&c, w->remote, w->model, w->variant, &w->options, e);
	if (rc < 0 && c.instead)
		*instead = c.instead;
	return rc;
}

/* https://consoledonottrack.com/ */
static bool wants_privacy(void)
{
	const char *said = getenv("DO_NOT_TRACK");
	return said && *said && strcmp(said, "0") != 0;
}

void session_name_fetch(struct client *c)
{
	if (c->fetch.token && !wants_privacy())
		http_access_fetch(&c->access);
}

int session_retrieve(struct cli *cli, const struct reference *references, size_t count,
		     bool offline, const char *from, struct retrieval *out, struct err *e)
{
	*out = (struct retrieval){ .offline = offline, .confirm = confirm, .ctx = cli };
	int rc = open_store(cli, &out->client, e);
	if (rc < 0)
		return rc;
	/* The store may serve even if the settings are wrong. */
	(void)!read_settings(cli, &out->client, &out->why);
	session_name_fetch(&out->client);
	return retrieve_open(out, references, count, from, e);
}

void session_put_endpoints(json_t *array, struct remote *c, const char *repository)
{
	size_t count;
	const struct endpoint *p = endpoints_all(&c->endpoints, &count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *url = url_redact(p[i].source->url);
		json_t *object = json_push_object(array);
		json_put_string(object, "repository", repository);
		json_put_string(object, "url", url);
		json_put_string(object, "state", endpoints_state_name(p[i].state));
		if (p[i].has_version)
			json_put_u64(object, "version", p[i].version);
		json_put_string(object, "fault", p[i].fault[0] ? p[i].fault : NULL);
	}
}

json_t *session_endpoints_json(const struct client *s)
{
	json_t *endpoints = json_array();
	for (size_t i = 0; i < s->remotes.count; i++)
		session_put_endpoints(endpoints, s->remotes.at[i], s->remotes.at[i]->repository);
	return endpoints;
}

json_t *session_roles_json(const struct remote *c)
{
	struct tuf_role_state states[4];
	size_t count = c->tuf ? tuf_client_state(c->tuf, states) : 0;
	json_t *roles = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *role = json_push_object(roles);
		json_put_string(role, "role", states[i].role);
		json_put_u64(role, "version", states[i].version);
		json_put_time(role, "expires", states[i].expires_s);
	}
	return roles;
}
