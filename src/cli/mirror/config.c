/* config: the configuration of what stands in front of a mirror. */
#include "cli/mirror/mirror.h"
#include "front/cloudflare.h"
#include "settings/stats.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_TEXT MIB

struct config_opts {
	const char *mirror, *name;
	struct opt_list set;
	bool apply, dry_run;
};

static const struct opt options[] = {
	OPT_HINTED(OPT_STRING, config_opts, mirror, 'm', "mirror", "NAME", HINT_MIRROR,
		   "for this mirror; needed if there are several"),
	OPT_HINTED(OPT_STRING, config_opts, name, 0, "name", "NAME", HINT_REPOSITORY,
		   "only the mirrors of this repository"),
	OPT_OFFERED(OPT_LIST, config_opts, set, 0, "set", "KEY=VALUE",
		    "requests= connections= limit-rate= listen= cors= servers= log= root=",
		    "a key of [front.NAME] in ferry.conf, for this run; may be repeated"),
	OPT_ENTRY(OPT_FLAG, config_opts, apply, 0, "apply", NULL,
		  "cloudflare: send what differs to the API"),
	OPT_ENTRY(OPT_FLAG, config_opts, dry_run, 'n', "dry-run", NULL,
		  "cloudflare: ask the API what differs, and send nothing"),
	OPT_LAST,
};

/* What the texts are made of, in one place, because struct front borrows it. */
struct made {
	struct settings_mirrors mirrors;
	struct settings_front set;
	struct url url;
	char *root, *log;
	struct front front;
};

static void made_release(struct made *m)
{
	settings_mirrors_release(&m->mirrors);
	settings_front_release(&m->set);
	url_release(&m->url);
	free(m->root);
	free(m->log);
}

/* ---- the mirror ---- */

static const struct settings_mirror *find_mirror(const struct settings_mirrors *all, const char *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].id, id) == 0)
			return &all->at[i];
	return NULL;
}

static int choose(const struct config_opts *o, const struct conf *c,
		  const struct settings_mirrors *all, const struct settings_mirror **out,
		  struct err *e)
{
	*out = o->mirror ? find_mirror(all, o->mirror) : all->count == 1 ? &all->at[0] : NULL;
	if (*out && (*out)->fault.class) {
		*e = (*out)->fault;
		return -(int)e->class;
	}
	if (*out)
		return 0;
	if (o->mirror)
		return err_set(e, ERR_USAGE, "there is no [mirror.%s]", o->mirror);
	if (!all->count)
		return err_set(e, ERR_USAGE, "%s has no mirror", c->path ? c->path : "ferry.conf");
	err_set(e, ERR_USAGE, "there are several mirrors");
	return err_hint(e, "name one with --mirror");
}

static int read_url(const struct settings_mirror *m, struct url *out, struct err *e)
{
	if (m->url)
		return url_parse(m->url, out, e);
	err_set(e, ERR_USAGE, "mirror %s has no url that readers use", m->id);
	return err_hint(e, "set url in [mirror.%s]: host, port and path are taken from it", m->id);
}

/* ---- folders and logs ---- */

static int find_root(const struct settings_mirror *m, struct made *made, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = conf_get_path(m->conf, m->section, "path");
	made->root = made->set.root ? mem_strdup(made->set.root)
		     : path         ? path_absolute(path)
				    : NULL;
	if (!made->root) {
		err_set(e, ERR_USAGE, "mirror %s has no folder that nginx could serve", m->id);
		return err_hint(e,
				"for a copy in a folder of the web server: --set root=DIR, or "
				"root in [front.%s]",
				m->id);
	}
	if (strchr(made->root, '$'))
		return err_set(e, ERR_USAGE, "nginx cannot serve a folder with a '$' in its path");
	return 0;
}

/* Where `ferry stats import` looks for it, if it is told where. */
static int nginx_log(const struct conf *c, const char *id, struct made *made, struct err *e)
{
	CLEANUP(settings_stats_release) struct settings_stats stats = { 0 };
	int rc = settings_stats_read(c, &stats, e);
	made->log = made->set.log ? mem_strdup(made->set.log) : NULL;
	for (size_t i = 0; i < stats.count && rc == 0 && !made->log; i++) {
		const char *where = stats.logs[i].where;
		if (!stats.logs[i].mirror || strcmp(stats.logs[i].mirror, id) != 0 ||
		    *where != '/' || strpbrk(where, "$*"))
			continue;
		made->log = str_ends(where, ".log") ? mem_strdup(where)
						    : path_join(where, "access.log");
	}
	if (!made->log)
		made->log = mem_printf("/var/log/nginx/ferry-%s/access.log", id);
	return rc;
}

/* ---- the commands ---- */

/* Prints the text, and puts it into the document. */
static int print_text(struct cli *cli, json_t *document, const struct buf *text)
{
	json_put_string(document, "config", buf_str(text));
	cli_raw(cli, buf_str(text));
	return 0;
}

