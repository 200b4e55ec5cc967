#include "cli/stats/bucket.h"

#include "util/mem.h"

void cmd_stats_bucket_release(struct cmd_stats_bucket *b)
{
	mirror_close(b->own);
	settings_mirrors_release(&b->settings);
	publisher_release(&b->publisher);
	*b = (struct cmd_stats_bucket){ 0 };
}

bool cmd_stats_bucket_is(const struct conf *c, const char *name)
{
	return conf_find(c, "logs", name) || conf_find(c, "mirror", name);
}

static int open_logs(struct cli *cli, const char *name, struct cmd_stats_bucket *b, struct err *e)
{
	const struct publisher_opts who = { 0 };
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	int rc = publisher_open(cli, &who, false, false, &b->publisher, e);
	if (rc == 0)
		rc = settings_mirrors_logs(b->publisher.conf, name, kinds, &b->settings, e);
	if (rc < 0)
		return rc;
	const struct mirror_env env = {
		.rate = &b->publisher.rate,
		.cancel = cli->cancel,
		.access = &b->publisher.access,
	};
	rc = mirror_open(mirror_kinds_all, &env, &b->settings.at[0], &b->own, e);
	b->mirror = b->own;
	return rc;
}

static int open_mirror(struct cli *cli, const char *name, struct cmd_stats_bucket *b, struct err *e)
{
	const struct publisher_opts who = { .mirrors = { .at = &name, .count = 1 } };
	int rc = publisher_open(cli, &who, false, true, &b->publisher, e);
	for (size_t i = 0; i < b->publisher.places.count && rc == 0; i++) {
		const struct mirrors_entry *m = &b->publisher.places.at[i];
		if (!m->chosen)
			continue;
		b->mirror = m->mirror;
		if (!m->mirror) {
			*e = m->error;
			return -(int)e->class;
		}
	}
	return rc;
}

int cmd_stats_bucket_open(struct cli *cli, const char *name, struct cmd_stats_bucket *out,
			  struct err *e)
{
	const struct conf *c = NULL;
	int rc = cli_conf(cli, &c, e);
	if (rc < 0)
		return rc;
	return conf_find(c, "logs", name) ? open_logs(cli, name, out, e)
					  : open_mirror(cli, name, out, e);
}
