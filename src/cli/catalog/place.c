#include "cli/catalog/place.h"

#include "tuf/margin.h"
#include "mirror/mirror.h"
#include "settings/repository.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

void place_release(struct place *p)
{
	free(p->name);
	free(p->title);
	free(p->dir);
	free(p->keys);
	free(p->passphrase_file);
	json_decref(p->mirrors);
	str_list_release(&p->hidden);
	str_list_release(&p->immutable);
	*p = (struct place){ 0 };
}

/* ---- expiry ---- */

static uint64_t *expiry_of(struct writer_expiry *x, const char *role, size_t len)
{
	const struct {
		const char *role;
		uint64_t *at;
	} roles[] = {
		{ "root", &x->root_s },
		{ "targets", &x->targets_s },
		{ "snapshot", &x->snapshot_s },
		{ "timestamp", &x->timestamp_s },
	};
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (strlen(roles[i].role) == len && strncmp(roles[i].role, role, len) == 0)
			return roles[i].at;
	return NULL;
}

static int set_expiry(const struct catalog_opts *o, const struct settings_repository *source,
		      struct writer_expiry *out, struct err *e)
{
	*out = writer_expiry_default;
	if (source->root_s)
		out->root_s = source->root_s;
	if (source->targets_s)
		out->targets_s = source->targets_s;
	if (source->snapshot_s)
		out->snapshot_s = source->snapshot_s;
	if (source->timestamp_s)
		out->timestamp_s = source->timestamp_s;
	for (size_t i = 0; i < o->expires.count; i++) {
		const char *text = o->expires.at[i], *equals = strchr(text, '=');
		uint64_t *at = equals ? expiry_of(out, text, (size_t)(equals - text)) : NULL;
		if (!at)
			return err_set(e, ERR_USAGE,
				       "--expires %s: expected ROLE=TIME, where ROLE is root, "
				       "targets, snapshot or timestamp",
				       text);
		if (!parse_duration(equals + 1, at) || *at == 0)
			return err_set(e, ERR_USAGE,
				       "--expires %s: '%s' is not a duration such as 36h, 30d or "
				       "1y",
				       text, equals + 1);
	}
	return 0;
}

/* ---- where ---- */

static bool same_folder(const char *a, const char *b)
{
	char *x = realpath(a, NULL), *y = realpath(b, NULL);
	bool same = x && y && strcmp(x, y) == 0;
	free(x);
	free(y);
	return same;
}

/* The section whose path is the folder, or NULL. */
static const char *section_of(const struct conf *c, const char *dir)
{
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c, "repository", i)); i++) {
		CLEANUP(mem_free_ptr) char *path = conf_get_path(c, s, "path");
		if (path && same_folder(path, dir))
			return s->name;
	}
	return NULL;
}

/* Without a leading "./". */
static char *plain(char *path)
{
	char *short_path = path && str_starts(path, "./") && path[2] ? mem_strdup(path + 2) : NULL;
	if (!short_path)
		return path;
	free(path);
	return short_path;
}

static void fill(struct place *p, const struct catalog_opts *o, struct settings_repository *source)
{
	p->name = STEAL(source->name);
	p->title = o->title ? mem_strdup(o->title) : STEAL(source->title);
	p->dir = o->dir ? mem_strdup(o->dir) : plain(STEAL(source->dir));
	p->keys = o->keys ? mem_strdup(o->keys) : plain(STEAL(source->keys));
	p->passphrase_file = o->passphrase_file ? mem_strdup(o->passphrase_file)
						: STEAL(source->passphrase_file);
	p->catalog_max = source->catalog_max;
	p->keep_versions = p->name && source->keep_versions != UINT64_MAX
				   ? (size_t)source->keep_versions
				   : REPOSITORY_KEEP_VERSIONS;
}

/* Whose releases take nothing more once they are published (GitHub). */
static int find_immutable(const struct settings_mirrors *all, struct str_list *out, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		const struct settings_mirror *m = &all->at[i];
		bool yes = false;
		rc = m->fault.class ? 0 : conf_get_bool(m->conf, m->section, "immutable", &yes, e);
		if (yes)
			str_list_add(out, m->id);
	}
	return rc;
}

