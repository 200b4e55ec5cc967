/* What users of a repository need in order to join it: the line, and the same in ferry.conf or in a
 * small file (settings/join.h). */
#ifndef FERRY_CLI_CATALOG_INVITE_H
#define FERRY_CLI_CATALOG_INVITE_H

#include "cli/catalog/place.h"
#include "settings/join.h"

struct invite {
	char *root;       /* the path of 1.root.json */
	struct join join; /* with the URLs of all mirrors that hold metadata; without any, the
			     tree's */
	const char *base; /* that of the line, borrowed: the one that most users can reach */
	bool is_public;   /* it is not only on this machine */
	bool of_tree;     /* no mirror has a URL: it is that of the tree */
};
void invite_release(struct invite *i);

/* From ferry.conf and the tree; p->name must be set. */
WARN_UNUSED int invite_make(const struct place *p, struct invite *out, struct err *e);
/* "root": {path, sha256, fingerprint}, "join": the URL of the line, "public", "client_command" and
 * "client_configuration". */
void invite_put(json_t *document, const struct invite *i);
/* The line with what to do with it, or what to set first. */
void invite_print(struct cli *cli, const json_t *document);

extern const struct command cmd_catalog_invite;

#endif
