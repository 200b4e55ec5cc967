#include "fetch/remote_add.h"

#include "fetch/remote_add_internal.h"
#include "http/url.h"
#include "tuf/claim.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH ".adding-"
#define SCRATCH_AGE_S 3600
#define LOCK_WAIT_MS 10000 /* it is held only while files are written */

/* -- checking what was given --------------------------------------------------------------- */

static int check_name(const char *name, struct err *e)
{
	if (path_is_id(name))
		return 0;
	err_set(e, ERR_USAGE, "'%s' is not a valid name for a repository", name);
	return err_hint(e, "use at most 64 characters from a-z, 0-9, '.', '_' and '-'");
}

static int read_root(const char *path, struct buf *root, struct err *e)
{
	if (file_read_named(path, root, e) == 0)
		return 0;
	err_class_set(e, ERR_USAGE);
	err_context(e, "the pinned root");
	return err_hint(e, "give the 1.root.json of the publisher with --root");
}

/* -- the section ----------------------------------------------------------------------------- */

char *remote_add_pin_path(const char *conf_path, const char *name)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(conf_path);
	return mem_printf("%s/%s.root.json", dir, name);
}

static void write_section(const struct remote_adding *a, struct buf *out)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.root.json", a->name);
	const struct join section = { .name = a->name, .urls = a->urls, .root = a->root };
	if (!a->pin) {
		join_section(&section, out);
		return;
	}
	buf_addf(out, "[repository.%s]\nmetadata =", a->name);
	for (size_t i = 0; i < a->urls.count; i++)
		buf_addf(out, "%s%s", a->urls.count == 1 ? " " : "\n    ", a->urls.at[i]);
	buf_addf(out, "\nroot = %s\n", name);
}

/* Does the section trust the same root? */
static bool has_root(const struct conf *c, const struct conf_section *s, const struct digest *root)
{
	const char *hex = conf_get(s, "root-sha256");
	CLEANUP(mem_free_ptr) char *path = conf_get_path(c, s, "root");
	struct digest d;
	if (path)
		return sha256_file_is(path, root);
	return hex && digest_parse(&d, hex) && digest_equal(&d, root);
}

/* Refuses a name that is taken. */
static int check_free(const struct conf *c, const struct remote_adding *a, struct err *e)
{
	const struct conf_section *taken = conf_find(c, "repository", a->name);
	if (!taken)
		return 0;
	err_set(e, ERR_CONFLICT, "%s:%d: the repository %s already exists", a->conf_path,
		taken->line, a->name);
	if (has_root(c, taken, &a->root))
		return err_hint(e,
				"it is the same one, with the same root; to change it, run "
				"`ferry repository remove %s` first",
				a->name);
	return err_hint(e,
			"choose another name: ferry repository add NAME URL; or run `ferry "
			"repository remove %s` first",
			a->name);
}

/* Adds the section to the configuration. */
static int compose(const struct remote_adding *a, struct buf *text, struct err *e)
{
	CLEANUP(conf_release) struct conf conf = { 0 };
	CLEANUP(buf_release) struct buf section = BUF_INIT(CONF_MAX_BYTES);
	int rc = conf_edit_read(a->conf_path, text, &conf, e);
	if (rc == 0)
		rc = check_free(&conf, a, e);
	if (rc < 0)
		return rc;
	write_section(a, &section);
	rc = buf_ok(&section, "the section", e);
	return rc < 0 ? rc : conf_edit_append(text, a->conf_path, buf_str(&section), e);
}

int remote_add_lock(const struct store *s, int *fd, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->home, ".configuring");
	int rc = s->read_only ? 0 : file_lock(path, LOCK_WAIT_MS, s->cancel, fd, e);
	return rc == -ERR_CONFLICT
		       ? err_hint(e, "wait until it has finished, or end it if it hangs")
		       : rc;
}

/* -- the trust --------------------------------------------------------------------------------- */

