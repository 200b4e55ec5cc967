#include "cli/values.h"

#include "repository/sign.h"
#include "repository/writer/writer.h"
#include "sign/keyring.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

/* ---- of one tree ---- */

static void add_models(const char *dir, const struct cli_sought *what, struct str_list *out)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	struct err ignored = ERR_INIT;
	if (repository_cards_load(dir, &cards, &ignored) < 0)
		return;
	for (size_t i = 0; i < cards.count; i++)
		values_card(&cards.at[i], "", what, out);
	values_unique(out);
}

static void add_roles(const char *dir, struct str_list *out)
{
	static const char *const top[] = { "root", "targets", "snapshot", "timestamp" };
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	struct err ignored = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(top); i++)
		str_list_add(out, top[i]);
	if (writer_look(dir, (int64_t)time(NULL), &w, &ignored) == 0)
		writer_delegation_names(w, out);
}

/* Objects are looked for level by level, as a shell looks for files: there may be many. */
static void add_objects(const char *dir, const char *word, struct str_list *out)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	const char *slash = strrchr(word, '/');
	CLEANUP(mem_free_ptr) char *parent = mem_strndup(word, slash ? (size_t)(slash - word) : 0);
	CLEANUP(mem_free_ptr) char *folder = *parent ? path_join(dir, parent) : mem_strdup(dir);
	if ((*parent && !path_is_key(parent)) || file_list_dir(folder, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(folder, names.at[i]);
		CLEANUP(mem_free_ptr) char *key = *parent ? path_join(parent, names.at[i])
							  : mem_strdup(names.at[i]);
		bool published = str_starts(key, "targets") || str_starts(key, "metadata") ||
				 str_starts(key, "catalog.json");
		if (published)
			str_list_take(out, mem_printf("%s%s", key, file_is_dir(path) ? "/" : ""));
	}
}

static void add_of_tree(const char *dir, const struct cli_sought *what, struct str_list *out)
{
	if (what->hint == HINT_MODEL)
		add_models(dir, what, out);
	else if (what->hint == HINT_ROLE)
		add_roles(dir, out);
	else if (what->hint == HINT_OBJECT)
		add_objects(dir, what->word, out);
}

static void add_keys(const char *dir, struct str_list *out)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	struct err ignored = ERR_INIT;
	if (keyring_load(dir, NULL, &keys, &ignored) < 0)
		return;
	for (size_t i = 0; i < keys.count; i++)
		str_list_add(out, keys.at[i].name);
}

/* ---- all ---- */

static void add_of_configured(struct cli *cli, const struct cli_sought *what, struct str_list *out)
{
	struct err ignored = ERR_INIT;
	const struct conf *c;
	const struct conf_section *s;
	if (cli_conf(cli, &c, &ignored) < 0)
		return;
	for (size_t i = 0; (s = conf_nth(c, "repository", i)); i++) {
		CLEANUP(mem_free_ptr) char *dir = conf_get_path(c, s, "path");
		CLEANUP(mem_free_ptr) char *keys = conf_get_path(c, s, "keys");
		if (what->hint == HINT_KEY && keys)
			add_keys(keys, out);
		else if (dir)
			add_of_tree(dir, what, out);
	}
}

void values_publisher(struct cli *cli, const struct cli_sought *what, struct str_list *out)
{
	if (what->hint == HINT_MIRROR || what->hint == HINT_REPOSITORY)
		values_sections(cli, what->hint == HINT_MIRROR ? "mirror" : "repository", out);
	else if (what->hint == HINT_KEY && what->keys)
		add_keys(what->keys, out);
	else if (what->hint != HINT_KEY && what->repository)
		add_of_tree(what->repository, what, out);
	else
		add_of_configured(cli, what, out);
}
