#include "fetch/remote.h"

#include "settings/mirrors.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_RETRIES 5
#define ROOT_MAX 512000
#define TARGETS_MOST GIB

/* -- configuration --------------------------------------------------------------------- */

static int read_fetch_section(const struct conf *c, struct remote *client, struct err *e)
{
	static const char *const keys[] = { "limit-rate", "stall-time", "retries",
					    "timestamp-deadline", NULL };
	const struct conf_section *s = conf_find(c, "fetch", "");
	uint64_t retries = DEFAULT_RETRIES, deadline_s = ENDPOINTS_DEADLINE_MS / 1000;
	if (!s)
		return 0;
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = conf_get_size(c, s, "limit-rate", &client->limit_rate, e);
	if (rc == 0)
		rc = conf_get_duration(c, s, "stall-time", &client->sources.stall_s, e);
	if (rc == 0)
		rc = conf_get_u64(c, s, "retries", &retries, e);
	if (rc == 0 && (retries < 1 || retries > 1000))
		rc = conf_err(c, s, "retries", e, "retries: from 1 to 1000");
	if (rc == 0)
		client->sources.max_failures = (unsigned)retries;
	if (rc == 0)
		rc = conf_get_duration(c, s, "timestamp-deadline", &deadline_s, e);
	if (rc == 0 && (deadline_s < 1 || deadline_s > 600))
		rc = conf_err(c, s, "timestamp-deadline", e, "timestamp-deadline: from 1s to 10m");
	client->transport.deadline_ms = deadline_s * 1000;
	return rc;
}

/* A folder may stand for its file:// URL. */
static char *endpoint_url(const struct conf *c, const char *word)
{
	if (strstr(word, "://"))
		return mem_strdup(word);
	CLEANUP(mem_free_ptr) char *joined = path_join(c->dir ? c->dir : ".", word);
	CLEANUP(mem_free_ptr) char *path = path_absolute(joined);
	return path_file_url(path);
}

static int add_endpoints(const struct conf *c, const struct conf_section *s,
			 struct remote *client, struct err *e)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	conf_get_words(s, "metadata", &words);
	if (!words.count) {
		conf_err(c, s, NULL, e, "[repository.%s] has no 'metadata'", s->name);
		return err_hint(e, "add: metadata = URL of a mirror (with metadata/ and targets/ "
				   "below it); or let `ferry repository add` write the section");
	}
	for (size_t i = 0; i < words.count; i++) {
		CLEANUP(mem_free_ptr) char *url = endpoint_url(c, words.at[i]);
		if (!str_starts(url, "file:") && !str_starts(url, "http://") &&
		    !str_starts(url, "https://"))
			return conf_err(c, s, "metadata", e, "'%s' is not a file://, http:// or "
					"https:// URL", words.at[i]);
		struct source *source = source_add(&client->sources, NULL, url, true);
		source->metadata = source->objects = true;
	}
	return 0;
}

/* -- the first root -------------------------------------------------------------------- */

static int refuse_unpinned(const struct conf *c, const struct conf_section *s, struct err *e)
{
	conf_err(c, s, NULL, e, "[repository.%s] names no root to begin the trust with", s->name);
	return err_hint(e, "get 1.root.json or its SHA-256 from the publisher on a way that you "
			   "trust, and add root = FILE or root-sha256 = HEX to the section. "
			   "Without a section yet: `ferry repository add %s URL --root FILE`",
			s->name);
}

static int begin_with_file(const char *dir, const char *root, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(ROOT_MAX);
	struct err why = ERR_INIT;
	int rc = file_read_all(root, &bytes, &why);
	/* Trust that has begun does not need the file any more. */
	if (rc == -ERR_NOT_FOUND && tuf_client_is_initialised(dir))
		return 0;
	if (rc < 0) {
		*e = why;
		err_class_set(e, ERR_USAGE);
		return err_context(e, "the pinned root");
	}
	rc = tuf_client_init(dir, buf_str(&bytes), bytes.len, e);
	/* A fault of the trust folder is none of this file's. */
	return rc < 0 && !err_is(e, ERR_SYSTEM) ? err_context(e, "%s", root) : rc;
}