static int make_nginx(struct cli *cli, const struct conf *c, const struct settings_mirror *m,
		      struct made *made, json_t *document, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_TEXT);
	int rc = find_root(m, made, e);
	if (rc == 0)
		rc = nginx_log(c, m->id, made, e);
	made->front.root = made->root;
	made->front.log = made->log;
	if (rc == 0)
		rc = front_nginx(&made->front, &text, e);
	return rc == 0 ? print_text(cli, document, &text) : rc;
}

static int make_haproxy(struct cli *cli, const struct conf *c, const struct settings_mirror *m,
			struct made *made, json_t *document, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_TEXT);
	(void)c;
	(void)m;
	made->front.log = made->set.log ? made->set.log : "/dev/log";
	int rc = front_haproxy(&made->front, &text, e);
	return rc == 0 ? print_text(cli, document, &text) : rc;
}

static int make_cloudflare(struct cli *cli, const struct conf *c, const struct settings_mirror *m,
			   struct made *made, json_t *document, struct err *e)
{
	const struct config_opts *o = cli->opts;
	const char *account = conf_get(m->section, "account");
	CLEANUP(json_release) json_t *wanted = NULL;
	if (!made->set.account && account)
		made->set.account = mem_strdup(account);
	int rc = front_cloudflare(&made->front, &wanted, e);
	if (rc < 0)
		return rc;
	return o->apply || o->dry_run ? cmd_mirror_cloudflare_apply(cli, c, &made->set, wanted,
								    o->dry_run, document, e)
				      : cmd_mirror_cloudflare_print(cli, wanted, document, e);
}

static const struct program {
	const char *name;
	int (*make)(struct cli *cli, const struct conf *c, const struct settings_mirror *m,
		    struct made *made, json_t *document, struct err *e);
	bool applies;
} programs[] = {
	{ "nginx", make_nginx, false },
	{ "haproxy", make_haproxy, false },
	{ "cloudflare", make_cloudflare, true },
};

static const struct program *find_program(const struct cli *cli, struct err *e)
{
	static const char *const names[] = { "nginx", "haproxy", "cloudflare" };
	const struct config_opts *o = cli->opts;
	const char *name = cli->operands[0];
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		const struct program *p = &programs[i];
		if (strcmp(name, p->name) != 0)
			continue;
		if (p->applies || (!o->apply && !o->dry_run))
			return p;
		err_set(e, ERR_USAGE, "only the configuration of cloudflare can be applied");
		err_hint(e, "write the text to a file of %s: it begins with how", name);
		return NULL;
	}
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	err_set(e, ERR_USAGE, "'%.100s' is none of nginx, haproxy, cloudflare", shown);
	text_hint_nearest(name, names, ARRAY_LEN(names), NULL, e);
	return NULL;
}

/* A name that is none would be ignored. */
static int check_sections(const struct conf *c, struct err *e)
{
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c, "front", i)); i++)
		if (*s->name && !conf_find(c, "mirror", s->name))
			return conf_err(c, s, NULL, e, "[front.%s]: there is no [mirror.%s]",
					s->name, s->name);
	return 0;
}

static int prepare(struct cli *cli, const struct conf *c, struct made *made,
		   const struct settings_mirror **m, struct err *e)
{
	const struct config_opts *o = cli->opts;
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	int rc = check_sections(c, e);
	if (rc == 0)
		rc = settings_mirrors_read(c, o->name, kinds, &made->mirrors, e);
	if (rc == 0)
		rc = choose(o, c, &made->mirrors, m, e);
	if (rc == 0)
		rc = read_url(*m, &made->url, e);
	if (rc == 0)
		rc = settings_front_read(c, (*m)->id, o->set.at, o->set.count, &made->set, e);
	if (rc == 0)
		made->front = (struct front){
			.id = (*m)->id, .url = &made->url, .set = &made->set, .faces = (*m)->faces
		};
	return rc;
}

static int config_run(struct cli *cli, struct err *e)
{
	CLEANUP(made_release) struct made made = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	const struct program *program = find_program(cli, e);
	const struct settings_mirror *m = NULL;
	const struct conf *c;
	if (!program)
		return -(int)e->class;
	int rc = cli_conf(cli, &c, e);
	if (rc == 0)
		rc = prepare(cli, c, &made, &m, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "mirror", m->id);
	json_put_string(document, "front", program->name);
	rc = program->make(cli, c, m, &made, document, e);
	if (rc < 0 && !json_object_get(document, "changes"))
		return rc;
	return cli_result(cli, document, e);
}

const struct command cmd_mirror_config = {
	.name = "config",
	.asked = true,
	.summary = "print the configuration of what stands in front of a mirror",
	.synopsis = (const char *const[]){ "nginx|haproxy|cloudflare", NULL },
	.description =
		"Prints a complete configuration for the web server or load balancer that readers "
		"of a mirror talk to: TLS, caching, ranges, CORS, limits for each client, and a "
		"log that `ferry stats` reads. Host, port and path are those of the mirror's url; "
		"the rest is set in [front.NAME] of ferry.conf. For Cloudflare, it prints rules, a "
		"Logpush job and a worker as its API takes them; --apply sends what differs.",
	.opts = options,
	.opts_size = sizeof(struct config_opts),
	.min_operands = 1,
	.max_operands = 1,
	.run = config_run,
};
