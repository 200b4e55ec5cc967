#include "cli/catalog/waiting.h"

#include "tuf/metadata.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define KEYID_PREFIX_MIN 8
#define AS_IT_IS UINT64_MAX /* of --threshold */

/* ---- what a person names ---- */

struct rotation {
	struct repository_rotation r;
	struct tuf_key **add;
	struct str_list remove;
};

static void rotation_release(struct rotation *x)
{
	for (size_t i = 0; x->add && i < x->r.add_count; i++)
		tuf_key_free(x->add[i]);
	free(x->add);
	str_list_release(&x->remove);
}

/* Stores a key from elsewhere under its file name, so that status can show that name. */
static int remember(struct ceremony_desk *d, const char *which, const struct tuf_key *key,
		    struct err *e)
{
	const char *base = path_base(which), *dot = strrchr(base, '.');
	CLEANUP(mem_free_ptr) char *name = dot ? mem_strndup(base, (size_t)(dot - base))
					       : mem_strdup(base);
	return d->names.dir ? keyring_remember(&d->names, name, key, e) : 0;
}

static int load_added(struct ceremony_desk *d, const struct opt_list *which, struct rotation *x,
		      struct err *e)
{
	x->add = mem_alloc((which->count + 1) * sizeof *x->add);
	for (size_t i = 0; i < which->count; i++) {
		int rc = keyring_public(&d->names, which->at[i], &x->add[i], e);
		if (rc < 0)
			return rc == -ERR_NOT_FOUND ? err_class_set(e, ERR_USAGE) : rc;
		x->r.add_count++;
		if ((rc = remember(d, which->at[i], x->add[i], e)) < 0)
			return rc;
	}
	x->r.add = (const struct tuf_key *const *)x->add;
	return 0;
}

/* The key ids with this prefix, of all keys of the roles. */
static void find_ids(const struct writer_statuses *all, const char *prefix, struct str_list *out)
{
	for (size_t i = 0; i < all->count; i++)
		for (size_t k = 0; k < all->at[i].keyids.count; k++) {
			const char *id = all->at[i].keyids.at[k];
			if (str_starts(id, prefix) && !str_list_has(out, id))
				str_list_add(out, id);
		}
}

static int resolve_id(const struct keyring *names, const struct writer_statuses *all,
		      const char *which, struct str_list *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	const struct keyring_key *known = keyring_find(names, which);
	if (known && known->public) {
		str_list_add(out, known->public->id);
		return 0;
	}
	if (strlen(which) >= KEYID_PREFIX_MIN)
		find_ids(all, which, &ids);
	if (ids.count == 1) {
		str_list_add(out, ids.at[0]);
		return 0;
	}
	if (ids.count > 1)
		return err_set(e, ERR_USAGE, "--remove %s: several key ids start with this", which);
	err_set(e, ERR_USAGE, "--remove %s: there is no key of this name or key id", which);
	CLEANUP(mem_free_ptr) char *key_ids =
		mem_printf("give at least the first %d characters of a key id; "
			   "`ferry catalog status` shows key ids",
			   KEYID_PREFIX_MIN);
	return keyring_hint(names, which, key_ids, e);
}

static int load_removed(const struct ceremony_desk *d, const struct opt_list *which,
			struct rotation *x, struct err *e)
{
	CLEANUP(writer_statuses_release) struct writer_statuses all = { 0 };
	int rc = which->count ? ceremony_status(&d->place, &all, e) : 0;
	for (size_t i = 0; rc == 0 && i < which->count; i++)
		rc = resolve_id(&d->names, &all, which->at[i], &x->remove, e);
	x->r.remove = (const char *const *)x->remove.at;
	x->r.remove_count = x->remove.count;
	return rc;
}

/* ---- telling ---- */

/* Reports the effect for clients and the next steps. */
static void explain(struct cli *cli, const struct ceremony_desk *d, bool root,
		    const struct repository_ceremony *c)
{
	for (size_t i = 0; i < c->made.count; i++)
		report_note(cli->report,
			    "%s/%s.pem is a new key: make a copy of it, and install it where the "
			    "old key was used",
			    d->names.dir, c->made.at[i]);
	if (c->dropped)
		report_warn(cli->report, "%zu %s the draft had: ask for them again", c->dropped,
			    c->dropped == 1 ? "signature was lost that"
					    : "signatures were lost that");
	if (!c->state.published)
		report_note(cli->report,
			    "nothing changes for clients until the signatures are complete");
	else if (root)
		report_note(cli->report, "after `ferry push` clients follow, whichever root they "
					 "started with, and reject what a removed key signs");
	else
		report_note(cli->report, "readers see the change after `ferry push`");
}