/* What killed processes left. */
static void tidy(const struct store *s)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	if (file_list_dir(s->home, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(s->home, names.at[i]);
		struct stat st;
		if (str_starts(names.at[i], SCRATCH) && lstat(path, &st) == 0 &&
		    st.st_mtime + SCRATCH_AGE_S < clock_wall_s(s->clock))
			file_remove_tree(path);
	}
}

static void scratch_release(struct store *s)
{
	if (s->home)
		file_remove_tree(s->home);
	mem_free_ptr(&s->home);
}

static int scratch_open(const struct store *s, struct store *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = mem_printf("%s/" SCRATCH "XXXXXX", s->home);
	if (!mkdtemp(dir))
		return err_sys(e, errno, "cannot create a folder in %s", s->home);
	*out = (struct store){ .home = STEAL(dir), .cancel = s->cancel, .clock = s->clock };
	return 0;
}

static int check_pin(const char *pin, const struct buf *root, struct err *e)
{
	CLEANUP(buf_release) struct buf there = BUF_INIT(root->max);
	struct err why = ERR_INIT;
	if (!file_exists(pin))
		return 0;
	if (file_read_all(pin, &there, &why) == 0 && there.len == root->len &&
	    memcmp(buf_str(&there), buf_str(root), root->len) == 0)
		return 0;
	err_set(e, ERR_CONFLICT, "%s already exists and is a different root", pin);
	return err_hint(e, "verify the new root with the publisher; if the old file is no longer "
			   "needed, remove it");
}

/* One call of remote_add_open(). */
struct opening {
	const struct remote_add *what;
	const struct remote_options *options;
	struct settings_fetch fetch;
	struct remote_adding *a;
	bool unnamed; /* the name is to be that in the signed catalog */
};

/* What the configuration says about fetching, and whether it has the repository already. */
static int read_conf(struct opening *o, struct err *e)
{
	struct remote_adding *a = o->a;
	CLEANUP(conf_release) struct conf conf = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	CLEANUP(settings_repositories_release) struct settings_repositories all = { 0 };
	const struct conf_section *s;
	int rc = conf_edit_read(a->conf_path, &text, &conf, e);
	if (rc == 0)
		rc = settings_repositories_read(&conf, &all, e);
	if (rc == 0)
		rc = settings_fetch_read(&conf, &o->fetch, e);
	o->fetch.prefer_region = NULL; /* of conf, and nothing is fetched */
	o->fetch.access = o->what->access;
	for (size_t i = 0; rc == 0 && !a->twin && (s = conf_nth(&conf, "repository", i)); i++)
		if (conf_get(s, "metadata") && has_root(&conf, s, &a->root))
			a->twin = mem_strdup(s->name);
	return rc < 0 || o->unnamed ? rc : check_free(&conf, a, e);
}

/* In the store, if the name was trusted before: it knows the versions that were seen. */
static const struct store *trust_of(const struct remote_adding *a)
{
	return a->scratch.home ? &a->scratch : a->store;
}

static struct settings_repository settings_of(const struct opening *o)
{
	const struct remote_adding *a = o->a;
	return (struct settings_repository){
		.name = a->trust_name,
		.metadata = a->urls,
		/* Of a file, the trust folder has the root already. */
		.root_sha256 = a->root_bytes.len ? NULL : (char *)o->what->root_sha256,
	};
}

/* Verifies everything from the pinned root to the catalog. */
static int bootstrap(struct opening *o, struct remote **out, struct err *e)
{
	struct remote_adding *a = o->a;
	const struct settings_repository set = settings_of(o);
	const struct store *trust = trust_of(a);
	CLEANUP(mem_free_ptr) char *dir = store_trust_dir(trust, a->trust_name);
	int rc = 0;
	if (a->root_bytes.len)
		rc = tuf_client_init(dir, buf_str(&a->root_bytes), a->root_bytes.len, e);
	if (rc < 0)
		return err_is(e, ERR_INTEGRITY) ? err_context(e, "%s", o->what->root) : rc;
	return remote_open(&set, &o->fetch, trust, o->options, out, e);
}

