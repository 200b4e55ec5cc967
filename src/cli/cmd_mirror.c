#include "cli/publisher.h"
#include "http/url.h"
#include "publish/release.h"
#include "util/mem.h"

#include <string.h>

struct list_opts {
	struct publisher_opts who;
	bool check;
};

static const struct opt list_options[] = {
	OPT_HINTED(OPT_LIST, list_opts, who.mirrors, 'm', "mirror", "NAME", HINT_MIRROR,
		   "only this mirror; may be given several times"),
	OPT_HINTED(OPT_STRING, list_opts, who.name, 0, "name", "NAME", HINT_REPOSITORY,
		   "only the mirrors of this repository"),
	OPT_ENTRY(OPT_FLAG, list_opts, check, 0, "check", NULL,
		  "ask each mirror for its timestamp.json, to see whether it answers"),
	OPT_LAST,
};

static const struct {
	unsigned bit;
	const char *name;
} capabilities[] = {
	{ MIRROR_CAN_WRITE, "write" }, { MIRROR_CAN_LIST, "list" },
	{ MIRROR_CAN_RANGE, "range" }, { MIRROR_CAN_COPY, "copy" },
	{ MIRROR_CAN_CREATE_ONLY, "create-only" }, { MIRROR_CAN_REPLACE_IF, "replace-if" },
	{ MIRROR_CAN_SHA256, "sha256" }, { MIRROR_CAN_PIECES_SHA256, "pieces-sha256" },
};

/* A mirror is reachable when it answers, be it that the file is not there. */
static void check_place(struct mirrors_entry *p)
{
	struct mirror_stat st;
	if (p->mirror && mirror_stat_key(p->mirror, RELEASE_TIMESTAMP, &st, &p->error) < 0 &&
	    err_is(&p->error, ERR_NOT_FOUND))
		err_clear(&p->error);
}

static const char *state_of(const struct mirrors_entry *p, bool checked)
{
	if (!p->mirror)
		return "unusable";
	if (!checked)
		return "-";
	return p->error.class ? "unreachable" : "reachable";
}

/* As it may be shown: one in the configuration can hold a password all the same. */
static char *url_text(const struct mirrors_entry *p)
{
	const char *url = p->mirror && p->mirror->url ? p->mirror->url
						      : conf_get(p->section, "url");
	return url ? url_redact(url) : NULL;
}

static char *can_text(const struct cli *cli, const struct mirrors_entry *p)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	for (size_t i = 0; cli->verbose && p->mirror && i < ARRAY_LEN(capabilities); i++)
		if (mirror_can(p->mirror, capabilities[i].bit))
			buf_addf(&b, "%s%s", b.len ? "," : "", capabilities[i].name);
	return mem_strdup(buf_str(&b));
}

static void print_table(struct cli *cli, const struct mirrors *places, bool checked)
{
	static const char *const titles[] = { "MIRROR", "KIND", ">PRIORITY", "HOLDS", "REGION",
					      "STAGE", "STATE", "URL", "CAN" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < places->count; i++) {
		const struct mirrors_entry *p = &places->at[i];
		char priority[24];
		CLEANUP(mem_free_ptr) char *can = can_text(cli, p);
		if (!p->chosen)
			continue;
		snprintf(priority, sizeof priority, "%llu", (unsigned long long)p->priority);
		CLEANUP(mem_free_ptr) char *url = url_text(p);
		const char *region = conf_get(p->section, "region");
		const char *const cells[] = {
			p->id, publisher_kind(p), priority, publisher_holds_name(p->holds),
			region ? region : "-", p->stage ? "stage" : "-",
			state_of(p, checked), url ? url : "-", can };
		cli_table_add(t, cells);
	}
	cli_table_print(cli, t);
	for (size_t i = 0; i < places->count; i++) {
		CLEANUP(mem_free_ptr) char *why = text_escaped(places->at[i].error.text);
		if (places->at[i].chosen && places->at[i].error.class)
			cli_print(cli, "%s: %s\n", places->at[i].id, why);
	}
}

static json_t *place_json(const struct mirrors_entry *p, bool checked)
{
	json_t *o = json_object(), *can = json_array();
	CLEANUP(mem_free_ptr) char *url = url_text(p);
	json_put_string(o, "id", p->id);
	json_put_string(o, "kind", publisher_kind(p));
	json_put_string(o, "repository", conf_get(p->section, "repository"));
	json_put_string(o, "url", url);
	json_put_string(o, "region", conf_get(p->section, "region"));
	json_put_u64(o, "priority", p->priority);
	json_put_string(o, "holds", publisher_holds_name(p->holds));
	json_put_bool(o, "stage", p->stage);
	for (size_t i = 0; p->mirror && i < ARRAY_LEN(capabilities); i++)
		if (mirror_can(p->mirror, capabilities[i].bit))
			json_push(can, json_string(capabilities[i].name));
	json_put(o, "can", can);
	if (p->mirror && p->mirror->max_object)
		json_put_u64(o, "max_object", p->mirror->max_object);
	json_put_bool(o, "usable", p->mirror != NULL);
	if (checked && p->mirror)
		json_put_bool(o, "reachable", !p->error.class);
	if (p->error.class)
		json_put(o, "error", cli_error_json(&p->error));
	return o;
}

static int print_json(struct cli *cli, const struct mirrors *places, bool checked,
		      struct err *e)
{
	json_t *o = json_object(), *list = json_array();
	json_put_string(o, "command", "mirror list");
	for (size_t i = 0; i < places->count; i++)
		if (places->at[i].chosen)
			json_push(list, place_json(&places->at[i], checked));
	json_put(o, "mirrors", list);
	return cli_print_json(cli, o, e);
}

/* With --check, a mirror that does not answer is a finding. */
static int list_run(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	const struct list_opts *o = opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	if (rc < 0)
		return rc;
	bool fault = false;
	for (size_t i = 0; o->check && i < p.places.count; i++) {
		if (p.places.at[i].chosen)
			check_place(&p.places.at[i]);
		fault = fault || (p.places.at[i].chosen && p.places.at[i].error.class);
	}
	if (cli->json)
		rc = print_json(cli, &p.places, o->check, e);
	else
		print_table(cli, &p.places, o->check);
	return rc < 0 ? rc : fault ? -ERR_FAULT : 0;
}

static const struct command list_command = {
	.name = "list",
	.summary = "list the mirrors of ferry.conf and what they can do",
	.synopsis = (const char *const[]){ "", NULL },
	.description =
		"Shows each mirror's kind, priority, what it holds, its region, whether it is a stage, "
		"its URL and, with -v, what its kind can do. With --check the exit status is 1 when a mirror "
		"does not answer.",
	.opts = list_options,
	.opts_size = sizeof(struct list_opts),
	.run = list_run,
};

const struct command cmd_mirror = {
	.name = "mirror",
	.summary = "look at the configured mirrors",
	.synopsis = (const char *const[]){ "COMMAND", NULL },
	.subs = (const struct command *const[]){ &list_command, NULL },
};