static int begin_with_digest(struct remote *client, const char *dir, const char *hex, bool anew,
			     struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(ROOT_MAX);
	struct digest want, pinned;
	if (!digest_parse(&want, hex))
		return err_set(e, ERR_USAGE, "root-sha256 is not a SHA-256 in hex");
	if (!anew && tuf_client_is_initialised(dir)) {
		if (!tuf_client_pinned(dir, &pinned) || digest_equal(&pinned, &want))
			return 0;
		err_set(e, ERR_CONFLICT, "%s began with another root than root-sha256 says", dir);
		return err_hint(e, "if the publisher began anew, remove %s; be sure of the new "
				   "root first", dir);
	}
	int rc = endpoints_first_root(&client->transport, &want, &bytes, e);
	return rc < 0 ? rc : tuf_client_init(dir, buf_str(&bytes), bytes.len, e);
}

/* anew: what is stored is damaged. */
static int begin_trust(const struct conf *c, const struct conf_section *s, struct remote *client,
		       const char *dir, bool anew, struct err *e)
{
	CLEANUP(mem_free_ptr) char *root = conf_get_path(c, s, "root");
	const char *hex = conf_get(s, "root-sha256");
	if (client->offline && tuf_client_is_initialised(dir))
		return 0;
	if (root)
		return begin_with_file(dir, root, e);
	if (hex && !client->offline)
		return begin_with_digest(client, dir, hex, anew, e);
	if (!hex && !tuf_client_is_initialised(dir))
		return refuse_unpinned(c, s, e);
	return 0;
}

/* -- trust ------------------------------------------------------------------------------- */

static int offline_hint(const struct remote *c, struct err *e)
{
	if (!c->offline || (!err_is(e, ERR_NOT_FOUND) && !err_is(e, ERR_INTEGRITY)))
		return -(int)e->class;
	return c->store->read_only
		       ? err_hint(e, "it would be fetched, but the store %s is read-only: make it "
				     "writable for you, or set FERRY_HOME to another", c->store->home)
		       : err_hint(e, "run the same command once without --offline");
}

static int open_trust(const struct conf *c, const struct conf_section *s, struct remote *client,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = store_trust_dir(client->store, client->repository);
	struct tuf_transport transport = endpoints_tuf(&client->transport);
	int64_t now_s = clock_wall_s(client->sources.clock);
	struct tuf_limits limits = tuf_limits_default;
	struct err why = ERR_INIT;
	uint64_t most = limits.targets;
	int rc = conf_get_size(c, s, "targets-max-size", &most, e);
	if (rc == 0 && (most == 0 || most > TARGETS_MOST))
		rc = conf_err(c, s, "targets-max-size", e, "targets-max-size: from 1 to 1G");
	limits.targets = (size_t)most;
	if (rc == 0)
		rc = begin_trust(c, s, client, dir, false, e);
	if (rc < 0)
		return rc;
	rc = tuf_client_open(dir, &transport, &limits, now_s, &client->tuf, &why);
	if (rc == -ERR_INTEGRITY && !client->offline && conf_get(s, "root-sha256")) {
		/* Damaged: the digest is still a place to begin. */
		report_warn(client->report, "%s; beginning again from root-sha256", why.text);
		rc = begin_trust(c, s, client, dir, true, e);
		if (rc == 0)
			rc = tuf_client_open(dir, &transport, &limits, now_s, &client->tuf, e);
		return rc;
	}
	if (rc < 0)
		*e = why;
	return rc;
}

static void tell_endpoints(struct remote *client)
{
	size_t count;
	const struct endpoint *p = endpoints_all(&client->transport, &count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *version = p[i].has_version
			? mem_printf(", timestamp version %llu", (unsigned long long)p[i].version)
			: mem_strdup("");
		report_detail(client->report, "%s: endpoint %s: %s%s%s%s", client->repository,
			      p[i].source->id, endpoint_state_name(p[i].state), version,
			      p[i].fault[0] ? ": " : "", p[i].fault);
	}
}

/* Completes what the TUF client says: which endpoint it was, and the way out. */
static int metadata_fault(struct remote *c, struct err *e)
{
	if (c->offline || !err_is(e, ERR_INTEGRITY))
		return offline_hint(c, e);
	if (c->transport.unnamed)
		err_context(e, "%s", c->transport.unnamed->source->id);
	return err_hint(e, "this is not what the publisher signed: add another mirror's URL to "
			   "'metadata', or tell the publisher");
}

