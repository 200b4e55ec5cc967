/* presign: a URL that gives access without credentials. */
#include "cli/mirror/mirror.h"
#include "util/mem.h"

#include <time.h>

struct presign_opts {
	struct publisher_opts who;
	uint64_t expires_s;
};

static const struct presign_opts defaults = { .expires_s = 3600 };

static const struct opt options[] = {
	OPT_ENTRY(OPT_SPAN, presign_opts, expires_s, 0, "expires", "TIME",
		  "how long the URL is valid, at most 7d; by default 1h"),
	CMD_MIRROR_OPTS(presign_opts),
	OPT_LAST,
};

/* The mirror to use: the one that was named, or the only one that can sign. */
static int choose(const struct publisher *p, struct mirror **out, struct err *e)
{
	struct mirror *found = NULL;
	for (size_t i = 0; i < p->places.count; i++) {
		const struct mirrors_entry *place = &p->places.at[i];
		if (!place->chosen || (place->mirror && !place->mirror->ops->presign))
			continue;
		if (!place->mirror) {
			*e = place->error;
			return -(int)e->class;
		}
		if (found)
			return err_set(e, ERR_USAGE,
				       "several mirrors can sign URLs: name one with "
				       "--mirror");
		found = place->mirror;
	}
	if (!found)
		return err_set(e, ERR_USAGE,
			       "no mirror here can sign URLs: only kinds s3 and r2 "
			       "can");
	*out = found;
	return 0;
}

static int presign_run(struct cli *cli, struct err *e)
{
	const struct presign_opts *o = cli->opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(mem_free_ptr) char *url = NULL;
	struct mirror *m = NULL;
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	if (rc == 0)
		rc = choose(&p, &m, e);
	if (rc == 0)
		rc = mirror_presign(m, cli->operands[0], o->expires_s, &url, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "mirror", m->id);
	json_put_string(document, "key", cli->operands[0]);
	json_put_string(document, "url", url);
	json_put_time(document, "expires", (int64_t)time(NULL) + (int64_t)o->expires_s);
	cli_say(cli, document, "{url}");
	return cli_result(cli, document, e);
}

const struct command cmd_mirror_presign = {
	.name = "presign",
	.asked = true,
	.summary = "print a URL that gives access to one object until it expires",
	.synopsis = (const char *const[]){ "KEY", NULL },
	.description =
		"Signs a URL for one object of a bucket, whose KEY is its path in the repository, "
		"for example targets/models/phi-2/….gguf. Anyone who has the URL can read the "
		"object until it expires.",
	.opts = options,
	.opts_size = sizeof(struct presign_opts),
	.defaults = &defaults,
	.operand_hint = HINT_OBJECT,
	.min_operands = 1,
	.max_operands = 1,
	.run = presign_run,
};
