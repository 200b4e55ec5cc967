#include "cli/plans.h"

#include "util/file.h"
#include "util/mem.h"

#include <sys/stat.h>
#include <time.h>

void plans_release(struct plans *p)
{
	plan_file_release(&p->plan);
	plan_file_moves_release(&p->moves);
}

static int check_options(const struct plans *p, const struct publisher_opts *who,
			 const struct push_options *push, bool prune, struct err *e)
{
	if (prune && (p->apply || p->write))
		return err_set(e, ERR_USAGE,
			       "--prune: a plan removes nothing; prune with another push");
	if (!p->apply)
		return 0;
	if (p->write)
		return err_set(e, ERR_USAGE, "--plan and --apply exclude each other");
	if (who->mirrors.count || push->stage || push->recheck) {
		err_set(e, ERR_USAGE,
			"--mirror, --stage and --recheck are part of the plan: they "
			"cannot be given with --apply");
		return err_hint(e, "give them to `ferry push --plan FILE`");
	}
	return 0;
}

/* A mistyped name must not overwrite another file, such as ferry.conf. */
static int check_target(const char *path, struct err *e)
{
	CLEANUP(plan_file_release) struct plan_file old = { 0 };
	struct err why = ERR_INIT;
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0 ||
	    plan_file_read(path, &old, &why) == 0)
		return 0;
	err_set(e, ERR_USAGE, "--plan: %s exists and is not a plan, so it is not replaced", path);
	return err_hint(e, "remove it, or choose another name");
}

int plans_open(struct plans *p, struct publisher_opts *who, struct push_options *push, bool prune,
	       struct err *e)
{
	int rc = check_options(p, who, push, prune, e);
	if (rc == 0 && p->write)
		rc = check_target(p->write, e);
	if (rc == 0 && p->apply)
		rc = plan_file_read(p->apply, &p->plan, e);
	if (rc < 0)
		return rc;
	push->dry_run |= p->write != NULL;
	if (!p->apply)
		return 0;
	who->mirrors = (struct opt_list){ .at = (const char **)p->plan.only.at,
					  .count = p->plan.only.count };
	push->stage = p->plan.stage;
	push->recheck = p->plan.recheck;
	return 0;
}

int plans_approve(void *ctx, const struct push_mirror *mirrors, size_t count, struct err *e)
{
	struct plans *p = ctx;
	struct plan_file_run run = p->run;
	run.mirrors = mirrors;
	run.count = count;
	return p->apply ? plan_file_compare(&p->plan, &run, &p->moves, e) : 0;
}

int plans_save(const struct plans *p, struct err *e)
{
	CLEANUP(json_release) json_t *document = plan_file_make(&p->run, time(NULL));
	CLEANUP(buf_release) struct buf text = BUF_INIT(PLAN_FILE_MAX_BYTES);
	int rc = json_rows(document, &text, e);
	return rc < 0 ? rc : file_write_output(p->write, buf_str(&text), text.len, e);
}

json_t *plans_moved_json(const struct plans *p)
{
	json_t *rows = p->moves.count ? json_array() : NULL;
	for (size_t i = 0; i < p->moves.count; i++) {
		const struct plan_file_move *m = &p->moves.at[i];
		json_t *row = json_push_object(rows);
		json_put_string(row, "mirror", m->mirror);
		json_put_string(row, "what", m->what);
		json_put_string(row, "planned", m->planned);
		json_put_string(row, "now", m->now);
	}
	return rows;
}

void plans_moved_print(struct cli *cli, const json_t *moved)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror|-}", NULL },
		{ "WHAT", "{what}", NULL },
		{ "PLANNED", "{planned}", NULL },
		{ "NOW", "{now}", NULL },
	};
	if (moved)
		cli_table(cli, moved, columns, ARRAY_LEN(columns));
}
