/*
 * collect: what a site is made of (site/site.h), from the signed tree of the repository and, if
 * they are there, the history of health and the statistics of this machine.
 *
 * What always holds here:
 *  - the databases of the operator are only read, and none is created;
 *  - what readers may not know is left out: addresses and messages of servers, models and mirrors
 *    of other repositories, rows of few sessions.
 */
#ifndef FERRY_CLI_SITE_COLLECT_H
#define FERRY_CLI_SITE_COLLECT_H

#include "cli/frame/cli.h"
#include "cli/publisher.h"
#include "settings/site.h"
#include "site/site.h"
#include "stats/report.h"

#define COLLECT_REPORTS 5

struct collect {
	struct catalog catalog;
	struct buf intro;
	char *invite;
	char root_sha256[DIGEST_HEX];
	struct site_mirror *mirrors;
	struct stats_report reports[COLLECT_REPORTS];
	struct site_statistics statistics;
	struct site site; /* of what is above */
};
#define COLLECT_INTRO_MAX (64 * KIB)
#define COLLECT_INIT BRACES(.intro = BUF_INIT(COLLECT_INTRO_MAX))
void collect_release(struct collect *c);

/* *out has its final place, and is released in any case. ERR_NOT_FOUND: the tree was never signed,
 * or there is no such intro. What cannot be read of health and statistics is left out, with a
 * warning. */
WARN_UNUSED int collect_all(struct cli *cli, const struct publisher *p,
			    const struct settings_site *settings, struct collect *out,
			    struct err *e);

/* Their parts; health: collect_health.c, statistics: collect_statistics.c. */
WARN_UNUSED int collect_health(struct cli *cli, struct collect *c, const char *repository,
			       struct err *e);
WARN_UNUSED int collect_statistics(struct cli *cli, struct collect *c, struct err *e);

#endif
