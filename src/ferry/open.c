#include "ferry/internal.h"

#include "http/url.h"
#include "settings/access.h"
#include "util/path.h"
#include "util/text.h"

#include <signal.h>
#include <string.h>

const char *ferry_version(void)
{
	return FERRY_VERSION;
}

/* ---- errors ---- */

/* Cut where no character is split, since what is escaped is valid UTF-8. */
static void put_text(char *out, size_t size, const char *text)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	size_t len = strlen(shown);
	if (len >= size)
		for (len = size - 1; len && ((unsigned char)shown[len] & 0xc0) == 0x80; len--)
			;
	memcpy(out, shown, len);
	out[len] = 0;
}

int error_give(const struct err *e, struct ferry_error *out)
{
	if (!out)
		return -(int)e->class;
	*out = (struct ferry_error){ .code = (int)e->class,
				     .system = e->class == ERR_CANCELLED ? 0 : e->sys,
				     .retry_after = e->retry_after_s };
	put_text(out->message, sizeof out->message,
		 e->class == ERR_CANCELLED ? "cancelled" : e->text);
	put_text(out->hint, sizeof out->hint, e->hint);
	return -(int)e->class;
}

struct ferry_cancel *ferry_cancel_new(void)
{
	return NEW(struct ferry_cancel);
}

void ferry_cancel_free(struct ferry_cancel *c)
{
	free(c);
}

void ferry_cancel_ask(struct ferry_cancel *c)
{
	cancel_ask(&c->token, SIGTERM);
}

/* ---- memory ---- */

void owned_release(struct owned *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->at[i]);
	free(o->at);
	*o = (struct owned){ 0 };
}

static void *own(struct owned *o, void *p)
{
	o->at = mem_grow(o->at, o->count, &o->cap, sizeof *o->at);
	return o->at[o->count++] = p;
}

void *owned_new(struct owned *o, size_t size)
{
	return own(o, mem_alloc(size));
}

const char *owned_text(struct owned *o, const char *text)
{
	return text ? own(o, mem_strdup(text)) : NULL;
}

/* ---- settings ---- */

static int read_conf(struct ferry *f, const char *path, struct err *e)
{
	struct client *c = &f->base;
	f->conf = NEW(struct conf);
	int rc = conf_load(path, true, f->conf, e);
	if (rc == 0)
		rc = settings_fetch_read(f->conf, &c->fetch, e);
	if (rc == 0)
		rc = settings_repositories_read(f->conf, &c->repositories, e);
	return rc < 0 ? rc : settings_access_read(f->conf, &c->access, e);
}

static struct settings_repository *repository_for(struct settings_repositories *all,
						  const char *name)
{
	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->at[i].name, name) != 0)
			continue;
		settings_repository_release(&all->at[i]);
		return &all->at[i];
	}
	all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
	return &all->at[all->count++];
}

static int check_repository(const struct ferry_repository *r, struct err *e)
{
	if (!r->name || !r->urls || !r->urls[0] || !(r->root || r->root_sha256))
		return err_set(e, ERR_USAGE,
			       "a repository needs a name, at least one URL, and a root or its "
			       "SHA-256");
	if (!path_is_id(r->name))
		return err_set(e, ERR_USAGE, "'%s' is not a valid name for a repository", r->name);
	for (size_t i = 0; r->urls[i]; i++) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(r->urls[i]);
		if (!settings_repository_reads(r->urls[i]))
			return err_set(e, ERR_USAGE,
				       "%s: '%s' is not a file://, http://, https:// or oci:// URL",
				       r->name, shown);
	}
	return 0;
}

static int add_repository(struct settings_repositories *all, const struct ferry_repository *r,
			  struct err *e)
{
	if (check_repository(r, e) < 0)
		return -(int)e->class;
	struct settings_repository *s = repository_for(all, r->name);
	*s = (struct settings_repository){
		.name = mem_strdup(r->name),
		.root = r->root ? path_absolute(r->root) : NULL,
		.root_sha256 = r->root_sha256 ? mem_strdup(r->root_sha256) : NULL,
		.keep_versions = UINT64_MAX,
	};
	for (size_t i = 0; r->urls[i]; i++)
		str_list_add(&s->metadata, r->urls[i]);
	return 0;
}

static int add_repositories(struct ferry *f, const struct ferry_settings *s, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; GIVEN(s, repository_count) && i < s->repository_count && rc == 0; i++)
		rc = add_repository(&f->base.repositories, &s->repositories[i], e);
	return rc;
}

static int set_limits(struct ferry *f, const struct ferry_settings *s, struct err *e)
{
	struct settings_fetch *fetch = &f->base.fetch;
	if (GIVEN(s, ca) && s->ca) {
		free(f->base.access.ca);
		f->base.access.ca = path_absolute(s->ca);
	}
	f->limit_rate = GIVEN(s, limit_rate) ? s->limit_rate : 0;
	if (GIVEN(s, max_memory) && s->max_memory)
		fetch->max_memory = s->max_memory;
	if (GIVEN(s, connections) && s->connections)
		fetch->connections = s->connections;
	f->base.memory = GIVEN(s, memory) ? s->memory : 0;
	f->offline = GIVEN(s, offline) && s->offline;
	return settings_fetch_check(fetch->connections, fetch->max_memory, NULL, e);
}

static int open_store(struct ferry *f, const struct ferry_settings *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	int rc = 0;
	if (GIVEN(s, home) && s->home)
		home = path_absolute(s->home);
	else
		rc = store_home(&home, e);
	return rc < 0 ? rc : store_open(home, &f->base.store, e);
}

static int set_up(struct ferry *f, const struct ferry_settings *settings, struct err *e)
{
	int rc = settings ? CHECK_SIZE(settings, e)
			  : err_set(e, ERR_USAGE, "settings are NULL: use FERRY_SETTINGS_INIT");
	if (rc == 0 && GIVEN(settings, conf) && settings->conf)
		rc = read_conf(f, settings->conf, e);
	if (rc == 0)
		rc = add_repositories(f, settings, e);
	if (rc == 0)
		rc = set_limits(f, settings, e);
	return rc < 0 ? rc : open_store(f, settings, e);
}

void ferry_close(struct ferry *f)
{
	if (!f)
		return;
	client_release(&f->base);
	if (f->conf)
		conf_release(f->conf);
	free(f->conf);
	free(f);
}

int ferry_open(const struct ferry_settings *settings, struct ferry **out, struct ferry_error *error)
{
	struct err e = ERR_INIT;
	struct ferry *f = NEW(struct ferry);
	f->base.fetch = (struct settings_fetch)SETTINGS_FETCH_DEFAULT;
	if (set_up(f, settings, &e) < 0) {
		ferry_close(f);
		*out = NULL;
		return error_give(&e, error);
	}
	*out = f;
	return 0;
}
