#include "mirror/git.h"

#include "mirror/kinds.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK (256 * KIB)

static const char *const keys[] = { "remote",  "branch",      "prefix",     "author",
				    "ssh-key", "known-hosts", "max-object", NULL };

/* ---- settings -------------------------------------------------------------------- */

/* FERRY_ENDPOINT_META, for [mirror.meta], takes precedence over the file. */
static const char *remote_of(const struct mirror *m, const struct conf_section *s)
{
	const char *set = mirror_variable(m, "FERRY_ENDPOINT_", "");
	return set ? set : conf_get(s, "remote");
}

static int read_remote(const struct mirror *m, const struct conf *c, const struct conf_section *s,
		       struct mirror_git_remote *out, struct err *e)
{
	const char *given = remote_of(m, s);
	struct err why = ERR_INIT;
	if (!given || !*given)
		return conf_err(c, s, given ? "remote" : NULL, e,
				"a mirror of kind git needs 'remote'");
	CLEANUP(mem_free_ptr) char *path = given[0] == '.' || str_starts(given, "~/")
						   ? conf_get_path(c, s, "remote")
						   : mem_strdup(given);
	if (mirror_git_remote_parse(path, out, &why) < 0)
		return conf_err(c, s, "remote", e, "%s", why.text);
	return 0;
}

static int read_branch(const struct conf *c, const struct conf_section *s, char **out,
		       struct err *e)
{
	const char *given = conf_get(s, "branch");
	CLEANUP(mem_free_ptr) char *ref = mem_printf("refs/heads/%s", given ? given : "main");
	int valid = 0;
	if (git_reference_name_is_valid(&valid, ref) < 0 || !valid || strpbrk(ref, "*"))
		return conf_err(c, s, "branch", e, "'%.100s' is not a valid name of a branch",
				given);
	*out = mem_strdup(given ? given : "main");
	return 0;
}

static int read_prefix(const struct conf *c, const struct conf_section *s, char **out,
		       struct err *e)
{
	const char *given = conf_get(s, "prefix");
	size_t len = given ? strlen(given) : 0;
	while (len && given[len - 1] == '/')
		len--;
	CLEANUP(mem_free_ptr) char *bare = mem_strndup(given ? given : "", len);
	if (len && !path_is_key(bare))
		return conf_err(c, s, "prefix", e, "'%.100s' is not a valid prefix", given);
	*out = mem_printf("%s%s", bare, len ? "/" : "");
	return 0;
}

/* Faults of the settings are told when the mirror is opened. */
static char *git_reader_url(const struct conf_section *s)
{
	CLEANUP(mirror_git_remote_release) struct mirror_git_remote r = { 0 };
	const char *remote = conf_get(s, "remote"), *branch = conf_get(s, "branch");
	const char *given = conf_get(s, "prefix") ? conf_get(s, "prefix") : "";
	size_t len = strlen(given);
	struct err ignored = ERR_INIT;
	if (!remote || mirror_git_remote_parse(remote, &r, &ignored) < 0)
		return NULL;
	while (len && given[len - 1] == '/')
		len--;
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("%.*s%s", (int)len, given, len ? "/" : "");
	return mirror_git_remote_raw_url(&r, branch ? branch : "main", prefix);
}

/* "Name <email>" */
static int read_author(const struct conf *c, const struct conf_section *s, struct mirror_git *g,
		       struct err *e)
{
	const char *given = conf_get(s, "author");
	const char *open = given ? strchr(given, '<') : NULL;
	size_t len = open ? (size_t)(open - given) : 0;
	while (len && given[len - 1] == ' ')
		len--;
	if (!given)
		return 0;
	if (!len || strcspn(open + 1, "<>") != strlen(open) - 2 || !str_ends(open, ">") ||
	    strlen(open) < 3)
		return conf_err(c, s, "author", e, "author: must be NAME <EMAIL>, not '%.100s'",
				given);
	g->name = mem_strndup(given, len);
	g->email = mem_strndup(open + 1, strlen(open) - 2);
	return 0;
}

/* ---- the local clone ------------------------------------------------------------- */

/* Without a state folder, it is kept for as long as the mirror is open. */
static int find_dir(struct mirror *m, struct err *e)
{
	struct mirror_git *g = m->state;
	char hex[DIGEST_HEX];
	struct digest d;
	const char *tmp = getenv("TMPDIR");
	sha256_of(m->place, strlen(m->place), &d);
	digest_hex(hex, &d);
	if (m->env.state_dir) {
		g->dir = mem_printf("%s/%s-%.8s.git", m->env.state_dir, m->id, hex);
		return 0;
	}
	g->dir = mem_printf("%s/ferry-git-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	g->temporary = mkdtemp(g->dir) != NULL;
	return g->temporary ? 0 : err_set(e, ERR_SYSTEM, "cannot make the folder %s", g->dir);
}

static int git_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		    struct err *e)
{
	struct mirror_git *g = NEW(struct mirror_git);
	m->state = g;
	pthread_mutex_init(&g->lock, NULL);
	mirror_git_start_library();
	m->can = MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_CAN_RANGE | MIRROR_CAN_COPY |
		 MIRROR_CAN_CREATE_ONLY | MIRROR_CAN_REPLACE_IF;
	m->max_object = MIRROR_GIT_MAX_OBJECT;
	g->http = (struct http_options){
		.stall_s = m->env.stall_s,
		.rate = m->env.rate,
		.cancel = m->env.cancel,
		.clock = m->env.clock,
	};
	int rc = conf_get_size(c, s, "max-object", &m->max_object, e);
	if (rc == 0)
		rc = read_remote(m, c, s, &g->remote, e);
	if (rc == 0)
		rc = read_branch(c, s, &g->branch, e);
	if (rc == 0)
		rc = read_prefix(c, s, &g->prefix, e);
	if (rc == 0)
		rc = read_author(c, s, g, e);
	if (rc < 0)
		return rc;
	g->ssh_key = conf_get_path(c, s, "ssh-key");
	g->known_hosts = conf_get_path(c, s, "known-hosts");
	m->place = mem_printf("%s#%s:%s", g->remote.url, g->branch, g->prefix);
	return 0;
}

