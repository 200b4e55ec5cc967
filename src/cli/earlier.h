/* What became of the version that a fetch replaced: for `fetch` and `update`. */
#ifndef FERRY_CLI_EARLIER_H
#define FERRY_CLI_EARLIER_H

#include "cli/frame/cli.h"
#include "fetch/fetch.h"

/* "kept_version" and "removed_versions" of a model, if there is something to say. */
void earlier_put(json_t *model, const struct fetch_result *r);
/* "{versions, bytes}" */
void earlier_put_removed(json_t *object, const struct kept_removed *removed);
/* Notes; `model` has repository, model and variant, and what earlier_put() adds. */
void earlier_tell(struct cli *cli, const json_t *model, const struct fetch_result *r);
/* A note for each link of an engine (`ferry store link`) that leads to the replaced version. */
void earlier_tell_links(struct cli *cli, const struct store *s, const json_t *model,
			const struct fetch_result *r);

#endif
