#include "publish/mirrors.h"

#include "util/mem.h"

#include <string.h>

void mirrors_release(struct mirrors *p)
{
	for (size_t i = 0; i < p->count; i++)
		mirror_close(p->at[i].mirror);
	free(p->at);
	free(p->rate);
	*p = (struct mirrors){ 0 };
}

static int belongs(const struct conf *c, const struct conf_section *s, const char *repository,
		   bool *out, struct err *e)
{
	const char *named = conf_get(s, "repository");
	bool several = conf_nth(c, "repository", 1) != NULL;
	*out = !repository || !named || strcmp(named, repository) == 0;
	if (named && !conf_find(c, "repository", named) && conf_nth(c, "repository", 0))
		return conf_err(c, s, "repository", e, "there is no [repository.%s]", named);
	if (!named && several && repository)
		return conf_err(c, s, NULL, e, "[mirror.%s] does not say of which repository: "
				"repository = NAME", s->name);
	return 0;
}

/* What is needed even when the mirror does not open: whether it counts, and what for. */
static void read_basics(const struct conf *c, struct mirrors_entry *p)
{
	struct err ignored = ERR_INIT;
	const char *holds = conf_get(p->section, "holds");
	p->id = p->section->name;
	p->kind = conf_get(p->section, "kind");
	p->priority = 50;
	if (holds && strcmp(holds, "objects") == 0)
		p->holds = MIRROR_HOLDS_OBJECTS;
	else if (holds && strcmp(holds, "metadata") == 0)
		p->holds = MIRROR_HOLDS_METADATA;
	if (conf_get_bool(c, p->section, "stage", &p->stage, &ignored) < 0 ||
	    conf_get_u64(c, p->section, "priority", &p->priority, &ignored) < 0)
		p->stage = false;
}

static int add_all(const struct conf *c, const char *repository,
		   const struct mirror_ops *const *kinds, const struct cancel *cancel,
		   struct mirrors *out, struct err *e)
{
	const struct conf_section *s, *fetch = conf_find(c, "fetch", "");
	out->rate = NEW(struct rate);
	struct mirror_env env = { .rate = out->rate, .cancel = cancel };
	int read = conf_get_duration(c, fetch, "stall-time", &env.stall_s, e);
	if (read == 0)
		read = conf_get_size(c, fetch, "limit-rate", &out->rate->bytes_per_s, e);
	if (read < 0)
		return read;
	for (size_t i = 0; (s = conf_nth(c, "mirror", i)); i++) {
		bool ours;
		int rc = belongs(c, s, repository, &ours, e);
		if (rc < 0)
			return rc;
		if (!ours)
			continue;
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		struct mirrors_entry *p = &out->at[out->count++];
		*p = (struct mirrors_entry){ .section = s };
		read_basics(c, p);
		if (mirror_open(kinds, &env, c, s, &p->mirror, &p->error) < 0)
			continue;
		p->holds = p->mirror->holds;
		p->stage = p->mirror->stage;
		p->priority = p->mirror->priority;
	}
	return 0;
}

static int choose(struct mirrors *p, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **known = mem_alloc((p->count + 1) * sizeof *known);
	for (size_t i = 0; i < p->count; i++) {
		known[i] = p->at[i].id;
		if (strcmp(known[i], name) == 0) {
			p->at[i].chosen = true;
			return 0;
		}
	}
	const char *near = text_nearest(name, known, p->count);
	err_set(e, ERR_USAGE, "there is no mirror '%s'", name);
	if (near)
		return err_hint(e, "did you mean '%s'?", near);
	return err_hint(e, "see `ferry mirror list`");
}

int mirrors_open(const struct conf *c, const char *repository, const char *const *names,
		size_t name_count, const struct mirror_ops *const *kinds,
		 const struct cancel *cancel, struct mirrors *out, struct err *e)
{
	CLEANUP(mirrors_release) struct mirrors p = { 0 };
	int rc = add_all(c, repository, kinds, cancel, &p, e);
	if (rc == 0 && !p.count) {
		err_set(e, ERR_USAGE, "%s%s names no mirror%s%s", c->path ? c->path : "",
			c->path ? "" : "there is no ferry.conf, which",
			repository ? " of repository " : "", repository ? repository : "");
		rc = err_hint(e, "add a section like: [mirror.main] kind = file, path = "
				 "/srv/models (man ferry.conf)");
	}
	for (size_t i = 0; rc == 0 && i < name_count; i++)
		rc = choose(&p, names[i], e);
	for (size_t i = 0; !name_count && i < p.count; i++)
		p.at[i].chosen = true;
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct mirrors){ 0 };
	return 0;
}

int settings_quorum(const struct conf *c, uint64_t *quorum, struct err *e)
{
	static const char *const keys[] = { "quorum", NULL };
	const struct conf_section *s = conf_find(c, "publish", "");
	*quorum = 0;
	if (!s)
		return 0;
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = conf_get_u64(c, s, "quorum", quorum, e);
	if (rc == 0 && conf_get(s, "quorum") && !*quorum)
		rc = conf_err(c, s, "quorum", e, "quorum: at least 1 is wanted");
	return rc;
}
