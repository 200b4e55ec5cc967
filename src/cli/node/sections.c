#include "cli/node/sections.h"

void sections_release(struct sections *c)
{
	node_wanted_release(&c->wanted);
	settings_node_release(&c->settings);
}

int sections_read(struct cli *cli, bool hooks, struct sections *out, struct err *e)
{
	const struct conf *conf;
	int rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = settings_node_read(conf, &out->settings, e);
	if (rc < 0)
		return rc;
	if (out->settings.count) {
		rc = node_wanted_read(conf, &out->settings, &out->wanted, e);
		return rc < 0 || !hooks ? rc : node_wanted_hooks(conf, &out->settings, e);
	}
	err_set(e, ERR_USAGE, "ferry.conf has no section [node.NAME]");
	return err_hint(e,
			"each model that this machine must have has a section: see ferry-node(1)");
}

json_t *sections_item_json(const struct node_item *item)
{
	json_t *object = json_object();
	const struct store_variant *v = item->variant;
	json_put_string(object, "name", item->wanted->set->name);
	json_put_string(object, "reference", item->wanted->set->reference);
	json_put_string(object, "repository", v ? v->repository : item->got.repository);
	json_put_string(object, "model", v ? v->model : item->got.model);
	json_put_string(object, "variant", v ? v->variant : item->got.variant);
	if (v || item->got.version)
		json_put_u64(object, "version", v ? v->version : item->got.version);
	if (v)
		json_put_u64(object, "size", v->size);
	if (item->wanted->placed) {
		json_put_string(object, "engine", handoff_engine_name(item->wanted->engine));
		json_put_string(object, "folder", item->wanted->root);
	}
	json_put_string(object, "path", item->path);
	return object;
}
