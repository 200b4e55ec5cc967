#include "cli/standings.h"

#include "util/mem.h"

#include <string.h>

/* ---- members and words ---- */

void standings_put(json_t *object, const struct store_variant *v, const struct standing *st)
{
	json_put_string(object, "state", v->complete ? standing_name(st->kind) : "incomplete");
	if (!st->has_newer)
		return;
	json_t *update = json_put_object(object, "update");
	json_put_u64(update, "version", st->version);
	json_put_u64(update, "bytes", st->to_fetch);
}

static char *words_of(const json_t *object)
{
	static const struct {
		const char *state, *text;
	} words[] = {
		{ "outdated", "update, {update.bytes:size}" },
		{ "older", "older version" },
		{ "withdrawn", "withdrawn{update?; update, :}{update.bytes:size}" },
		{ "unlisted", "not in the catalog" },
		{ "incomplete", "incomplete: fetch it again" },
	};
	const char *state = json_text(object, "state"), *variant = json_text(object, "variant");
	/* What was fetched by its number is never updated. */
	if (state && strcmp(state, "withdrawn") == 0 && variant && strchr(variant, '@'))
		return mem_strdup(state);
	for (size_t i = 0; state && i < ARRAY_LEN(words); i++)
		if (strcmp(state, words[i].state) == 0)
			return cli_fill(object, words[i].text);
	return mem_strdup("ok");
}

char *standings_text(const json_t *object)
{
	CLEANUP(mem_free_ptr) char *text = words_of(object);
	return mem_printf("%s%s", text, json_object_get(object, "pinned") ? ", pinned" : "");
}

/* ---- the catalogs ---- */

int standings_recall(struct cli *cli, struct client *out, struct err *e)
{
	struct cli silent = *cli;
	struct err why = ERR_INIT;
	silent.report = NULL;
	silent.network = NULL;
	if (session_open(&silent, NULL, CLIENT_OFFLINE, out, &why) == 0 ||
	    !err_is(&why, ERR_CANCELLED))
		return 0;
	*e = why;
	return -ERR_CANCELLED;
}
