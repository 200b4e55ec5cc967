#include "auth/scope.h"

#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

/* The word of a scope in front of ':'. */
static const char *const action_names[AUTH_ACTIONS] = { "pull", "preload", "admin", "metrics" };

void auth_scope_release(struct auth_scope *s)
{
	free(s->repository);
	free(s->glob);
	*s = (struct auth_scope){ 0 };
}

struct auth_scope auth_scope_copy(const struct auth_scope *s)
{
	return (struct auth_scope){
		.action = s->action,
		.repository = s->repository ? mem_strdup(s->repository) : NULL,
		.glob = s->glob ? mem_strdup(s->glob) : NULL,
	};
}

void auth_scope_text(const struct auth_scope *s, struct buf *out)
{
	buf_adds(out, action_names[s->action]);
	if (s->repository || s->glob)
		buf_addf(out, ":%s", s->repository ? s->repository : "*");
	if (s->glob)
		buf_addf(out, "/%s", s->glob);
}

static bool is_glob(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-*?")];
}

static int fault(const char *text, const char *why, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	err_set(e, ERR_USAGE, "scope '%.80s': %s", shown, why);
	return err_hint(e, "a scope is admin, metrics, or pull or preload, which may be followed "
			   "by :REPOSITORY or :REPOSITORY/GLOB");
}

/* Behind ':'. */
static int parse_place(const char *text, const char *place, struct auth_scope *out, struct err *e)
{
	size_t len = strcspn(place, "/");
	CLEANUP(mem_free_ptr) char *repository = mem_strndup(place, len);
	const char *glob = place[len] ? place + len + 1 : NULL;
	if (strcmp(repository, "*") != 0 && !path_is_id(repository))
		return fault(text, "not the name of a repository, or *", e);
	if (glob && !is_glob(glob))
		return fault(text, "not a pattern for the names of models", e);
	if (strcmp(repository, "*") != 0)
		out->repository = STEAL(repository);
	if (glob && strcmp(glob, "*") != 0)
		out->glob = mem_strdup(glob);
	return 0;
}

int auth_scope_parse(const char *text, struct auth_scope *out, struct err *e)
{
	size_t len = strcspn(text, ":");
	struct auth_scope s = { .action = AUTH_ACTIONS };
	if (strlen(text) > AUTH_SCOPE_MAX)
		return fault(text, "too long", e);
	for (unsigned i = 0; i < AUTH_ACTIONS; i++)
		if (strlen(action_names[i]) == len && memcmp(action_names[i], text, len) == 0)
			s.action = (enum auth_action)i;
	if (s.action == AUTH_ACTIONS)
		return fault(text, "unknown", e);
	if (text[len] && s.action != AUTH_PULL && s.action != AUTH_PRELOAD)
		return fault(text, "has no repository", e);
	int rc = text[len] ? parse_place(text, text + len + 1, &s, e) : 0;
	if (rc == 0)
		*out = s;
	return rc;
}

/* Goes back to the last '*' only, so that it takes at most length × length steps. */
static bool glob_matches(const char *glob, const char *s)
{
	const char *star = NULL, *behind = NULL;
	while (*s) {
		if (*glob == '*') {
			star = glob++;
			behind = s;
		} else if (*glob == '?' || *glob == *s) {
			glob++, s++;
		} else if (star) {
			glob = star + 1;
			s = ++behind;
		} else {
			return false;
		}
	}
	return !glob[strspn(glob, "*")];
}

bool auth_scope_allows(const struct auth_scope *s, enum auth_action action, const char *repository,
		       const char *model)
{
	if (s->action != action)
		return false;
	if (s->repository && (!repository || strcmp(s->repository, repository) != 0))
		return false;
	return !s->glob || (model && glob_matches(s->glob, model));
}