static int load_mirrors(const struct conf *c, struct place *p, struct err *e)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(settings_mirrors_release) struct settings_mirrors mirrors = { 0 };
	int rc = settings_mirrors_read(c, p->name, kinds, &mirrors, e);
	if (rc == 0)
		rc = find_immutable(&mirrors, &p->immutable, e);
	return rc < 0 ? rc : settings_mirrors_catalog(&mirrors, kinds, &p->mirrors, &p->hidden, e);
}

/* `name` NULL: only the tree is known. */
static int load(const struct conf *c, const struct catalog_opts *o, const char *name, bool any,
		struct place *out, struct err *e)
{
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(settings_repository_release) struct settings_repository source = { 0 };
	int rc = name || any ? settings_repository_published(c, name, &source, e) : 0;
	if (rc == 0)
		rc = set_expiry(o, &source, &p.expiry, e);
	if (rc < 0)
		return rc;
	fill(&p, o, &source);
	if (p.name && (rc = load_mirrors(c, &p, e)) < 0)
		return rc;
	if (!p.dir) {
		err_set(e, ERR_USAGE,
			"[repository.%s] has no path, so nothing is published from here", p.name);
		return err_hint(e, "add `path = DIR`, or give the tree with --repository");
	}
	*out = p;
	p = (struct place){ 0 };
	return 0;
}

int place_load(struct cli *cli, const struct catalog_opts *o, struct place *out, struct err *e)
{
	const struct conf *c;
	int rc = cli_conf(cli, &c, e);
	if (rc < 0)
		return rc;
	/* With --repository no section is needed; --name is then the name of the repository. */
	const char *name = o->name ? o->name : o->dir ? section_of(c, o->dir) : NULL;
	bool bare = o->dir && (!name || !conf_find(c, "repository", name));
	rc = load(c, o, bare ? NULL : name, !o->dir, out, e);
	if (rc == 0 && bare && name)
		out->name = mem_strdup(name);
	if (rc == 0 && !file_is_dir(out->dir)) {
		err_set(e, ERR_NOT_FOUND, "%s: there is no repository", out->dir);
		place_release(out);
		return err_hint(e, "`ferry catalog init` creates one");
	}
	return rc;
}

int place_new(struct cli *cli, const struct catalog_opts *o, const char *name, struct place *out,
	      bool *is_new, struct err *e)
{
	const struct conf *c;
	int rc = cli_conf(cli, &c, e);
	if (rc < 0)
		return rc;
	if (name && !path_is_id(name)) {
		err_set(e, ERR_USAGE, "'%s' is not a valid name for a repository", name);
		return err_hint(e,
				"use a-z, 0-9, '.', '_' and '-', starting with a letter or digit");
	}
	bool known = name ? conf_find(c, "repository", name) != NULL
			  : conf_nth(c, "repository", 0) != NULL;
	if (!known && !name) {
		err_set(e, ERR_USAGE, "the new repository needs a name");
		return err_hint(e, "ferry catalog init NAME");
	}
	CLEANUP(mem_free_ptr) char *keys = mem_printf("%s-keys", name ? name : "");
	struct catalog_opts with = *o;
	if (!known) {
		with.dir = o->dir ? o->dir : "repository";
		with.keys = o->keys ? o->keys : keys;
	}
	rc = load(c, &with, known ? name : NULL, known, out, e);
	if (rc < 0)
		return rc;
	if (!known)
		out->name = mem_strdup(name);
	*is_new = !known;
	return 0;
}

int place_keyring(const struct place *p, struct keyring *out, struct err *e)
{
	if (p->keys)
		return keyring_load(p->keys, p->dir, out, e);
	err_set(e, ERR_USAGE, "the folder of the private keys is not configured");
	return err_hint(e, "add `keys = DIR` to [repository.%s] of ferry.conf, or use --keys DIR",
			p->name ? p->name : "NAME");
}

/* ---- passphrases ---- */

