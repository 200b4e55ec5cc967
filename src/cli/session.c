#include "cli/session.h"

#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

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
		   struct settings_fetch *fetch, struct err *e)
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
	if (rc < 0)
		return rc;
	report_detail(cli->report, "%s is for publishing, so %s is read, too", near->path,
		      own->path);
	settings_repositories_add(repositories, &more);
	return 0;
}

int session_settings(struct cli *cli, struct settings_repositories *repositories,
		     struct settings_fetch *fetch, struct err *e)
{
	const struct conf *conf;
	int rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = settings_fetch_read(conf, fetch, e);
	if (rc == 0)
		rc = settings_repositories_read(conf, repositories, e);
	if (rc == 0 && is_for_publishing(repositories))
		rc = add_own(cli, repositories, fetch, e);
	return rc;
}

int session_open(struct cli *cli, const char *repository, enum session_mode mode,
		 struct session *out, struct err *e)
{
	return session_open_from(cli, repository, mode, NULL, out, e);
}

int session_open_from(struct cli *cli, const char *repository, enum session_mode mode,
		      const char *from, struct session *out, struct err *e)
{
	CLEANUP(session_release) struct session s = { 0 };
	const struct remote_options options = {
		.offline = mode == SESSION_OFFLINE,
		.hurry = mode == SESSION_HURRY,
		.strict = from,
		.only_from = from,
		.report = cli->report,
		.cancel = cli->cancel,
		.kinds = mirror_kinds_client,
	};
	CLEANUP(settings_repositories_release) struct settings_repositories all = { 0 };
	struct settings_fetch fetch;
	int rc = session_settings(cli, &all, &fetch, e);
	if (rc == 0)
		rc = session_store(cli, &s.store, e);
	if (rc < 0)
		return rc;
	/* Put it in its final place first, because the sessions keep its address. */
	*out = s;
	s = (struct session){ 0 };
	rc = remotes_open(&all, &fetch, repository, &out->store, &options, &out->remotes, e);
	if (rc < 0)
		session_release(out);
	return rc;
}

void session_release(struct session *s)
{
	remotes_release(&s->remotes);
	store_close(&s->store);
}

static void put_source(json_t *object, const char *repository, const struct source *s)
{
	CLEANUP(mem_free_ptr) char *url = url_redact(s->url);
	json_put_string(object, "repository", repository);
	json_put_string(object, "id", s->id);
	json_put_string(object, "url", url);
	json_put_bool(object, "endpoint", s->endpoint);
	json_put_u64(object, "bytes", s->bytes);
	json_put_u64(object, "wasted", s->wasted);
	json_put_bool(object, "banned", s->banned);
	json_t *faults = json_put_array(object, "faults");
	for (size_t f = 0; f < FAULT_KINDS; f++) {
		if (!s->faults[f])
			continue;
		json_t *fault = json_push_object(faults);
		json_put_string(fault, "fault", source_fault_name((enum source_fault)f));
		json_put_u64(fault, "count", s->faults[f]);
		json_put_string(fault, "detail", s->detail[f]);
	}
}

json_t *session_sources_json(const struct session *s)
{
	json_t *sources = json_array();
	for (size_t i = 0; i < s->remotes.count; i++) {
		const struct remote *c = s->remotes.at[i];
		for (size_t j = 0; j < c->sources.count; j++) {
			const struct source *source = c->sources.at[j];
			if (source->bytes || source->wasted || source_has_faults(source))
				put_source(json_push_object(sources), c->repository, source);
		}
	}
	return sources;
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

json_t *session_endpoints_json(const struct session *s)
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

void session_tell_faults(struct cli *cli, const struct session *s)
{
	for (size_t i = 0; i < s->remotes.count; i++) {
		const struct source_list *l = &s->remotes.at[i]->sources;
		for (size_t j = 0; j < l->count; j++) {
			CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
			source_describe(l->at[j], &text);
			if (text.len)
				report_warn(cli->report, "mirror %s: %s", l->at[j]->id,
					    buf_str(&text));
		}
	}
}
