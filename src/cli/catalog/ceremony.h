/* Shared by the sub-commands of `ferry catalog` that several people run one after the other. */
#ifndef FERRY_CLI_CATALOG_CEREMONY_H
#define FERRY_CLI_CATALOG_CEREMONY_H

#include "repository/ceremony.h"
#include "cli/catalog/place.h"

/* catalog_opts come first. */
struct ceremony_opts {
	struct catalog_opts common;
	struct opt_list roles, signers, add, remove;
	uint64_t threshold, within_s;
	const char *root_sha256; /* of the first root that the signer expects */
};

#define CEREMONY_OPT_KEY \
	OPT_HINTED(OPT_LIST, ceremony_opts, signers, 0, "key", "FILE", HINT_KEY, \
		   "sign only with this key: a NAME.pem, a NAME.command, or a NAME in the folder " \
		   "of keys; may be repeated")

#define CEREMONY_OPT_ROOT \
	OPT_ENTRY(OPT_STRING, ceremony_opts, root_sha256, 0, "root-sha256", "HEX", \
		  "refuse a tree or a copy unless its first root, which users pin, has this " \
		  "SHA-256")

/* Tree, keys and passphrases of a run. */
struct ceremony_desk {
	struct place place;
	struct keyring names; /* all keys that have a name here */
	struct keyring keys;  /* those that sign */
	char *named;          /* the tree as --repository named it, or NULL */
	bool copy;            /* ceremony_is_copy() */
	struct place_ask ask;
	struct repository_signing how;
};
void ceremony_desk_release(struct ceremony_desk *d);

/* `signs`: opens keys, from --key or the folder; otherwise none. The result must not be moved,
 * because it contains pointers to itself. */
WARN_UNUSED int ceremony_desk_open(struct cli *cli, const struct ceremony_opts *o, bool signs,
				   struct ceremony_desk *d, struct err *e);

/* Is it a copy of only metadata/ and drafts/, without the objects? */
bool ceremony_is_copy(const struct place *p);

/* The current metadata of the tree. */
WARN_UNUSED int ceremony_status(const struct place *p, struct writer_statuses *out, struct err *e);
/* Says that complete drafts are published or, in a copy, must be taken back. */
void ceremony_print_complete(struct cli *cli, const struct ceremony_desk *d);

extern const struct command cmd_catalog_rotate, cmd_catalog_renew, cmd_catalog_merge,
	cmd_catalog_discard;

#endif