static void remove_dir(const char *dir)
{
	CLEANUP(mem_free_ptr) char *lock = mem_printf("%s.lock", dir);
	struct err ignored = ERR_INIT;
	file_remove_tree(dir);
	(void)!file_remove(lock, &ignored);
}

static void git_close(struct mirror *m)
{
	struct mirror_git *g = m->state;
	mirror_git_close_repository(g);
	mirror_git_unstage_all(g);
	mirror_git_partials_free(g);
	if (g->temporary)
		remove_dir(g->dir);
	mirror_git_remote_release(&g->remote);
	pthread_mutex_destroy(&g->lock);
	free(g->branch);
	free(g->prefix);
	free(g->name);
	free(g->email);
	free(g->ssh_key);
	free(g->known_hosts);
	free(g->dir);
	free(g);
	m->state = NULL;
}

/* All threads share what there is; but it is a server. */
static int git_connect(struct mirror_connection *c, struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	pthread_mutex_lock(&g->lock);
	int rc = g->dir ? 0 : find_dir(c->mirror, e);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* ---- reading --------------------------------------------------------------------- */

static int git_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		    struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	git_oid id;
	pthread_mutex_lock(&g->lock);
	int rc = mirror_git_find(c->mirror, key, &id, e);
	if (rc == 0)
		rc = mirror_git_describe(g, &id, out, e);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static int find_blob(struct mirror *m, const char *key, git_blob **out, struct err *e)
{
	struct mirror_git *g = m->state;
	git_oid id;
	pthread_mutex_lock(&g->lock);
	int rc = mirror_git_find(m, key, &id, e);
	if (rc == 0 && git_blob_lookup(out, g->repo, &id) < 0)
		rc = mirror_git_failed("the local clone", e);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static int send(const struct mirror *m, const git_blob *blob, const struct mirror_range *r,
		const struct mirror_sink *sink, struct err *e)
{
	uint64_t size = (uint64_t)git_blob_rawsize(blob);
	bool all = r->length == UINT64_MAX;
	if (r->offset > size || (!all && r->length > size - r->offset))
		return err_set(e, ERR_INTEGRITY,
			       "has only %llu bytes there, but bytes %llu-%llu were requested",
			       (unsigned long long)size, (unsigned long long)r->offset,
			       (unsigned long long)(all ? r->offset : r->offset + r->length - 1));
	uint64_t len = all ? size - r->offset : r->length;
	const char *data = (const char *)git_blob_rawcontent(blob) + r->offset;
	int rc = 0;
	for (uint64_t at = 0; at < len && rc == 0; at += CHUNK) {
		rc = cancel_check(m->env.cancel, e);
		if (rc == 0)
			rc = sink->write(sink->ctx, data + at, (size_t)MIN(len - at, CHUNK), e);
	}
	return rc;
}

static int git_get(struct mirror_connection *c, const struct mirror_range *r,
		   const struct mirror_sink *sink, struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	git_blob *blob = NULL;
	int rc = find_blob(c->mirror, r->key, &blob, e);
	if (rc == 0)
		rc = send(c->mirror, blob, r, sink, e);
	pthread_mutex_lock(&g->lock);
	git_blob_free(blob);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* ---- changing what is there ------------------------------------------------------ */

static int git_copy(struct mirror_connection *c, const char *from, const char *to, struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	git_oid id;
	pthread_mutex_lock(&g->lock);
	int rc = mirror_git_find(c->mirror, from, &id, e);
	if (rc == 0)
		rc = mirror_git_stage(c->mirror, to, &id, e);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static int git_remove(struct mirror_connection *c, const char *key, struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	struct err absent = ERR_INIT;
	git_oid id;
	pthread_mutex_lock(&g->lock);
	int rc = mirror_git_find(c->mirror, key, &id, &absent);
	if (rc == 0)
		rc = mirror_git_stage(c->mirror, key, NULL, e);
	else if (rc == -ERR_NOT_FOUND)
		rc = 0;
	else
		*e = absent;
	pthread_mutex_unlock(&g->lock);
	return rc;
}

const struct mirror_ops mirror_git = {
	.kind = "git",
	.keys = keys,
	.metadata_only = true,
	.removes_later = true,
	.reader_url = git_reader_url,
	.connections = 1,
	.open = git_open,
	.close = git_close,
	.connect = git_connect,
	.stat = git_stat,
	.get = git_get,
	.list = mirror_git_list,
	.copy = git_copy,
	.remove = git_remove,
	.upload_open = mirror_git_upload_open,
	.upload_put = mirror_git_upload_put,
	.upload_commit = mirror_git_upload_commit,
	.upload_close = mirror_git_upload_close,
	.upload_abandon = mirror_git_upload_abandon,
	.publish = mirror_git_publish,
	.preflight = mirror_git_preflight,
	.probe = mirror_git_probe,
	.setup = mirror_git_setup,
};
