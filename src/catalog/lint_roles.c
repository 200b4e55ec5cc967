/* Files of a variant that are used together with its model. */
#include "catalog/lint.h"

#include <string.h>

static void lint_role(const struct card_file *f, const char *where, struct lint_findings *out)
{
	CLEANUP(str_list_release) struct str_list known = { 0 };
	if (card_role_known(f->role))
		return;
	str_list_split(&known, CARD_ROLES, " ");
	const char *near = text_nearest(f->role, (const char *const *)known.at, known.count);
	lint_add(out, LINT_WARNING, where,
		 "files: '%s' has the unknown role '%s'%s%s%s: programs do not know what it is for",
		 f->name, f->role, near ? " (did you mean '" : "", near ? near : "",
		 near ? "'?)" : "");
}

static void lint_again(const struct card_variant *v, size_t i, const char *where,
		       struct lint_findings *out)
{
	const char *role = v->files[i].role;
	for (size_t k = 0; k < i && !card_role_repeats(role); k++) {
		if (!str_same(v->files[k].role, role))
			continue;
		lint_add(out, LINT_ERROR, where,
			 "files: '%s' and '%s' both have the role '%s', of which a variant has one",
			 v->files[k].name, v->files[i].name, role);
		return;
	}
}

void lint_roles(const struct card_variant *v, const char *where, struct lint_findings *out)
{
	size_t models = card_model_files(v);
	for (size_t i = models; i < v->file_count; i++) {
		lint_role(&v->files[i], where, out);
		lint_again(v, i, where, out);
	}
	if (v->kind && models < v->file_count)
		lint_add(out, LINT_ERROR, where,
			 "files: '%s' has the role '%s', but the variant is of the kind '%s', so "
			 "there is no model that it belongs to",
			 v->files[models].name, v->files[models].role, v->kind);
}
