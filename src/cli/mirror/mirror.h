/* The commands of `ferry mirror`. */
#ifndef FERRY_CLI_MIRROR_MIRROR_H
#define FERRY_CLI_MIRROR_MIRROR_H

#include "cli/publisher.h"

extern const struct command cmd_mirror_add;
extern const struct command cmd_mirror_cleanup;
extern const struct command cmd_mirror_config;
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
/* The most serious failure of several mirrors. ERR_FAULT: nothing failed, but something needs
 * attention. */
struct cmd_mirror_worst {
	enum err_class class;
	const char *id; /* of the mirror; borrowed */
};
void cmd_mirror_add_failure(struct cmd_mirror_worst *w, const struct mirrors_entry *p,
			    enum err_class class);
/* Sets the error, unless it is ERR_FAULT: "mirror eu could not be <done>". Returns -class. */
int cmd_mirror_outcome(const struct cmd_mirror_worst *w, const char *done, struct err *e);

/* Probes a mirror or sets it up, and puts the findings into o. Negative only when it was
 * cancelled. */
WARN_UNUSED int cmd_mirror_look(struct cli *cli, struct mirrors_entry *p, enum cmd_mirror_look how,
				json_t *o, struct cmd_mirror_worst *worst, struct err *e);
void cmd_mirror_print_findings(struct cli *cli, const json_t *mirrors, bool dry_run);

/* What Cloudflare's API is given (front/cloudflare.h): prints it. */
struct settings_front;
WARN_UNUSED int cmd_mirror_cloudflare_print(struct cli *cli, const json_t *wanted, json_t *document,
					    struct err *e);
/* Sends what differs, or with dry_run only tells. The document gets "changes", also if it fails
 * half-way. */
WARN_UNUSED int cmd_mirror_cloudflare_apply(struct cli *cli, const struct conf *c,
					    const struct settings_front *set, const json_t *wanted,
					    bool dry_run, json_t *document, struct err *e);

/* The errors of mirrors, each with its hint. */
void cmd_mirror_print_errors(struct cli *cli, const json_t *mirrors);

#endif
