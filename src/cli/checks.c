#include "cli/checks.h"

#include <string.h>

static const char *state_of(const struct mirror_finding *f)
{
	return f->class ? "fault" : f->state == MIRROR_FINDING_OK ? "ok" : "warning";
}

static void put_rows(json_t *rows, const char *mirror, const struct mirror_findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		json_t *row = json_push_object(rows);
		json_put_string(row, "mirror", mirror);
		json_put_string(row, "check", f->at[i].what);
		json_put_string(row, "state", state_of(&f->at[i]));
		if (f->at[i].class)
			json_put_string(row, "class", err_class_name(f->at[i].class));
		json_put_string(row, "text", f->at[i].text);
		json_put_string(row, "hint", f->at[i].hint);
	}
}

json_t *checks_json(const struct preflight *p, const struct push_mirror *mirrors)
{
	json_t *rows = json_array();
	put_rows(rows, NULL, &p->release);
	for (size_t i = 0; i < p->count; i++)
		put_rows(rows, mirrors[i].id, &p->mirrors[i].findings);
	return rows;
}

void checks_print(struct cli *cli, const json_t *rows, bool all)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror|-}", NULL },
		{ "CHECK", "{check}", NULL },
		{ "STATE", "{state}", NULL },
		{ "DETAILS", "{text}", NULL },
	};
	CLEANUP(json_release) json_t *shown = json_array();
	json_t *row;
	size_t i;
	json_array_foreach (rows, i, row)
		if (all || strcmp(json_text(row, "state"), "ok") != 0)
			json_push(shown, json_incref(row));
	if (json_array_size(shown))
		cli_table(cli, shown, columns, ARRAY_LEN(columns));
	json_array_foreach (shown, i, row)
		if (json_text(row, "hint"))
			cli_say(cli, row,
				json_text(row, "mirror") ? "{mirror}: {check}: {hint}"
							 : "{check}: {hint}");
}
