/* The commands of `ferry mirror`. */
#ifndef FERRY_CLI_MIRROR_MIRROR_H
#define FERRY_CLI_MIRROR_MIRROR_H

#include "cli/publisher.h"

extern const struct command cmd_mirror_add;
extern const struct command cmd_mirror_cleanup;
extern const struct command cmd_mirror_list;
extern const struct command cmd_mirror_presign;
extern const struct command cmd_mirror_probe;
extern const struct command cmd_mirror_remove;
extern const struct command cmd_mirror_setup;

/* The first options of each, whose values are struct publisher_opts who. */
#define CMD_MIRROR_OPTS(s) \
	OPT_HINTED(OPT_LIST, s, who.mirrors, 'm', "mirror", "NAME", HINT_MIRROR, \
		   "only this mirror; may be repeated"), \
		OPT_HINTED(OPT_STRING, s, who.name, 0, "name", "NAME", HINT_REPOSITORY, \
			   "only the mirrors of this repository")

enum cmd_mirror_look {
	LOOK_PROBE,
	LOOK_QUICK, /* measures nothing */
	LOOK_SETUP,
	LOOK_SETUP_DRY,
};
/* Probes a mirror or sets it up, and puts the findings into o; *fault becomes true if something
 * needs attention. Negative only when it was cancelled. */
WARN_UNUSED int cmd_mirror_look(struct cli *cli, struct mirrors_entry *p, enum cmd_mirror_look how,
				json_t *o, bool *fault, struct err *e);
void cmd_mirror_print_findings(struct cli *cli, const json_t *mirrors);

/* The errors of mirrors, each with its hint. */
void cmd_mirror_print_errors(struct cli *cli, const json_t *mirrors);

#endif
