#include "publish/mirrors.h"

#include "util/mem.h"

#include <string.h>

const struct mirrors_entry *mirrors_find(const struct mirrors *p, const char *id)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->at[i].settings->id, id) == 0)
			return &p->at[i];
	return NULL;
}

void mirrors_release(struct mirrors *p)
{
	for (size_t i = 0; i < p->count; i++)
		mirror_close(p->at[i].mirror);
	free(p->at);
	*p = (struct mirrors){ 0 };
}

/* With the mirror's own limit, if it has one. */
static void open_entry(struct mirrors_entry *m, const struct mirror_ops *const *kinds,
		       const struct mirror_env *env)
{
	struct mirror_env own = *env;
	if (m->settings->limit_rate.count) {
		m->rate = (struct rate){
			.table = m->settings->limit_rate,
			.within = env->rate,
			.clock = env->clock,
		};
		own.rate = &m->rate;
	}
	(void)!mirror_open(kinds, &own, m->settings, &m->mirror, &m->error);
}

static int choose(struct mirrors *p, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **known = mem_alloc((p->count + 1) * sizeof *known);
	for (size_t i = 0; i < p->count; i++) {
		known[i] = p->at[i].settings->id;
		if (strcmp(known[i], name) == 0) {
			p->at[i].chosen = true;
			return 0;
		}
	}
	const char *near = text_nearest(name, known, p->count);
	err_set(e, ERR_USAGE, "there is no mirror '%s'", name);
	if (near)
		return err_hint(e, "did you mean '%s'?", near);
	return err_hint(e, "`ferry mirror list` lists the mirrors");
}

int mirrors_open(const struct settings_mirrors *settings, const char *const *names,
		 size_t name_count, const struct mirror_ops *const *kinds,
		 const struct mirror_env *env, struct mirrors *out, struct err *e)
{
	CLEANUP(mirrors_release) struct mirrors p = { .count = settings->count };
	int rc = 0;
	p.at = mem_alloc((p.count + 1) * sizeof *p.at);
	for (size_t i = 0; i < p.count; i++) {
		struct mirrors_entry *m = &p.at[i];
		*m = (struct mirrors_entry){ .settings = &settings->at[i], .chosen = !name_count };
		open_entry(m, kinds, env);
	}
	for (size_t i = 0; rc == 0 && i < name_count; i++)
		rc = choose(&p, names[i], e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct mirrors){ 0 };
	return 0;
}