int remote_find(struct remote *c, const char *path, struct tuf_target *out, struct err *e)
{
	int rc = tuf_client_target(c->tuf, path, out, e);
	return rc < 0 ? metadata_fault(c, e) : 0;
}

static int refresh(struct remote *client, struct err *e)
{
	if (!client->offline) {
		int rc = tuf_client_refresh(client->tuf, e);
		endpoints_finish(&client->transport);
		tell_endpoints(client);
		return rc < 0 ? metadata_fault(client, e) : 0;
	}
	int rc = tuf_client_load_offline(client->tuf, &client->expired, e);
	if (rc < 0)
		return metadata_fault(client, e);
	if (client->expired)
		report_warn(client->report, "%s: the %s metadata has expired; what it says may be "
			    "out of date", client->repository, client->expired);
	return rc;
}

/* -- small targets ----------------------------------------------------------------------- */

char *remote_target_key(const struct remote *c, const char *path, const struct tuf_target *t)
{
	CLEANUP(mem_free_ptr) char *name = tuf_client_target_name(c->tuf, path, t);
	return mem_printf("targets/%s", name);
}

static char *cache_path(const struct remote *c, const struct digest *d)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *dir = store_cache_dir(c->store, c->repository);
	return path_join(dir, digest_hex(hex, d));
}

static bool cache_load(const char *path, const struct tuf_target *t, struct buf *out)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT(t->length);
	struct err ignored = ERR_INIT;
	struct digest d;
	if (file_read_all(path, &got, &ignored) < 0)
		return false;
	sha256_of(buf_str(&got), got.len, &d);
	if (got.len != t->length || !digest_equal(&d, &t->sha256))
		return false;
	/* gc takes what was not used for long. */
	utimensat(AT_FDCWD, path, NULL, 0);
	buf_release(out);
	*out = got;
	got = (struct buf)BUF_INIT(0);
	return true;
}

static int download(struct remote *c, const char *path, const struct tuf_target *t,
		    const char *cached, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = remote_target_key(c, path, t);
	if (c->offline) {
		err_set(e, ERR_NOT_FOUND, "%s: %s is not in the store", c->repository, path);
		return offline_hint(c, e);
	}
	int rc = source_get_small(&c->sources, key, t->length, &t->sha256, out, e);
	if (rc == 0)
		rc = file_mkdirs_for(cached, 0755, e);
	return rc < 0 ? rc : file_write_atomic(cached, buf_str(out), out->len, 0644, e);
}

int remote_target(struct remote *c, const char *path, uint64_t max_bytes, struct buf *out,
		  struct err *e)
{
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	int rc = remote_find(c, path, &t, e);
	if (rc < 0)
		return rc;
	if (t.length > max_bytes)
		return err_set(e, ERR_INTEGRITY, "%s: %llu bytes are more than the %llu allowed", path,
			       (unsigned long long)t.length, (unsigned long long)max_bytes);
	CLEANUP(mem_free_ptr) char *cached = cache_path(c, &t.sha256);
	return cache_load(cached, &t, out) ? 0 : download(c, path, &t, cached, out, e);
}

/* -- the catalog --------------------------------------------------------------------------- */

/* Mirrors that this program can read. */
static bool is_readable(const struct catalog_mirror *m)
{
	return catalog_mirror_has_files(m) &&
	       (str_starts(m->url, "file:") || str_starts(m->url, "http://") ||
		str_starts(m->url, "https://"));
}

/* The catalog's mirrors in their order, then the endpoints that are none of them. */
static void rank_sources(struct remote *c)
{
	struct source_list *l = &c->sources;
	size_t placed = 0;
	for (size_t i = 0; i < c->catalog.mirror_count; i++) {
		const struct catalog_mirror *m = &c->catalog.mirrors[i];
		if (!is_readable(m))
			continue;
		struct source *s = source_add(l, m->id, m->url, false);
		s->objects = true;
		size_t at = placed;
		while (at < l->count && l->at[at] != s)
			at++;
		if (at == l->count)
			continue;       /* the same place under a second id */
		memmove(l->at + placed + 1, l->at + placed, (at - placed) * sizeof *l->at);
		l->at[placed++] = s;
	}
}

