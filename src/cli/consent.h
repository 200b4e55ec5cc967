/*
 * consent: a large download that would replace a model in the store is confirmed by a person first.
 *
 * It is asked about if the store has another version of the variant, or for MODEL:auto another
 * variant that fits, and if more than `confirm-above` of [fetch] is to be downloaded. A first
 * download and one that was begun are not asked about.
 */
#ifndef FERRY_CLI_CONSENT_H
#define FERRY_CLI_CONSENT_H

#include "cli/frame/cli.h"
#include "ferry/fitting.h"
#include "fetch/fetch.h"

struct consent {
	struct cli *cli;
	const struct client *client;
	const struct reference *reference;
	const struct fitting_opts *fitting;
	bool yes; /* --yes: nothing is asked */
	/* Set by consent_get() with its error: the variant in the store that can be used instead,
	 * borrowed from the model. */
	const char *instead;
};

/* ERR_USAGE with CAUSE_UNCONFIRMED when the person says no, or when there is nobody to ask: without
 * a terminal nothing is asked. */
WARN_UNUSED int consent_get(struct consent *c, struct remote *remote, const struct card *model,
			    const struct card_variant *v, const struct fetch_options *options,
			    struct err *e);

/* Asks "WHAT. Download it?". Errors as above; `instead` is a part of their hint: what can be done
 * without the download, ending in "; ", or "". */
WARN_UNUSED int consent_ask(struct cli *cli, const char *what, const char *instead, struct err *e);

#endif
