/*
 * ferry: the client as a library. ferry.h is what applications see; the rest of this room is what
 * ferry.h and the commands are made of.
 *
 *   ferry      the public interface: handles, models, plans, fetches
 *   client     the store, the settings, and the repositories to fetch from
 *   retrieve   a model: from the mirrors, or what the store has
 *   fitting    MODEL:auto, the largest variant that fits into memory
 *
 * What always holds here:
 *  - nothing is global, printed or read from ferry.conf: settings, report and cancellation are
 *    passed in, and several clients work in one process at once;
 *  - names exported to applications begin with ferry_, and only ferry.h declares them.
 *
 * This file is a client: what it may use, and then the repositories that it is connected to.
 */
#ifndef FERRY_FERRY_CLIENT_H
#define FERRY_FERRY_CLIENT_H

#include "fetch/remote.h"

struct client {
	/* Owned; set before client_connect(). */
	struct settings_repositories repositories;
	struct settings_fetch fetch;
	struct http_access_list access;
	struct store store;
	/* Borrowed; may be NULL. */
	const struct opt_list *only, *without; /* ids of mirrors */
	struct report *report;
	const struct cancel *cancel;
	uint64_t memory; /* what a model may need; 0: that of the machine */

	struct remotes remotes; /* of client_connect() */
};
void client_release(struct client *c); /* safe twice; for CLEANUP */

enum client_mode { CLIENT_ONLINE, CLIENT_OFFLINE, CLIENT_HURRY /* remote_options.hurry */ };
/* Opens the repository, or with NULL all of the settings; c must not be moved any more. from: a
 * base URL that alone is asked, and whose metadata must be as new as what is trusted; NULL: what
 * the settings say. Errors as of remotes_open(). */
WARN_UNUSED int client_connect(struct client *c, const char *repository, enum client_mode mode,
			       const char *from, struct err *e);
/* What was verified last, without the network and without a message. */
WARN_UNUSED int client_recall(struct client *c, const char *repository, struct remotes *out,
			      struct err *e);

#endif
