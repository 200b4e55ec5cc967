#include "fetch/remote_add.h"

#include "fetch/remote_add_internal.h"
#include "http/url.h"
#include "oci/reference.h"
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

/* As written to the configuration. */
static int check_url(const char *word, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *tidy = url_tidy(word);
	CLEANUP(mem_free_ptr) char *shown = url_redact(tidy);
	if (!strstr(tidy, "://")) {
		CLEANUP(mem_free_ptr) char *path = path_absolute(word);
		if (!file_exists(path)) {
			err_set(e, ERR_USAGE, "%s is neither a URL nor a folder or bundle", shown);
			return err_hint(e, "give the URL of a mirror: https://…");
		}
		*out = path_file_url(path);
		return 0;
	}
	word = tidy;
	for (const char *c = word; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return err_set(e, ERR_USAGE, "%s: a URL must not contain blanks", shown);
	if (str_starts_nocase(word, "oci://")) {
		CLEANUP(oci_reference_release) struct oci_reference place = { 0 };
		int rc = oci_reference_parse(word, &place, e);
		if (rc < 0)
			return rc;
	} else if (!str_starts_nocase(word, "file://")) {
		CLEANUP(url_release) struct url url = { 0 };
		int rc = url_parse(word, &url, e);
		if (rc < 0)
			return rc;
		if (url.query)
			return err_set(e, ERR_USAGE, "%s: a base URL must not have a query", shown);
		if (url.user || url.password) {
			err_set(e, ERR_USAGE,
				"%s: the URL must not contain a user name or password", shown);
			return err_hint(e, "the configuration must not contain secrets: give the "
					   "URL without them");
		}
	}
	*out = mem_strdup(word);
	return 0;
}

static int check_urls(const struct remote_add *what, struct str_list *urls, struct err *e)
{
	for (size_t i = 0; i < what->url_count; i++) {
		char *url = NULL;
		int rc = check_url(what->urls[i], &url, e);
		if (rc < 0)
			return rc;
		if (str_list_has(urls, url))
			free(url);
		else
			str_list_take(urls, url);
	}
	return 0;
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

static void write_section(const struct remote_add *what, const struct str_list *urls,
			  struct buf *out)
{
	buf_addf(out, "[repository.%s]\nmetadata =", what->name);
	for (size_t i = 0; i < urls->count; i++)
		buf_addf(out, "%s%s", urls->count == 1 ? " " : "\n    ", urls->at[i]);
	buf_addf(out, "\n");
	if (what->root) {
		buf_addf(out, "root = %s.root.json\n", what->name);
	} else {
		struct digest d;
		char hex[DIGEST_HEX];
		if (digest_parse(&d, what->root_sha256))
			buf_addf(out, "root-sha256 = %s\n", digest_hex(hex, &d));
	}
}

/* Adds the section to the configuration; refuses a name that is taken. */
static int compose(const struct remote_add *what, const char *section, struct buf *text,
		   struct err *e)
{
	CLEANUP(conf_release) struct conf conf = { 0 };
	int rc = conf_edit_read(what->conf_path, text, &conf, e);
	if (rc < 0)
		return rc;
	const struct conf_section *taken = conf_find(&conf, "repository", what->name);
	if (!taken)
		return conf_edit_append(text, what->conf_path, section, e);
	err_set(e, ERR_CONFLICT, "%s:%d: the repository %s already exists", what->conf_path,
		taken->line, what->name);
	return err_hint(e, "choose another name, or `ferry repository remove %s` first",
			what->name);
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

/* The settings in the new configuration for the new repository and for fetching. */
static int read_settings(const struct remote_add *what, const struct buf *text,
			 struct settings_repositories *all, struct settings_fetch *fetch,
			 struct err *e)
{
	CLEANUP(conf_release) struct conf conf = { 0 };
	int rc = conf_parse(buf_str(text), text->len, what->conf_path, &conf, e);
	if (rc == 0)
		rc = settings_repositories_read(&conf, all, e);
	return rc < 0 ? rc : settings_fetch_read(&conf, fetch, e);
}

/* Opens the remote like the new configuration, with the trust folder `trust`. */
static int bootstrap(const struct remote_add *what, const struct buf *text, const struct buf *root,
		     const struct store *trust, const struct remote_options *options,
		     struct remote **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = store_trust_dir(trust, what->name);
	CLEANUP(settings_repositories_release) struct settings_repositories all = { 0 };
	struct settings_fetch fetch;
	int rc = read_settings(what, text, &all, &fetch, e);
	if (rc < 0)
		return rc;
	rc = what->root ? tuf_client_init(dir, buf_str(root), root->len, e) : 0;
	if (rc < 0)
		return err_is(e, ERR_INTEGRITY) ? err_context(e, "%s", what->root) : rc;
	return remote_open(settings_repositories_find(&all, what->name), &fetch, trust, options,
			   out, e);
}

/* Moves it from the scratch folder to its place. */
static int settle_trust(const struct remote_add *what, const struct store *from,
			const struct store *to, struct err *e)
{
	CLEANUP(mem_free_ptr) char *source = store_trust_dir(from, what->name);
	CLEANUP(mem_free_ptr) char *target = store_trust_dir(to, what->name);
	int rc = file_mkdirs_for(target, FILE_DIR_MODE, e);
	if (tuf_client_is_initialised(target)) {
		err_set(e, ERR_CONFLICT, "%s: another process created it meanwhile", target);
		return err_hint(e, "run the same command again: it continues from there");
	}
	/* Without a root, nothing in it can be used. */
	file_remove_tree(target);
	return rc < 0 ? rc : file_rename(source, target, e);
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

static int write_all(const struct remote_add *what, const char *section, const struct buf *root,
		     const char *pin, const struct store *s, struct err *e)
{
	CLEANUP(file_close) int lock = -1;
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	int rc = remote_add_lock(s, &lock, e);
	/* Check again: the file may have changed meanwhile. */
	if (rc == 0)
		rc = compose(what, section, &text, e);
	if (rc == 0)
		rc = file_mkdirs_for(what->conf_path, FILE_DIR_MODE, e);
	if (rc == 0 && pin && !file_exists(pin))
		rc = file_write_atomic(pin, root->data, root->len, 0644, e);
	return rc < 0 ? rc : conf_edit_write(what->conf_path, &text, e);
}

static int add(const struct remote_add *what, const char *section, const struct buf *root,
	       const char *pin, const struct store *s, const struct remote_options *options,
	       struct remote **out, struct err *e)
{
	CLEANUP(scratch_release) struct store scratch = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	CLEANUP_PTR(remote_free) struct remote *remote = NULL;
	CLEANUP(mem_free_ptr) char *dir = store_trust_dir(s, what->name);
	/* Metadata that was trusted under this name before is kept, because it has the versions
	 * that were seen. */
	bool known = tuf_client_is_initialised(dir);
	int rc = compose(what, section, &text, e);
	if (rc == 0 && !known)
		rc = scratch_open(s, &scratch, e);
	if (rc == 0)
		rc = bootstrap(what, &text, root, known ? s : &scratch, options, &remote, e);
	if (rc == 0 && !known)
		rc = settle_trust(what, &scratch, s, e);
	if (rc == 0)
		rc = write_all(what, section, root, pin, s, e);
	if (rc < 0)
		return rc;
	remote->store = s;
	*out = STEAL(remote);
	return 0;
}

int remote_add(const struct remote_add *what, const struct store *s,
	       const struct remote_options *options, struct remote **out, char **pin, struct err *e)
{
	CLEANUP(str_list_release) struct str_list urls = { 0 };
	CLEANUP(buf_release) struct buf root = BUF_INIT(tuf_limits_default.root);
	CLEANUP(buf_release) struct buf section = BUF_INIT(CONF_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = NULL;
	struct digest d;
	int rc = check_name(what->name, e);
	if (rc == 0)
		rc = check_urls(what, &urls, e);
	if (rc == 0 && what->root)
		rc = read_root(what->root, &root, e);
	if (rc == 0 && !what->root && !digest_parse(&d, what->root_sha256)) {
		err_set(e, ERR_USAGE, "'%s' is not a SHA-256 in hex", what->root_sha256);
		rc = err_hint(e, "give the 64 hex digits of the publisher with --root-sha256");
	}
	if (rc == 0 && s->read_only) {
		err_set(e, ERR_SYSTEM, "the store %s is read-only, so no repository can be added",
			s->home);
		rc = err_hint(e, "choose another store with FERRY_HOME, or make it writable");
	}
	if (rc < 0)
		return rc;
	if (what->root) {
		path = remote_add_pin_path(what->conf_path, what->name);
		rc = check_pin(path, &root, e);
	}
	tidy(s);
	write_section(what, &urls, &section);
	if (rc == 0)
		rc = buf_ok(&section, "the section", e);
	if (rc == 0)
		rc = add(what, buf_str(&section), &root, path, s, options, out, e);
	if (rc < 0)
		rc = remote_add_explain(what, &urls, &root, options, e);
	if (rc == 0)
		*pin = STEAL(path);
	return rc;
}
