#include "fetch/remote_add_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void remote_removed_release(struct remote_removed *r)
{
	str_list_release(&r->purged);
	str_list_release(&r->kept);
}

static int refuse(const struct conf *c, int line, const char *name, const char *why, struct err *e)
{
	err_set(e, ERR_USAGE, "%s:%d: the repository %s belongs to a publisher: %s", c->path, line,
		name, why);
	return err_hint(e, "to remove it anyway, edit the file by hand");
}

/* Removes only what `add` could have written. */
static int check_removable(const struct conf *c, const struct conf_section *s, struct err *e)
{
	const struct conf_section *mirror;
	for (size_t i = 0; i < s->count; i++) {
		bool known = false;
		for (const char *const *k = settings_repository_client_keys; *k; k++)
			known |= strcmp(s->values[i].key, *k) == 0;
		CLEANUP(mem_free_ptr) char *why = mem_printf("it has '%s'", s->values[i].key);
		if (!known)
			return refuse(c, s->values[i].line, s->name, why, e);
	}
	for (size_t i = 0; (mirror = conf_nth(c, "mirror", i)); i++) {
		const char *of = conf_get(mirror, "repository");
		CLEANUP(mem_free_ptr) char *why = mem_printf("it has a [mirror.%s]", mirror->name);
		if (of && strcmp(of, s->name) == 0)
			return refuse(c, mirror->line, s->name, why, e);
	}
	return 0;
}

static int not_there(const struct conf *c, const char *name, struct err *e)
{
	const char *names[64];
	size_t count = 0;
	const struct conf_section *s;
	for (size_t i = 0; count < ARRAY_LEN(names) && (s = conf_nth(c, "repository", i)); i++)
		names[count++] = s->name;
	err_set(e, ERR_NOT_FOUND, "there is no repository %s in %s", name, c->path);
	return text_hint_nearest(name, names, count,
				 "`ferry repository list` lists the repositories", e);
}

static void purge(const char *path, bool really, struct remote_removed *out)
{
	if (!file_exists(path))
		return;
	if (really)
		file_remove_tree(path);
	str_list_add(really && !file_exists(path) ? &out->purged : &out->kept, path);
}

static int remove_section(const char *conf_path, const char *name, bool optional, bool *pinned,
			  struct remote_removed *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	CLEANUP(conf_release) struct conf conf = { 0 };
	CLEANUP(mem_free_ptr) char *own = remote_add_pin_path(conf_path, name);
	int rc = conf_edit_read(conf_path, &text, &conf, e);
	if (rc < 0)
		return rc;
	const struct conf_section *s = conf_find(&conf, "repository", name), *other;
	*pinned = true;
	for (size_t i = 0; (other = conf_nth(&conf, "repository", i)); i++) {
		CLEANUP(mem_free_ptr) char *root = conf_get_path(&conf, other, "root");
		/* Keep another repository's pinned root. */
		if (other != s && root && strcmp(path_base(root), path_base(own)) == 0)
			*pinned = false;
	}
	if (!s)
		return optional ? 0 : not_there(&conf, name, e);
	rc = check_removable(&conf, s, e);
	if (rc == 0)
		rc = conf_edit_remove(&text, conf_path, "repository", name, e);
	if (rc == 0)
		rc = conf_edit_write(conf_path, &text, e);
	out->section = rc == 0;
	return rc;
}

int remote_remove(const char *conf_path, const char *name, const struct store *s, bool with_trust,
		  struct remote_removed *out, struct err *e)
{
	CLEANUP(file_close) int lock = -1;
	bool pinned = false;
	if (!path_is_id(name))
		return err_set(e, ERR_USAGE, "'%s' is not a valid name for a repository", name);
	CLEANUP(mem_free_ptr) char *trust = store_trust_dir(s, name);
	CLEANUP(mem_free_ptr) char *pin = remote_add_pin_path(conf_path, name);
	bool left = file_exists(trust) || file_exists(pin);
	int rc = remote_add_lock(s, &lock, e);
	if (rc == 0)
		rc = remove_section(conf_path, name, with_trust && left, &pinned, out, e);
	if (rc < 0)
		return rc;
	purge(trust, with_trust, out);
	if (pinned)
		purge(pin, with_trust, out);
	return 0;
}
