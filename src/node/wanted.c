#include "node/wanted.h"

#include "util/child.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

void node_wanted_release(struct node_wanted_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		reference_release(&l->at[i].reference);
		free(l->at[i].root);
	}
	free(l->at);
	free(l->references);
	*l = (struct node_wanted_list){ 0 };
}

/* Adds the line of the key, which is in [node.NAME] or in [node], to an error. */
static int locate(const struct conf *c, const char *name, const char *key, struct err *e)
{
	const struct conf_section *s = conf_find(c, "node", name);
	struct err why = *e;
	if (!conf_get(s, key) && conf_get(conf_find(c, "node", ""), key))
		s = conf_find(c, "node", "");
	*e = (struct err)ERR_INIT;
	conf_err(c, s, key, e, "%s%s%s%s", *name ? "[node." : "", name, *name ? "]: " : "",
		 why.text);
	return *why.hint ? err_hint(e, "%s", why.hint) : -ERR_USAGE;
}

static int read_engine(struct node_wanted *w, struct err *e)
{
	for (size_t i = 0; i < HANDOFF_ENGINES; i++)
		if (strcmp(handoff_engine_name((enum handoff_engine)i), w->set->engine) == 0) {
			w->engine = (enum handoff_engine)i;
			w->placed = true;
			return 0;
		}
	CLEANUP(mem_free_ptr) char *shown = text_escaped(w->set->engine);
	err_set(e, ERR_USAGE, "engine: there is no engine '%s'", shown);
	return err_hint(e, "the engines are " HANDOFF_ENGINE_NAMES ", or none");
}

/* home: of the owner; NULL: this user's settings say where the engine looks. */
static int find_root(struct node_wanted *w, const char *home, struct err *e)
{
	if (w->set->to) {
		w->root = path_absolute(w->set->to);
		return 0;
	}
	if (w->engine == HANDOFF_DIRECTORY)
		return err_set(e, ERR_USAGE, "engine = directory has no folder of its own: set to");
	if (!home)
		return handoff_root(w->engine, &w->root, e);
	w->root = handoff_root_of(w->engine, home);
	return 0;
}

static int read_owner(struct node_wanted *w, const char **home, struct err *e)
{
	*home = NULL;
	if (!w->set->owner)
		return 0;
	const struct passwd *who = getpwnam(w->set->owner);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(w->set->owner);
	if (!who)
		return err_set(e, ERR_USAGE, "owner: there is no user '%s'", shown);
	w->uid = who->pw_uid;
	w->gid = who->pw_gid;
	w->other = w->uid != geteuid();
	if (w->other && geteuid() != 0)
		return err_set(e, ERR_USAGE,
			       "owner: only root can lay models out for another user, '%s'", shown);
	if (w->other && who->pw_dir && who->pw_dir[0] == '/')
		*home = who->pw_dir;
	return 0;
}

/* key: which one an error is about. */
static int read_one(struct node_wanted *w, const char **key, struct err *e)
{
	const char *home;
	*key = "model";
	int rc = reference_parse(w->set->reference, &w->reference, e);
	if (rc < 0)
		return rc;
	*key = "owner";
	rc = read_owner(w, &home, e);
	if (rc < 0 || !w->set->engine)
		return rc;
	*key = "engine";
	rc = read_engine(w, e);
	return rc < 0 ? rc : find_root(w, home, e);
}

/* Each run would replace what the other section has made. */
static int check_name(const struct node_wanted_list *l, const struct node_wanted *w,
		      const char **key, struct err *e)
{
	*key = "as";
	for (size_t i = 0; w->placed && w->set->as && &l->at[i] != w; i++)
		if (l->at[i].placed && l->at[i].engine == w->engine &&
		    str_same(l->at[i].set->as, w->set->as) && strcmp(l->at[i].root, w->root) == 0)
			return err_set(e, ERR_USAGE, "as: [node.%s] has this name, too",
				       l->at[i].set->name);
	return 0;
}

int node_wanted_read(const struct conf *c, const struct settings_node *n,
		     struct node_wanted_list *out, struct err *e)
{
	CLEANUP(node_wanted_release) struct node_wanted_list l = { 0 };
	l.at = mem_alloc((n->count + 1) * sizeof *l.at);
	l.references = mem_alloc((n->count + 1) * sizeof *l.references);
	for (size_t i = 0; i < n->count; i++) {
		const char *key;
		l.at[l.count].set = &n->at[i];
		struct node_wanted *w = &l.at[l.count++];
		if (read_one(w, &key, e) < 0 || check_name(&l, w, &key, e) < 0)
			return locate(c, n->at[i].name, key, e);
		l.references[i] = l.at[i].reference;
	}
	*out = l;
	l = (struct node_wanted_list){ 0 };
	return 0;
}

/* -- hooks ----------------------------------------------------------------------------------- */

static int check_hook(const struct conf *c, const char *name, const struct str_list *words,
		      struct err *e)
{
	if (!words->count)
		return 0;
	const char *program = words->at[0];
	CLEANUP(mem_free_ptr) char *found = NULL;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(program);
	if (!strchr(program, '/')) {
		found = child_on_path(program);
		if (found)
			return 0;
		err_set(e, ERR_USAGE, "hook: %s is not on PATH", shown);
	} else if (access(program, F_OK) < 0) {
		err_set(e, ERR_USAGE, "hook: there is no program %s", shown);
	} else if (access(program, X_OK) < 0 || file_is_dir(program)) {
		err_set(e, ERR_USAGE, "hook: %s is not a program that this user may run", shown);
	} else {
		return 0;
	}
	return locate(c, name, "hook", e);
}

int node_wanted_hooks(const struct conf *c, const struct settings_node *n, struct err *e)
{
	int rc = check_hook(c, "", &n->hook, e);
	for (size_t i = 0; i < n->count && rc == 0; i++)
		rc = check_hook(c, n->at[i].name, &n->at[i].hook, e);
	return rc;
}