static int ask_key(void *ctx, const char *path, struct buf *out, struct err *e)
{
	struct place_ask *a = ctx;
	bool again = a->asked && strcmp(a->asked, path) == 0;
	CLEANUP(mem_free_ptr) char *prompt = mem_printf("%spassphrase of %s",
							again ? "wrong; " : "", path);
	free(a->asked);
	a->asked = mem_strdup(path);
	return cli_passphrase(a->cli, a->file, prompt, false, out, e);
}

/* On a terminal, every key may have its own passphrase. */
void place_ask_init(struct place_ask *a, struct cli *cli, const char *file)
{
	*a = (struct place_ask){ .cli = cli,
				 .file = file,
				 .passphrases = { .ask = ask_key,
						  .ctx = a,
						  .same = file || getenv("FERRY_PASSPHRASE"), }, };
}

void place_ask_release(struct place_ask *a)
{
	passphrase_release(&a->passphrases);
	mem_free_ptr(&a->asked);
}

int place_ask_new(struct place_ask *a, struct err *e)
{
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(0);
	int rc = cli_passphrase(a->cli, a->file, "passphrase for the new keys", true, &answer, e);
	if (rc < 0)
		return rc;
	passphrase_know(&a->passphrases, &answer);
	CLEANUP(mem_free_ptr) char *weakness = answer.len ? passphrase_weakness(&answer) : NULL;
	if (weakness)
		report_warn(a->cli->report,
			    "the passphrase is weak: %s; whoever gets a copy of the keys can guess "
			    "it. Several random words are better: `ferry catalog key passphrase` "
			    "changes it",
			    weakness);
	if (answer.len)
		return 0;
	err_set(e, ERR_USAGE, "the passphrase is empty");
	return err_hint(e, "give a passphrase, or use --unencrypted");
}

enum privkey_kind place_key_type(const struct catalog_opts *o)
{
	static const enum privkey_kind kinds[] = { PRIVKEY_ED25519, PRIVKEY_ECDSA_P256 };
	return kinds[o->type];
}

/* ---- telling ---- */

void place_put_roles(json_t *document, const struct writer_statuses *all)
{
	json_t *roles = json_put_object(document, "roles");
	for (size_t i = 0; i < TUF_TYPES; i++) {
		const char *name = tuf_type_name(tuf_type_order[i]);
		const struct writer_status *s = writer_status_of(all, name);
		json_t *role = json_put_object(roles, name);
		json_put_u64(role, "version", s ? s->version : 0);
		json_put_time(role, "expires", s ? s->expires_s : 0);
	}
}

static void warn_expiry(struct cli *cli, const struct writer_status *s, int64_t now_s)
{
	char expires[TIME_TEXT];
	const char *what = s->bins ? "one of the hash bins" : s->role;
	bool online = repository_is_online(s->role);
	format_time(expires, s->expires_s);
	if (s->expires_s <= now_s)
		report_warn(cli->report, "%s expired at %s: clients reject it%s", what, expires,
			    online ? "; run `ferry catalog refresh`" : "");
	else if (!online && s->expires_s - now_s < tuf_margin_s(s->role, 0))
		report_warn(cli->report, "%s expires at %s", what, expires);
}

void place_warn_expiry(struct cli *cli, const struct writer_statuses *all, int64_t now_s)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct writer_status *s = &all->at[i];
		bool delegated = strcmp(s->role, "root") != 0 && strcmp(s->role, "targets") != 0 &&
				 !repository_is_online(s->role);
		if (s->bins || !delegated)
			warn_expiry(cli, s, now_s);
	}
}

/* ---- references ---- */

int place_reference(const char *operand, struct reference *out, struct err *e)
{
	int rc = reference_parse(operand, out, e);
	if (rc < 0 || !out->repository)
		return rc;
	reference_release(out);
	return err_set(e, ERR_USAGE,
		       "'%s': expected MODEL or MODEL:VARIANT; choose the repository with --name",
		       operand);
}

char *place_reference_text(const struct reference *r)
{
	return mem_printf("%s%s%s%s%s", r->model, r->variant ? ":" : "",
			  r->variant ? r->variant : "", r->version ? "@" : "",
			  r->version ? r->version : "");
}