static bool is_known(const struct remote_adding *a)
{
	CLEANUP(mem_free_ptr) char *dir = store_trust_dir(a->store, a->name);
	return tuf_client_is_initialised(dir);
}

static int refuse_twin(const struct remote_adding *a, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s already has this repository, under the name %s", a->conf_path,
		a->twin);
	return err_hint(e, "use it as %s, or run `ferry repository remove %s` first", a->twin,
			a->twin);
}

/* It gets the name that the signed catalog says. */
static int take_name(struct opening *o, struct err *e)
{
	struct remote_adding *a = o->a;
	CLEANUP(conf_release) struct conf conf = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	free(a->name);
	a->name = mem_strdup(a->remote->catalog.name);
	if (a->twin && strcmp(a->twin, a->name) != 0)
		return refuse_twin(a, e);
	int rc = conf_edit_read(a->conf_path, &text, &conf, e);
	return rc < 0 ? rc : check_free(&conf, a, e);
}

static int verify_in_scratch(struct opening *o, struct err *e)
{
	int rc = scratch_open(o->a->store, &o->a->scratch, e);
	return rc < 0 ? rc : bootstrap(o, &o->a->remote, e);
}

/* With what was trusted under the name before. */
static int verify_in_store(struct opening *o, struct err *e)
{
	struct remote_adding *a = o->a;
	remote_free(a->remote);
	a->remote = NULL;
	scratch_release(&a->scratch);
	free(a->trust_name);
	a->trust_name = mem_strdup(a->name);
	return bootstrap(o, &a->remote, e);
}

static int choose_pin(struct remote_adding *a, struct err *e)
{
	if (!a->root_bytes.len)
		return 0;
	a->pin = remote_add_pin_path(a->conf_path, a->name);
	return check_pin(a->pin, &a->root_bytes, e);
}

static int verify_unnamed(struct opening *o, struct err *e)
{
	int rc = verify_in_scratch(o, e);
	if (rc == 0)
		rc = take_name(o, e);
	if (rc == 0)
		rc = choose_pin(o->a, e);
	return rc == 0 && is_known(o->a) ? verify_in_store(o, e) : rc;
}

static int verify(struct opening *o, struct err *e)
{
	int rc = read_conf(o, e);
	if (rc == 0 && o->unnamed)
		rc = verify_unnamed(o, e);
	else if (rc == 0 && (rc = choose_pin(o->a, e)) == 0)
		rc = is_known(o->a) ? verify_in_store(o, e) : verify_in_scratch(o, e);
	return rc < 0 ? rc : remote_ask_mirrors(o->a->remote, e);
}

/* -- opening ----------------------------------------------------------------------------------- */

void remote_adding_free(struct remote_adding *a)
{
	if (!a)
		return;
	remote_free(a->remote);
	scratch_release(&a->scratch);
	buf_release(&a->root_bytes);
	str_list_release(&a->urls);
	free(a->name);
	free(a->trust_name);
	free(a->twin);
	free(a->pin);
	free(a->conf_path);
	free(a);
}

/* A name for messages, until the catalog says one: "models.example.org". */
static char *name_of_url(const char *url)
{
	CLEANUP(url_release) struct url parsed = { 0 };
	struct err ignored = ERR_INIT;
	char *name = mem_strdup("repository");
	if (str_starts_nocase(url, "http") && url_parse(url, &parsed, &ignored) == 0 &&
	    path_is_id(parsed.host)) {
		free(name);
		name = mem_strdup(parsed.host);
	}
	return name;
}

