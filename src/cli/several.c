#include "cli/several.h"

#include "util/mem.h"

#include <string.h>

void several_init(struct several *s, struct cli *cli)
{
	*s = (struct several){ .cli = cli, .told = json_array() };
	s->bad = mem_alloc(((size_t)cli->count + 1) * sizeof *s->bad);
}

void several_release(struct several *s)
{
	free(s->bad);
	json_decref(s->told);
}

static void record(struct several *s, int i, struct err *why)
{
	const char *operand = s->cli->operands[i];
	if (s->cli->count > 1 && !strstr(why->text, operand))
		err_context(why, "%s", operand);
	if (!s->failed)
		s->first = *why;
	s->failed++;
	s->bad[i] = true;
	if (s->cli->count == 1)
		return;
	cli_tell(s->cli, why);
	json_t *object = json_push_object(s->told);
	json_put_string(object, "operand", operand);
	json_put(object, "error", cli_error_json(why));
}

int several_each(struct several *s, several_fn *fn, void *ctx, struct err *e)
{
	for (int i = 0; i < s->cli->count; i++) {
		struct err why = ERR_INIT;
		int rc = s->bad[i] ? 0 : cancel_check(s->cli->cancel, &why);
		if (rc == 0 && !s->bad[i])
			rc = fn(ctx, i, &why);
		if (rc < 0 && err_is(&why, ERR_CANCELLED)) {
			*e = why;
			return rc;
		}
		if (rc < 0)
			record(s, i, &why);
	}
	return 0;
}

void several_end(const struct several *s, json_t *document, struct err *e)
{
	size_t count = (size_t)s->cli->count;
	if (!s->failed)
		return;
	if (count == 1) {
		*e = s->first;
		return;
	}
	json_put(document, "failed", json_incref(s->told));
	err_set(e, s->first.class, "%zu of %zu failed%s", s->failed, count,
		s->failed < count ? "; the others are done" : "");
}

int several_result(const struct several *s, json_t *document, struct err *e)
{
	several_end(s, document, e);
	if (s->failed && s->cli->count == 1)
		return -(int)e->class;
	return cli_result(s->cli, document, e);
}