static int load_catalog(struct remote *c, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	int rc = remote_target(c, CATALOG_TARGET, CATALOG_MAX_BYTES, &bytes, e);
	if (rc == 0)
		rc = catalog_parse(buf_str(&bytes), bytes.len, CATALOG_TARGET, &c->catalog, e);
	if (rc == 0)
		rank_sources(c);
	return rc;
}

/* -- opening ------------------------------------------------------------------------------- */

static int configure(const struct conf *c, const struct conf_section *s, struct remote *client,
		     struct err *e)
{
	int rc = conf_check_keys(c, s, catalog_repository_keys, e);
	if (rc == 0 && !path_is_id(s->name))
		rc = conf_err(c, s, NULL, e, "'%s' cannot be a repository's name", s->name);
	if (rc == 0)
		rc = read_fetch_section(c, client, e);
	if (rc == 0)
		rc = add_endpoints(c, s, client, e);
	return rc;
}

static int connect_trust(const struct conf *c, const struct conf_section *s,
			 struct remote *client, struct err *e)
{
	int rc = open_trust(c, s, client, e);
	if (rc == 0)
		rc = refresh(client, e);
	if (rc == 0)
		rc = load_catalog(client, e);
	return rc < 0 ? err_context(e, "repository %s", client->repository) : 0;
}

/* Reads the configuration and asks nobody. */
static int prepare(const struct conf *c, const char *repository, const struct store *s,
		   const struct remote_options *options, const struct conf_section **section,
		   struct remote **out, struct err *e)
{
	*section = conf_find(c, "repository", repository);
	if (!*section) {
		err_set(e, ERR_NOT_FOUND, "there is no [repository.%s] in %s", repository,
			c->path ? c->path : "ferry.conf");
		return err_hint(e, "see ferry.conf(5), or `ferry repository list`");
	}
	CLEANUP_PTR(remote_free) struct remote *client = NEW(struct remote);
	client->repository = mem_strdup(repository);
	client->store = s;
	client->report = options->report;
	client->offline = options->offline || s->read_only;
	client->sources = (struct source_list){ .kinds = options->kinds,
						.cancel = options->cancel,
						.clock = options->clock,
						.max_failures = DEFAULT_RETRIES };
	endpoints_init(&client->transport, &client->sources);
	if (s->read_only && !options->offline)
		report_warn(options->report, "the store %s is read-only: using what is in it",
			    s->home);
	if (configure(c, *section, client, e) < 0)
		return err_context(e, "repository %s", repository);
	*out = STEAL(client);
	return 0;
}

int remote_open(const struct conf *c, const char *repository, const struct store *s,
		const struct remote_options *options, struct remote **out, struct err *e)
{
	const struct conf_section *section;
	CLEANUP_PTR(remote_free) struct remote *client = NULL;
	int rc = prepare(c, repository, s, options, &section, &client, e);
	if (rc == 0)
		rc = connect_trust(c, section, client, e);
	if (rc < 0)
		return rc;
	*out = STEAL(client);
	return 0;
}

int remote_inspect(const struct conf *c, const char *repository, const struct store *s,
		   const struct remote_options *options, struct remote **out, struct err *why,
		   struct err *e)
{
	const struct conf_section *section;
	struct err ignored = ERR_INIT;
	CLEANUP_PTR(remote_free) struct remote *client = NULL;
	const char *unused;
	int rc = prepare(c, repository, s, options, &section, &client, e);
	if (rc < 0)
		return rc;
	rc = connect_trust(c, section, client, why);
	if (rc == -ERR_CANCELLED) {
		*e = *why;
		return rc;
	}
	if (rc == -ERR_INTEGRITY && client->tuf)
		client->expired = tuf_client_expired(client->tuf);
	/* What was trusted before. */
	if (rc < 0 && client->tuf && tuf_client_load_offline(client->tuf, &unused, &ignored) < 0)
		err_clear(&ignored);
	*out = STEAL(client);
	return 0;
}

void remote_free(struct remote *c)
{
	if (!c)
		return;
	tuf_client_close(c->tuf);
	catalog_release(&c->catalog);
	endpoints_release(&c->transport);
	source_list_release(&c->sources);
	free(c->repository);
	free(c);
}
