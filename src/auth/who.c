#include "auth/who.h"

#include "util/mem.h"

void auth_who_release(struct auth_who *w)
{
	if (w->keys) {
		auth_keys_put(w->keys);
		*w = (struct auth_who){ 0 };
		return;
	}
	for (size_t i = 0; i < w->count; i++)
		auth_scope_release(&w->scopes[i]);
	free(w->scopes);
	free(w->name);
	*w = (struct auth_who){ 0 };
}

static void copy_scopes(const struct auth_scope *scopes, size_t count, struct auth_who *out)
{
	if (!count)
		return;
	out->scopes = mem_alloc(count * sizeof *scopes);
	out->cap = out->count = count;
	for (size_t i = 0; i < count; i++)
		out->scopes[i] = auth_scope_copy(&scopes[i]);
}

void auth_who_copy(const struct auth_who *from, struct auth_who *out)
{
	*out = (struct auth_who){
		.name = from->name ? mem_strdup(from->name) : NULL,
		.trusted = from->trusted,
		.known = from->known,
	};
	copy_scopes(from->scopes, from->count, out);
}

void auth_who_anybody(struct auth_who *out)
{
	static const struct auth_scope pull = { .action = AUTH_PULL };
	*out = (struct auth_who){ .name = mem_strdup("") };
	copy_scopes(&pull, 1, out);
}

void auth_who_trust(struct auth_who *out)
{
	*out = (struct auth_who){ .name = mem_strdup(""), .trusted = true, .known = true };
}

void auth_who_of_key(const struct auth_key *k, struct auth_keys *of, struct auth_who *out)
{
	*out = (struct auth_who){
		.name = k->name,
		.known = true,
		.scopes = k->scopes,
		.count = k->count,
		.keys = of,
	};
}

bool auth_may(const struct auth_who *w, enum auth_action action, const char *repository,
	      const char *model)
{
	if (w->trusted)
		return true;
	for (size_t i = 0; i < w->count; i++)
		if (auth_scope_allows(&w->scopes[i], action, repository, model))
			return true;
	return false;
}

bool auth_may_some(const struct auth_who *w, enum auth_action action)
{
	if (w->trusted)
		return true;
	for (size_t i = 0; i < w->count; i++)
		if (w->scopes[i].action == action)
			return true;
	return false;
}
