/* What the sub-commands of `ferry catalog` share that several people use one after the other. */
#ifndef FERRY_CLI_CATALOG_CEREMONY_H
#define FERRY_CLI_CATALOG_CEREMONY_H

#include "repository/ceremony.h"
#include "cli/catalog/place.h"

/* catalog_opts come first. */
struct ceremony_opts {
	struct catalog_opts common;
	struct opt_list roles, signers, add, remove;
	uint64_t threshold, within_s;
	const char *root_sha256;        /* of the first root that whoever signs knows */
};

#define CEREMONY_OPT_KEY \
	OPT_HINTED(OPT_LIST, ceremony_opts, signers, 0, "key", "FILE", HINT_FILE, \
		   "sign with this key only, a NAME.pem, a NAME.command or a NAME in the folder of " \
		   "keys; may be repeated")

#define CEREMONY_OPT_ROOT \
	OPT_ENTRY(OPT_STRING, ceremony_opts, root_sha256, 0, "root-sha256", "HEX", \
		  "refuse a tree or a copy whose first root has another SHA-256 than this, which users " \
		  "pin")

/* Tree, keys and passphrases of a run. */
struct ceremony_desk {
	struct place place;
	struct keyring names;           /* all keys that have a name here */
	struct keyring keys;            /* those that sign */
	char *named;                    /* the tree as --repository named it, or NULL */
	bool copy;                      /* ceremony_is_copy() */
	struct place_ask ask;
	struct repository_signing how;
};
void ceremony_desk_release(struct ceremony_desk *d);

/* `signs`: keys are wanted, from --key or the folder; without, none are opened. The result is
 * for how's functions and must stay where it is. */
WARN_UNUSED int ceremony_desk_open(struct cli *cli, const struct ceremony_opts *o, bool signs,
				   struct ceremony_desk *d, struct err *e);

/* Has somebody carried metadata/ and drafts/ there, without the objects? */
bool ceremony_is_copy(const struct place *p);

/* The metadata of the tree as it is now. */
WARN_UNUSED int ceremony_status(const struct place *p,
				struct writer_statuses *out, struct err *e);
/* What was complete is published; or, in a copy, must go back. */
void ceremony_print_complete(struct cli *cli, const struct ceremony_desk *d);

extern const struct command cmd_catalog_rotate, cmd_catalog_renew, cmd_catalog_merge, cmd_catalog_discard;

#endif
