#include "cli/placeholders.h"

#include "util/mem.h"

#include <string.h>

#define ARGUMENT_MAX (16 * MIB)

bool placeholders_has_model(const struct placeholders *p)
{
	bool has = false;
	for (size_t i = 0; i < p->count; i++)
		has = has || strstr(p->args[i], "{}");
	return has;
}

static bool has_role(const struct placeholders *p, const char *role)
{
	CLEANUP(mem_free_ptr) char *wanted = mem_printf("{%s}", role);
	bool has = false;
	for (size_t i = 0; i < p->count; i++)
		has = has || strstr(p->args[i], wanted);
	return has;
}

static int refuse(const char *role, const char *name, const struct str_list *there, struct err *e)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT(4 * KIB);
	for (size_t i = 0; i < there->count; i++)
		buf_addf(&list, "%s{%s}", i ? ", " : "", there->at[i]);
	err_set(e, ERR_USAGE, "an argument has {%s}, but %s has no file with this role", role,
		name);
	return there->count ? err_hint(e, "it has {} and %s", buf_str(&list))
			    : err_hint(e, "it has only the model itself, {}: leave the argument "
					  "out, or choose another variant");
}

static int check(const struct placeholders *p, const char *name, const struct str_list *there,
		 struct err *e)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	str_list_split(&roles, CARD_ROLES, " ");
	for (size_t i = 0; i < roles.count; i++)
		if (has_role(p, roles.at[i]) && !str_list_has(there, roles.at[i]))
			return refuse(roles.at[i], name, there, e);
	return 0;
}

static void add_once(struct str_list *to, const char *role)
{
	if (role && !str_list_has(to, role))
		str_list_add(to, role);
}

int placeholders_check_card(const struct placeholders *p, const char *name,
			    const struct card_variant *v, struct err *e)
{
	CLEANUP(str_list_release) struct str_list there = { 0 };
	for (size_t i = 0; i < v->file_count; i++)
		add_once(&there, v->files[i].role);
	return check(p, name, &there, e);
}

int placeholders_check(const struct placeholders *p, const char *name, const struct fetch_result *r,
		       struct err *e)
{
	CLEANUP(str_list_release) struct str_list there = { 0 };
	for (size_t i = 0; i < r->count; i++)
		add_once(&there, r->files[i].role);
	return check(p, name, &there, e);
}

/* ---- filling ---- */

/* A field of a list. */
static void add_field(struct buf *b, const char *path)
{
	if (!strpbrk(path, ",\"")) {
		buf_adds(b, path);
		return;
	}
	buf_addc(b, '"');
	for (; *path; path++)
		buf_adds(b, *path == '"' ? "\"\"" : (char[]){ *path, '\0' });
	buf_addc(b, '"');
}

/* The paths of the role; false if there is none. What may be there several times is a list. */
static bool add_paths(struct buf *b, const struct fetch_result *r, const char *role, size_t len)
{
	bool any = false;
	for (size_t i = 0; i < r->count; i++) {
		const struct fetch_file *f = &r->files[i];
		if (!f->role || strlen(f->role) != len || strncmp(f->role, role, len) != 0)
			continue;
		buf_adds(b, any ? "," : "");
		if (card_role_repeats(f->role))
			add_field(b, f->path);
		else
			buf_adds(b, f->path);
		any = true;
	}
	return any;
}

/* The bytes of the argument that were a placeholder; 0: there is none. */
static size_t fill_one(struct buf *b, const char *at, const struct fetch_result *r)
{
	size_t len = strcspn(at, "}");
	if (*at != '{' || at[len] != '}')
		return 0;
	if (len == 1)
		buf_adds(b, r->files[0].path);
	else if (!add_paths(b, r, at + 1, len - 1))
		return 0;
	return len + 1;
}

char *placeholders_fill(const char *arg, const struct fetch_result *r)
{
	struct buf b = BUF_INIT(ARGUMENT_MAX);
	buf_adds(&b, "");
	while (*arg) {
		size_t used = fill_one(&b, arg, r);
		if (!used)
			buf_addc(&b, *arg);
		arg += used ? used : 1;
	}
	return buf_steal(&b);
}
