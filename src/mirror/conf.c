#include "mirror/mirror.h"
#include "settings/access.h"
#include "util/mem.h"

#include <string.h>

struct settings_kind *mirror_settings_kinds(const struct mirror_ops *const *kinds)
{
	size_t count = 0;
	while (kinds[count])
		count++;
	struct settings_kind *list = mem_alloc((count + 1) * sizeof *list);
	for (size_t i = 0; i < count; i++)
		list[i] = (struct settings_kind){
			.name = kinds[i]->kind,
			.keys = kinds[i]->keys,
			.public_keys = kinds[i]->public_keys,
			.metadata_only = kinds[i]->metadata_only,
			.reader_url = kinds[i]->reader_url,
			.no_metadata = kinds[i]->no_metadata,
			.objects_only = kinds[i]->others_files,
		};
	return list;
}

static const struct mirror_ops *find_kind(const struct mirror_ops *const *kinds, const char *name)
{
	for (; *kinds; kinds++)
		if (strcmp((*kinds)->kind, name) == 0 && (*kinds)->open)
			return *kinds;
	return NULL;
}

int mirror_open(const struct mirror_ops *const *kinds, const struct mirror_env *env,
		const struct settings_mirror *s, struct mirror **out, struct err *e)
{
	if (s->fault.class) {
		*e = s->fault;
		return -(int)e->class;
	}
	const struct mirror_ops *ops = find_kind(kinds, s->kind);
	if (!ops)
		return conf_err(s->conf, s->section, "kind", e,
				"kind %s is not supported by this program", s->kind);
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_new(ops, s->id);
	if (env)
		m->env = *env;
	m->url = s->url ? mem_strdup(s->url) : ops->reader_url ? ops->reader_url(s->section) : NULL;
	m->region = s->region ? mem_strdup(s->region) : NULL;
	m->priority = s->priority;
	m->holds = s->holds;
	m->stage = s->stage;
	if (s->connections)
		m->connections = m->small_connections = s->connections;
	if (ops->open(m, s->conf, s->section, e) < 0)
		return err_context(e, "mirror %s", m->id);
	*out = STEAL(m);
	return 0;
}

char *mirror_variable_name(const struct mirror *m, const char *before, const char *behind)
{
	return settings_variable_name(m->id, before, behind);
}

const char *mirror_variable(const struct mirror *m, const char *before, const char *behind)
{
	CLEANUP(mem_free_ptr) char *name = mirror_variable_name(m, before, behind);
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}
