#include "cli/publisher.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

void publisher_release(struct publisher *p)
{
	mirrors_release(&p->places);
	free(p->name);
	free(p->dir);
	*p = (struct publisher){ 0 };
}

static int no_conf(struct err *e)
{
	err_set(e, ERR_USAGE, "there is no ferry.conf here, in ~/.config/ferry or in /etc/ferry");
	return err_hint(e, "run this in the folder of your ferry.conf, name it with --config, or "
			   "write one (man ferry.conf)");
}

static int find_tree(const struct publisher_opts *o, struct publisher *p, bool want_tree,
		     struct err *e)
{
	CLEANUP(catalog_source_release) struct catalog_source source = { 0 };
	bool several = conf_nth(p->conf, "repository", 0) != NULL;
	if (o->name || several) {
		int rc = catalog_source_load(p->conf, o->name, &source, e);
		if (rc < 0)
			return rc;
		p->name = STEAL(source.name);
		p->dir = STEAL(source.dir);
	}
	if (o->dir) {
		free(p->dir);
		p->dir = mem_strdup(o->dir);
	}
	if (p->dir && want_tree && !file_is_dir(p->dir)) {
		err_set(e, ERR_NOT_FOUND, "%s: there is no repository", p->dir);
		return err_hint(e, "`ferry catalog init` makes one");
	}
	if (p->dir || !want_tree)
		return 0;
	if (!p->conf->path)
		return no_conf(e);
	err_set(e, ERR_USAGE, "%s does not say where the repository's tree is", p->conf->path);
	return err_hint(e, "set path in [repository.NAME], or give --repository DIR");
}

int publisher_open(struct cli *cli, const struct publisher_opts *o, bool want_tree,
		   bool want_mirrors, struct publisher *out, struct err *e)
{
	CLEANUP(publisher_release) struct publisher p = { 0 };
	int rc = cli_conf(cli, &p.conf, e);
	if (rc == 0 && want_mirrors && !p.conf->path)
		rc = no_conf(e);
	if (rc == 0 && (want_tree || o->name))
		rc = find_tree(o, &p, want_tree, e);
	if (rc == 0 && want_mirrors)
		rc = mirrors_open(p.conf, p.name, o->mirrors.at, o->mirrors.count,
				 mirror_kinds_all, cli->cancel, &p.places, e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct publisher){ 0 };
	return 0;
}

const char *publisher_kind(const struct mirrors_entry *p)
{
	return p->mirror ? p->mirror->ops->kind : p->kind ? p->kind : "";
}
