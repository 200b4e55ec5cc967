/* foresight: what `ferry fetch --dry-run` says. */
#ifndef FERRY_CLI_FORESIGHT_H
#define FERRY_CLI_FORESIGHT_H

#include "cli/frame/cli.h"
#include "ferry/retrieve.h"

/* The members of a model, after a dry run. */
void foresight_put(json_t *object, const struct retrieval *r, const struct retrieved *m);
void foresight_tell(struct cli *cli, const json_t *model);
/* "dry_run", and "download": the bytes of all models. */
void foresight_sum(json_t *document);

#endif
