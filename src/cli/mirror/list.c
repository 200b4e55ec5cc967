#include "cli/mirror/mirror.h"
#include "http/url.h"
#include "mirror/record.h"
#include "publish/release.h"
#include "util/mem.h"

struct list_opts {
	struct publisher_opts who;
	bool check;
};

static const struct opt list_options[] = {
	CMD_MIRROR_OPTS(list_opts),
	OPT_ENTRY(OPT_FLAG, list_opts, check, 0, "check", NULL,
		  "request timestamp.json from each mirror, to check that it answers"),
	OPT_LAST,
};

/* A mirror is reachable if it answers, even with "not found". */
static void check_place(struct mirrors_entry *p)
{
	struct mirror_stat st;
	if (p->mirror && mirror_stat_key(p->mirror, RELEASE_TIMESTAMP, &st, &p->error) < 0 &&
	    err_is(&p->error, ERR_NOT_FOUND))
		err_clear(&p->error);
}

/* Redacted, because a URL in the configuration may contain a password. */
static char *url_text(const struct mirrors_entry *p)
{
	const char *url = p->mirror && p->mirror->url ? p->mirror->url : p->settings->url;
	return url ? url_redact(url) : NULL;
}

/* What `ferry mirror probe` found out. */
static void put_record(json_t *o, const struct mirror *m)
{
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	uint64_t rate;
	bool public;
	mirror_record_load(m, &r);
	if (r.probed_s)
		json_put_time(o, "probed", r.probed_s);
	if (mirror_record_measured(&r, MIRROR_RECORD_UPLOAD, &rate))
		json_put_u64(o, "upload_bytes_per_s", rate);
	if (mirror_record_measured(&r, MIRROR_RECORD_DOWNLOAD, &rate))
		json_put_u64(o, "download_bytes_per_s", rate);
	if (mirror_record_can(&r, MIRROR_RECORD_PUBLIC, &public))
		json_put_bool(o, "public", public);
}

static void put_place(json_t *o, const struct mirrors_entry *p, bool checked)
{
	CLEANUP(mem_free_ptr) char *url = url_text(p);
	json_put_string(o, "id", p->settings->id);
	json_put_string(o, "kind", publisher_kind(p));
	json_put_string(o, "repository", p->settings->repository);
	json_put_string(o, "url", url);
	json_put_string(o, "region", p->settings->region);
	json_put_u64(o, "priority", p->settings->priority);
	json_put_string(o, "holds", holds_name(p->settings->holds));
	json_put_bool(o, "stage", p->settings->stage);
	json_t *can = json_put_array(o, "can");
	for (const struct mirror_can_name *c = mirror_can_names; p->mirror && c->name; c++)
		if (mirror_can(p->mirror, c->bit))
			json_push_string(can, c->name);
	if (p->mirror && p->mirror->max_object)
		json_put_u64(o, "max_object", p->mirror->max_object);
	json_put_bool(o, "usable", p->mirror != NULL);
	if (p->mirror)
		put_record(o, p->mirror);
	if (checked && p->mirror)
		json_put_bool(o, "reachable", !p->error.class);
	if (p->error.class)
		json_put(o, "error", cli_error_json(&p->error));
}

/* ---- for people ---- */

static char *state_text(const json_t *mirror)
{
	bool asked = json_object_get(mirror, "reachable");
	return cli_fill(mirror, !json_is_true(json_object_get(mirror, "usable")) ? "unusable"
				: asked ? "{reachable?reachable:unreachable}"
					: "-");
}

static char *can_text(const json_t *mirror)
{
	return cli_join(json_object_get(mirror, "can"), "{}", ",");
}

static void print_mirrors(struct cli *cli, const json_t *mirrors)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },
		{ "KIND", "{kind}", NULL },
		{ ">PRIORITY", "{priority}", NULL },
		{ "HOLDS", "{holds}", NULL },
		{ "REGION", "{region|-}", NULL },
		{ "STAGE", "{stage?stage:-}", NULL },
		{ "STATE", NULL, state_text },
		{ "URL", "{url|-}", NULL },
		{ ">UPLOAD/s", "{upload_bytes_per_s:size|-}", NULL },
		{ ">DOWNLOAD/s", "{download_bytes_per_s:size|-}", NULL },
		{ "CAN", NULL, can_text }, /* the last one: a terminal shows it whole */
	};
	cli_table(cli, mirrors, columns, ARRAY_LEN(columns) - (cli->verbose ? 0 : 3));
	cmd_mirror_print_errors(cli, mirrors);
}

/* With --check, a mirror that does not answer is a finding. */
static int list_run(struct cli *cli, struct err *e)
{
	const struct list_opts *o = cli->opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *mirrors = json_put_array(document, "mirrors");
	bool fault = false;
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < p.places.count; i++) {
		struct mirrors_entry *place = &p.places.at[i];
		if (!place->chosen)
			continue;
		if (o->check)
			check_place(place);
		fault = fault || (o->check && place->error.class);
		put_place(json_push_object(mirrors), place, o->check);
	}
	print_mirrors(cli, mirrors);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : fault ? -ERR_FAULT : 0;
}

const struct command cmd_mirror_list = {
	.name = "list",
	.asked = true,
	.summary = "list the mirrors of ferry.conf and their capabilities",
	.description = "Shows kind, priority, contents, region and URL of each mirror, whether it "
		       "is a stage mirror and, with -v, what its kind supports and how fast it was "
		       "when `ferry mirror probe` measured it. With --check the "
		       "exit status is 1 if a mirror does not answer.",
	.opts = list_options,
	.opts_size = sizeof(struct list_opts),
	.run = list_run,
};