static json_t *changed(struct cli *cli, const struct repository_ceremony *c,
		       const struct keyring *names)
{
	json_t *document = cli_document(cli), *changes = json_put_array(document, "changes");
	for (int i = 0; i < cli->count; i++)
		json_push_string(changes, cli->operands[i]);
	json_put_bool(document, "changed", c->state.changed);
	json_put_bool(document, "published", c->state.published);
	json_put(document, "added", waiting_ids_json(&c->added, names));
	json_put(document, "removed", waiting_ids_json(&c->removed, names));
	return document;
}

static void print_keys(struct cli *cli, const json_t *keys, const char *template)
{
	const json_t *key;
	size_t i;
	json_array_foreach (keys, i, key)
		cli_say(cli, key, template);
}

static int tell(struct cli *cli, const struct ceremony_desk *d, bool root,
		const struct repository_ceremony *c, struct err *e)
{
	CLEANUP(json_release) json_t *document = changed(cli, c, &d->names);
	waiting_put(document, &c->state.status, &d->names);
	place_put_roles(document, &c->state.status);
	if (c->state.changed)
		explain(cli, d, root, c);
	print_keys(cli, json_object_get(document, "added"), "added    {id:short}  {name}");
	print_keys(cli, json_object_get(document, "removed"), "removed  {id:short}  {name}");
	if (!c->state.changed)
		cli_line(cli, "nothing changed");
	else if (c->state.published)
		cli_line(cli, "signed and published in %s", d->place.dir);
	waiting_print(cli, d, document);
	int rc = cli_result(cli, document, e);
	return rc < 0 ? rc : c->state.published ? 0 : -ERR_FAULT;
}

/* Are the keys of this role listed in root? Those of delegated roles are listed in targets. */
static bool in_root(const char *role)
{
	enum tuf_type type;
	return tuf_type_from_name(role, &type);
}

/* ---- rotate ---- */

static const struct opt rotate_opts[] = {
	OPT_HINTED(OPT_LIST, ceremony_opts, add, 0, "add", "KEY", HINT_KEY,
		   "add this key to the role: a NAME.pub file, or a NAME in the folder of keys; "
		   "may be repeated"),
	OPT_HINTED(OPT_LIST, ceremony_opts, remove, 0, "remove", "KEY", HINT_KEY,
		   "remove this key from the role: a NAME in the folder of keys, or at least the "
		   "first 8 characters of a key id; may be repeated"),
	OPT_ENTRY(OPT_U64, ceremony_opts, threshold, 0, "threshold", "N",
		  "how many of the role's keys must sign"),
	CATALOG_OPT_TYPE("type of the new key, if one is created"),
	CEREMONY_OPT_KEY,
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	CATALOG_OPT_UNENCRYPTED,
	CATALOG_OPT_EXPIRES,
	OPT_LAST,
};

static const struct ceremony_opts rotate_defaults = { .threshold = AS_IT_IS };

/* Is the only key to be replaced by a new one? */
static bool says_which(const struct ceremony_opts *o)
{
	return o->add.count || o->remove.count || o->threshold != AS_IT_IS;
}

static int check_rotate(const struct cli *cli, const struct ceremony_opts *o, struct err *e)
{
	bool threshold = o->threshold != AS_IT_IS;
	if (threshold && (o->threshold < 1 || o->threshold > TUF_MAX_KEYS))
		return err_set(e, ERR_USAGE, "--threshold: must be 1 to %d", TUF_MAX_KEYS);
	if (cli->count > 1 && says_which(o))
		return err_set(e, ERR_USAGE,
			       "--add, --remove and --threshold need exactly one role");
	for (int i = 0; i < cli->count; i++)
		for (int k = 0; k < i; k++)
			if (strcmp(cli->operands[i], cli->operands[k]) == 0)
				return err_set(e, ERR_USAGE, "%s is named twice", cli->operands[i]);
	return 0;
}

