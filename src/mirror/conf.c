#include "settings/mirrors.h"
#include "mirror/mirror.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static int find_kind(const struct mirror_ops *const *kinds, const struct conf *c,
		     const struct conf_section *s, const struct mirror_ops **out, struct err *e)
{
	const char *name = conf_get(s, "kind");
	if (!name)
		return conf_err(c, s, NULL, e, "[mirror.%s] needs 'kind'", s->name);
	for (; *kinds; kinds++)
		if (strcmp((*kinds)->kind, name) == 0) {
			*out = *kinds;
			return 0;
		}
	size_t known = 0;
	for (; catalog_mirror_kinds[known]; known++)
		if (strcmp(catalog_mirror_kinds[known], name) == 0)
			return conf_err(c, s, "kind", e, "kind %s is not built into this program",
					name);
	const char *near = text_nearest(name, catalog_mirror_kinds, known);
	conf_err(c, s, "kind", e, "unknown kind '%s'", name);
	return near ? err_hint(e, "did you mean '%s'?", near) :
		      err_hint(e, "the kinds are file, http, s3, r2, github and git");
}

static int read_holds(const struct conf *c, const struct conf_section *s, struct mirror *m,
		      struct err *e)
{
	static const char *const names[] = { "all", "objects", "metadata" };
	const char *v = conf_get(s, "holds");
	for (size_t i = 0; v && i < ARRAY_LEN(names); i++)
		if (strcmp(v, names[i]) == 0) {
			m->holds = (enum mirror_holds)i;
			return 0;
		}
	return v ? conf_err(c, s, "holds", e, "'holds' is all, objects or metadata, not '%s'", v) : 0;
}

static int read_common(const struct conf *c, const struct conf_section *s, struct mirror *m,
		       struct err *e)
{
	const char *url = conf_get(s, "url"), *region = conf_get(s, "region");
	m->url = url ? mem_strdup(url) : NULL;
	m->region = region ? mem_strdup(region) : NULL;
	int rc = conf_get_u64(c, s, "priority", &m->priority, e);
	if (rc == 0)
		rc = conf_get_bool(c, s, "stage", &m->stage, e);
	if (rc == 0)
		rc = read_holds(c, s, m, e);
	return rc;
}

int mirror_open(const struct mirror_ops *const *kinds, const struct mirror_env *env,
		const struct conf *c, const struct conf_section *s, struct mirror **out,
		struct err *e)
{
	const struct mirror_ops *ops = NULL;
	if (!path_is_id(s->name)) {
		conf_err(c, s, NULL, e, "'%s' cannot be a mirror's name", s->name);
		return err_hint(e, "use lower-case letters, digits, '-', '_' and '.'");
	}
	int rc = find_kind(kinds, c, s, &ops, e);
	if (rc == 0)
		rc = conf_check_keys(c, s, catalog_mirror_keys(ops->kind), e);
	if (rc < 0)
		return rc;
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_new(ops, s->name);
	if (env)
		m->env = *env;
	rc = read_common(c, s, m, e);
	if (rc == 0 && (rc = ops->open(m, c, s, e)) < 0)
		err_context(e, "mirror %s", m->id);
	if (rc == 0)
		*out = STEAL(m);
	return rc;
}
