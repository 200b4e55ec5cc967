/* `ferry push --bundle FILE`: a release as one file. */
#ifndef FERRY_CLI_BUNDLING_H
#define FERRY_CLI_BUNDLING_H

#include "cli/publisher.h"

struct bundling {
	const struct publisher_opts *who;
	const char *file;
	const struct opt_list *only;
	bool dry_run;
};
/* The whole command: prints its result. */
WARN_UNUSED int bundling_run(struct cli *cli, const struct bundling *b, struct err *e);

#endif