/* A new key needs a folder and a passphrase. */
static int prepare_new(const struct ceremony_opts *o, struct ceremony_desk *d, struct rotation *x,
		       struct place_ask *fresh, struct err *e)
{
	if (says_which(o))
		return 0;
	x->r.keys = &d->names;
	x->r.kind = place_key_type(&o->common);
	/* Read again the names that could not be read: here they are needed. */
	keyring_release(&d->names);
	int rc = place_keyring(&d->place, &d->names, e);
	if (rc < 0 || o->common.unencrypted)
		return rc;
	place_ask_init(fresh, d->ask.cli, d->place.passphrase_file);
	if ((rc = place_ask_new(fresh, e)) == 0)
		x->r.passphrase = &fresh->passphrases.known;
	return rc;
}

static int run_rotate(struct cli *cli, struct err *e)
{
	const struct ceremony_opts *o = cli->opts;
	CLEANUP(ceremony_desk_release) struct ceremony_desk d = { 0 };
	CLEANUP(rotation_release) struct rotation x = { 0 };
	CLEANUP(place_ask_release) struct place_ask fresh = { 0 };
	CLEANUP(repository_ceremony_release) struct repository_ceremony c = { 0 };
	x.r.roles = (const char *const *)cli->operands;
	x.r.role_count = (size_t)cli->count;
	x.r.threshold = o->threshold == AS_IT_IS ? 0 : (unsigned)o->threshold;
	int rc = check_rotate(cli, o, e);
	if (rc < 0 || (rc = ceremony_desk_open(cli, o, true, &d, e)) < 0 ||
	    (rc = load_added(&d, &o->add, &x, e)) < 0 ||
	    (rc = load_removed(&d, &o->remove, &x, e)) < 0 ||
	    (rc = repository_check_roles(d.place.dir, x.r.roles, x.r.role_count, e)) < 0 ||
	    (rc = prepare_new(o, &d, &x, &fresh, e)) < 0 ||
	    (rc = repository_rotate(d.place.dir, &d.how, &x.r, &c, e)) < 0)
		return rc;
	return tell(cli, &d, in_root(cli->operands[0]), &c, e);
}

const struct command cmd_catalog_rotate = {
	.name = "rotate",
	.summary = "change the keys of roles",
	.synopsis = (const char *const[]){ "ROLE…",
					   "ROLE [--add KEY]… [--remove KEY]… [--threshold N]",
					   NULL },
	.description =
		"Without options, replaces each role's key by a new one; with options, changes the "
		"keys and the threshold of a role. This is a new version of root (for a delegated "
		"role, of targets), which the keys of root must sign; keys that are not here can "
		"sign later, elsewhere. What the old key had signed is signed again with the new "
		"one. Clients follow, also those that pinned the first root. The exit code is 1 if "
		"signatures are missing. See ferry-keys(7).",
	.opts = rotate_opts,
	.opts_size = sizeof(struct ceremony_opts),
	.defaults = &rotate_defaults,
	.operand_hint = HINT_ROLE,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_rotate,
};

/* ---- renew ---- */

static const struct opt renew_opts[] = {
	CEREMONY_OPT_KEY,       CATALOG_OPT_PLACE,   CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE, CATALOG_OPT_EXPIRES, OPT_LAST,
};

static int run_renew(struct cli *cli, struct err *e)
{
	CLEANUP(ceremony_desk_release) struct ceremony_desk d = { 0 };
	CLEANUP(repository_ceremony_release) struct repository_ceremony c = { 0 };
	const struct repository_rotation r = {
		.roles = (const char *const *)cli->operands,
		.role_count = (size_t)cli->count,
		.renew = true,
	};
	int rc = ceremony_desk_open(cli, cli->opts, true, &d, e);
	if (rc < 0 || (rc = repository_rotate(d.place.dir, &d.how, &r, &c, e)) < 0)
		return rc;
	return tell(cli, &d, false, &c, e);
}

const struct command cmd_catalog_renew = {
	.name = "renew",
	.summary = "extend the expiry date of roles",
	.synopsis = (const char *const[]){ "ROLE…", NULL },
	.description = "Signs a new version of root, targets or a delegated role with the same "
		       "contents and a later expiry date. Root needs this about once a year; "
		       "`catalog sign` does it for targets when necessary, and `catalog refresh` "
		       "for snapshot and timestamp. The exit code is 1 if signatures are missing.",
	.opts = renew_opts,
	.opts_size = sizeof(struct ceremony_opts),
	.operand_hint = HINT_ROLE,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_renew,
};