static int read_pinned(const struct remote_add *what, struct remote_adding *a, struct err *e)
{
	if (what->root) {
		int rc = read_root(what->root, &a->root_bytes, e);
		sha256_of(buf_str(&a->root_bytes), a->root_bytes.len, &a->root);
		a->first = tuf_claim_version(buf_str(&a->root_bytes), a->root_bytes.len) == 1;
		return rc;
	}
	a->first = true;
	if (digest_parse(&a->root, what->root_sha256))
		return 0;
	err_set(e, ERR_USAGE, "'%s' is not a SHA-256 in hex", what->root_sha256);
	return err_hint(e, "give the 64 hex digits of the publisher with --root-sha256");
}

static int check_given(const struct remote_add *what, struct remote_adding *a, struct err *e)
{
	int rc = what->name ? check_name(what->name, e) : 0;
	if (rc == 0)
		rc = remote_add_check_urls(what, &a->urls, e);
	if (rc == 0)
		rc = read_pinned(what, a, e);
	a->given = a->urls.count;
	if (rc == 0 && a->store->read_only) {
		err_set(e, ERR_SYSTEM, "the store %s is read-only, so no repository can be added",
			a->store->home);
		rc = err_hint(e, "choose another store with FERRY_HOME, or make it writable");
	}
	return rc;
}

int remote_add_open(const struct remote_add *what, const struct store *s,
		    const struct remote_options *options, struct remote_adding **out, struct err *e)
{
	CLEANUP_PTR(remote_adding_free) struct remote_adding *a = NEW(struct remote_adding);
	struct opening o = {
		.what = what,
		.options = options,
		.fetch = SETTINGS_FETCH_DEFAULT,
		.a = a,
		.unnamed = !what->name,
	};
	a->store = s;
	a->conf_path = mem_strdup(what->conf_path);
	buf_init(&a->root_bytes, tuf_limits_default.root);
	int rc = check_given(what, a, e);
	if (rc < 0)
		return rc;
	a->name = what->name ? mem_strdup(what->name) : name_of_url(a->urls.at[0]);
	a->trust_name = mem_strdup(a->name);
	tidy(s);
	rc = verify(&o, e);
	if (rc < 0)
		return remote_add_explain(what, &a->urls, &a->root_bytes, options, e);
	remote_add_more_urls(a);
	*out = STEAL(a);
	return 0;
}

/* -- writing ----------------------------------------------------------------------------------- */

/* Moves it from the scratch folder to its place. */
static int settle_trust(const struct remote_adding *a, struct err *e)
{
	CLEANUP(mem_free_ptr) char *source = store_trust_dir(&a->scratch, a->trust_name);
	CLEANUP(mem_free_ptr) char *target = store_trust_dir(a->store, a->name);
	int rc = file_mkdirs_for(target, FILE_DIR_MODE, e);
	if (tuf_client_is_initialised(target)) {
		err_set(e, ERR_CONFLICT, "%s: another process created it meanwhile", target);
		return err_hint(e, "run the same command again: it continues from there");
	}
	/* Without a root, nothing in it can be used. */
	file_remove_tree(target);
	return rc < 0 ? rc : file_rename(source, target, e);
}

static int write_all(const struct remote_adding *a, struct err *e)
{
	CLEANUP(file_close) int lock = -1;
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	int rc = remote_add_lock(a->store, &lock, e);
	/* Check again: the file may have changed meanwhile. */
	if (rc == 0)
		rc = compose(a, &text, e);
	if (rc == 0)
		rc = file_mkdirs_for(a->conf_path, FILE_DIR_MODE, e);
	if (rc == 0 && a->pin && !file_exists(a->pin))
		rc = file_write_atomic(a->pin, a->root_bytes.data, a->root_bytes.len, 0644, e);
	return rc < 0 ? rc : conf_edit_write(a->conf_path, &text, e);
}

int remote_add_write(struct remote_adding *a, struct err *e)
{
	int rc = a->scratch.home ? settle_trust(a, e) : 0;
	return rc < 0 ? rc : write_all(a, e);
}
