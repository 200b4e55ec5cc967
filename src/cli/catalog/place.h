/* Shared by the sub-commands of `ferry catalog`. */
#ifndef FERRY_CLI_CATALOG_PLACE_H
#define FERRY_CLI_CATALOG_PLACE_H

#include "repository/keys.h"
#include "repository/sign.h"
#include "cli/frame/cli.h"

/* All their options; each sub-command lists those that it has. */
struct catalog_opts {
	const char *dir, *keys, *name, *title;
	const char *passphrase_file, *new_passphrase_file;
	struct opt_list expires;
	bool unencrypted, copy, dry_run, strict, versions;
	int type;
	uint64_t keep;
};

#define CATALOG_OPT_PLACE \
	OPT_HINTED(OPT_STRING, catalog_opts, dir, 0, "repository", "DIR", HINT_DIR, \
		   "the repository's tree, instead of the path in ferry.conf"), \
		OPT_HINTED(OPT_STRING, catalog_opts, name, 0, "name", "NAME", HINT_REPOSITORY, \
			   "which [repository.NAME] of ferry.conf, if it has several")
#define CATALOG_OPT_KEYS \
	OPT_HINTED(OPT_STRING, catalog_opts, keys, 0, "keys", "DIR", HINT_DIR, \
		   "the folder of the private keys, instead of the one in ferry.conf")
#define CATALOG_OPT_PASSPHRASE \
	OPT_HINTED(OPT_STRING, catalog_opts, passphrase_file, 0, "passphrase-file", "FILE", \
		   HINT_FILE, \
		   "read the passphrase of the keys from the first line of this file " \
		   "(FERRY_PASSPHRASE, else a prompt)")
#define CATALOG_OPT_TYPE(help) \
	OPT_ENUM(catalog_opts, type, 0, "type", "TYPE", "ed25519 ecdsa-p256", help)
#define CATALOG_OPT_EXPIRES \
	OPT_ENTRY(OPT_LIST, catalog_opts, expires, 0, "expires", "ROLE=TIME", \
		  "how long new signatures are valid, for example timestamp=7d; may be repeated")
#define CATALOG_OPT_UNENCRYPTED \
	OPT_ENTRY(OPT_FLAG, catalog_opts, unencrypted, 0, "unencrypted", NULL, \
		  "store the keys without a passphrase: whoever can read the files can sign")

/* The tree, keys and mirrors that a command uses. */
struct place {
	char *name;                /* of the repository; NULL: only in the tree */
	char *title;               /* or NULL */
	char *dir, *keys;          /* keys NULL: not configured */
	char *passphrase_file;     /* or NULL */
	json_t *mirrors;           /* NULL: no configuration, keep those that are signed */
	struct str_list hidden;    /* mirrors without a URL for readers */
	struct str_list immutable; /* mirrors with `immutable = yes` */
	struct writer_expiry expiry;
	uint64_t catalog_max; /* bytes of catalog.json; 0: the default */
	size_t keep_versions; /* superseded ones of a variant */
};
void place_release(struct place *p);

/* From options and ferry.conf. */
WARN_UNUSED int place_load(struct cli *cli, const struct catalog_opts *o, struct place *out,
			   struct err *e);
/* For init: `name` (or NULL) need not be in ferry.conf; *is_new is true if it is not. */
WARN_UNUSED int place_new(struct cli *cli, const struct catalog_opts *o, const char *name,
			  struct place *out, bool *is_new, struct err *e);
WARN_UNUSED int place_keyring(const struct place *p, struct keyring *out, struct err *e);

/* How a command gets passphrases, for its keyrings. */
struct place_ask {
	struct cli *cli;
	const char *file; /* --passphrase-file or NULL */
	char *asked;      /* the key that was last asked for: a second time means a wrong answer */
	struct passphrases passphrases;
};
/* `a` must not be moved: keyrings borrow a->passphrases. */
void place_ask_init(struct place_ask *a, struct cli *cli, const char *file);
void place_ask_release(struct place_ask *a);
/* The passphrase for new keys, a->passphrases.known; a terminal prompt asks twice. Warns of a weak
 * one. */
WARN_UNUSED int place_ask_new(struct place_ask *a, struct err *e);

/* That of --type. */
enum privkey_kind place_key_type(const struct catalog_opts *o);

/* A reference to a model of the place's repository. ERR_USAGE when it names another. */
WARN_UNUSED int place_reference(const char *operand, struct reference *out, struct err *e);
/* "phi-2:q4_k_m@2"; caller frees. */
char *place_reference_text(const struct reference *r);

/* "roles": {"root": {"version", "expires"}, …} */
void place_put_roles(json_t *document, const struct writer_statuses *all);
/* Warns about roles that have expired or will soon. */
void place_warn_expiry(struct cli *cli, const struct writer_statuses *all, int64_t now_s);

extern const struct command cmd_catalog_init, cmd_catalog_add, cmd_catalog_remove, cmd_catalog_list,
	cmd_catalog_lint, cmd_catalog_sign, cmd_catalog_refresh, cmd_catalog_status, cmd_catalog_gc,
	cmd_catalog_export, cmd_catalog_delegate, cmd_catalog_undelegate, cmd_catalog_withdraw,
	cmd_catalog_prune;

#endif
