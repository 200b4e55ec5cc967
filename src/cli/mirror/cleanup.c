/* cleanup: what uploads left behind. */
#include "cli/mirror/mirror.h"
#include "util/mem.h"

#include <string.h>

#define OLDER_THAN_S (7 * 86400)

struct cleanup_opts {
	struct publisher_opts who;
	uint64_t older_than_s;
	bool old_versions, dry_run;
};

static const struct cleanup_opts defaults = { .older_than_s = OLDER_THAN_S };

static const struct opt options[] = {
	OPT_ENTRY(OPT_DURATION, cleanup_opts, older_than_s, 0, "older-than", "AGE",
		  "remove only what is older than this; by default 7d"),
	OPT_ENTRY(OPT_FLAG, cleanup_opts, old_versions, 0, "old-versions", NULL,
		  "also remove old versions of objects that were replaced or removed"),
	OPT_ENTRY(OPT_FLAG, cleanup_opts, dry_run, 'n', "dry-run", NULL,
		  "list what would be removed, and remove nothing"),
	CMD_MIRROR_OPTS(cleanup_opts),
	OPT_LAST,
};

/* One run over one mirror. */
struct sweep {
	const struct cleanup_opts *o;
	struct mirrors_entry *place;
	int64_t now_s;
	json_t *list; /* of the document */
	struct cmd_mirror_worst worst;
};

static const char *kind_name(enum mirror_leftover_kind kind)
{
	return kind == MIRROR_LEFT_UPLOAD    ? "upload"
	       : kind == MIRROR_LEFT_VERSION ? "old-version"
					     : "scratch";
}

static enum mirror_leftover_kind kind_of(const char *name)
{
	enum mirror_leftover_kind kind = MIRROR_LEFT_UPLOAD;
	while (kind < MIRROR_LEFT_SCRATCH && strcmp(name, kind_name(kind)) != 0)
		kind++;
	return kind;
}

static int add_leftover(void *ctx, const struct mirror_leftover *left, struct err *e)
{
	struct sweep *s = ctx;
	(void)e;
	if (left->kind == MIRROR_LEFT_VERSION && !s->o->old_versions)
		return 0;
	json_t *o = json_push_object(s->list);
	json_put_string(o, "kind", kind_name(left->kind));
	json_put_string(o, "key", left->key[0] ? left->key : NULL);
	json_put_string(o, "id", left->id);
	json_put_time(o, "started", left->started_s);
	json_put_u64(o, "age_s", (uint64_t)MAX(s->now_s - left->started_s, 0));
	if (left->has_bytes)
		json_put_u64(o, "bytes", left->bytes);
	json_put_string(o, "state", "kept");
	return 0;
}

static int try_to_remove(struct mirror *m, const json_t *o, struct err *e)
{
	const char *key = json_text(o, "key");
	const struct mirror_leftover left = {
		.kind = kind_of(json_text(o, "kind")),
		.key = key ? key : "",
		.id = json_text(o, "id"),
	};
	return mirror_leftover_remove(m, &left, e);
}

/* Negative only when it was cancelled. */
static int settle(struct sweep *s, json_t *o, struct err *e)
{
	struct err why = ERR_INIT;
	if (json_number(o, "age_s") < s->o->older_than_s)
		return 0;
	int rc = s->o->dry_run ? 0 : try_to_remove(s->place->mirror, o, &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	if (rc < 0 && !err_is(&why, ERR_CONFLICT)) {
		json_put(o, "error", cli_error_json(&why));
		cmd_mirror_add_failure(&s->worst, s->place, why.class);
	}
	json_put_string(o, "state",
			s->o->dry_run                 ? "would-remove"
			: rc == 0                     ? "removed"
			: json_object_get(o, "error") ? "failed"
						      : "in-use");
	return 0;
}

static int sweep_mirror(struct sweep *s, json_t *o, struct err *e)
{
	struct err *why = &s->place->error;
	int rc = 0;
	json_put_string(o, "id", s->place->settings->id);
	json_put_string(o, "kind", publisher_kind(s->place));
	s->list = json_put_array(o, "leftovers");
	if (s->place->mirror &&
	    mirror_leftovers(s->place->mirror, add_leftover, s, why) == -ERR_CANCELLED) {
		*e = *why;
		return -ERR_CANCELLED;
	}
	for (size_t i = 0; i < json_array_size(s->list) && rc == 0; i++)
		rc = settle(s, json_array_get(s->list, i), e);
	if (why->class)
		json_put(o, "error", cli_error_json(why));
	cmd_mirror_add_failure(&s->worst, s->place, why->class);
	return rc;
}

/* ---- for people ---- */

static char *age_text(const json_t *left)
{
	char text[DURATION_TEXT];
	return mem_strdup(format_duration(text, json_number(left, "age_s")));
}

static char *what_text(const json_t *left)
{
	return cli_fill(left, json_text(left, "key") ? "{key}" : "{id}");
}

static void print_failures(struct cli *cli, const json_t *rows)
{
	const json_t *row;
	size_t i;
	json_array_foreach (rows, i, row)
		if (json_object_get(row, "error"))
			cli_say(cli, row, "{error.message}");
}

/* Of a mirror that could not be listed, nothing is known. */
static bool all_listed(const json_t *mirrors)
{
	const json_t *mirror;
	size_t i;
	json_array_foreach (mirrors, i, mirror)
		if (json_object_get(mirror, "error"))
			return false;
	return true;
}

static void print(struct cli *cli, const json_t *mirrors, bool dry_run)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror}", NULL }, { "WHAT", "{kind}", NULL },
		{ ">AGE", NULL, age_text },     { ">SIZE", "{bytes:size|-}", NULL },
		{ "STATE", "{state}", NULL },   { "NAME", NULL, what_text },
	};
	CLEANUP(json_release) json_t *rows = cli_rows(mirrors, "leftovers", "id", "mirror");
	cli_aloud(cli, dry_run);
	if (json_array_size(rows))
		cli_table(cli, rows, columns, ARRAY_LEN(columns));
	else if (all_listed(mirrors))
		cli_note(cli, rows, "nothing was left behind");
	cli_aloud(cli, true);
	print_failures(cli, rows);
	cmd_mirror_print_errors(cli, mirrors);
	cli_aloud(cli, false);
}

static int run(struct cli *cli, struct err *e)
{
	const struct cleanup_opts *o = cli->opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	struct sweep s = { .o = o, .now_s = clock_wall_s(NULL) };
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	if (rc < 0)
		return rc;
	json_put_bool(document, "dry_run", o->dry_run);
	json_put_u64(document, "older_than_s", o->older_than_s);
	json_t *mirrors = json_put_array(document, "mirrors");
	for (size_t i = 0; i < p.places.count && rc == 0; i++) {
		s.place = &p.places.at[i];
		if (s.place->chosen)
			rc = sweep_mirror(&s, json_push_object(mirrors), e);
	}
	print(cli, mirrors, o->dry_run);
	int failed = rc < 0 ? rc : cmd_mirror_outcome(&s.worst, "cleaned", e);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : failed;
}

const struct command cmd_mirror_cleanup = {
	.name = "cleanup",
	.summary = "remove what interrupted uploads left on the mirrors",
	.description =
		"Lists uploads that were not completed and objects that a killed probe left, and "
		"removes those that are older than --older-than. A push cannot continue an upload "
		"that was removed. Readers never see any of this, but some providers charge for "
		"it. If a mirror could not be listed or something could not be removed, "
		"the exit status is that of the most serious failure.",
	.opts = options,
	.opts_size = sizeof(struct cleanup_opts),
	.defaults = &defaults,
	.run = run,
};
