#include "cli/stats/stats.h"

#include "stats/metrics.h"

#include <string.h>

struct export_opts {
	const char *database, *prometheus;
};

static const struct opt export_opts[] = {
	CMD_STATS_PROMETHEUS(export_opts),
	STATSDB_OPTION(export_opts),
	OPT_LAST,
};

static uint64_t count_values(const char *text)
{
	uint64_t count = 0;
	for (const char *line = text; *line; line++) {
		count += *line != '#';
		line += strcspn(line, "\n");
		if (!*line)
			break;
	}
	return count;
}

int cmd_stats_export_to(struct db *db, const char *path, uint64_t *values, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(METRICS_MAX_BYTES);
	int rc = stats_metrics_make(db, &text, e);
	if (rc == 0)
		rc = metrics_write(path, &text, e);
	if (rc == 0)
		*values = count_values(buf_str(&text));
	return rc;
}

static int run(struct cli *cli, struct err *e)
{
	const struct export_opts *o = cli->opts;
	CLEANUP(statsdb_release) struct statsdb p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	uint64_t values = 0;
	if (!o->prometheus) {
		err_set(e, ERR_USAGE, "no output format is given");
		return err_hint(e, "--prometheus FILE writes metrics");
	}
	int rc = statsdb_open_there(cli, o->database, &p, e);
	if (rc == 0)
		rc = cmd_stats_export_to(p.db, o->prometheus, &values, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "file", o->prometheus);
	json_put_u64(document, "values", values);
	cli_say(cli, document, "{values#value} written to {file}");
	return cli_result(cli, document, e);
}

const struct command cmd_stats_export = {
	.name = "export",
	.summary = "write the statistics for Prometheus",
	.description = "Writes what is in the database. `ferry stats import --prometheus FILE` "
		       "does the same at the end of an import.",
	.opts = export_opts,
	.opts_size = sizeof(struct export_opts),
	.run = run,
};
