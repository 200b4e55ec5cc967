/*
 * fitting: MODEL:auto, the largest variant that fits into the memory of this machine.
 *
 * The memory is what the options say, else the client's, else that of the machine: its RAM, or
 * the limit of the container or of `ulimit` if that is less, or the memory of its graphics cards
 * if that is more. It is not what happens to be free, so that the same command chooses the same
 * variant every time; when less is free, a warning says so.
 */
#ifndef FERRY_FERRY_FITTING_H
#define FERRY_FERRY_FITTING_H

#include "catalog/fit.h"
#include "ferry/client.h"

struct fitting_opts {
	uint64_t fits, context; /* bytes, tokens; 0: that of the machine, that of the publisher */
};
#define FITTING_OPTS(s, member) \
	OPT_ENTRY(OPT_SIZE, s, member.fits, 0, "fits", "SIZE", \
		  "for MODEL:auto: choose the largest variant that runs in this much memory " \
		  "(that of this machine)"), \
		OPT_ENTRY(OPT_U64, s, member.context, 0, "context", "N", \
			  "for MODEL:auto: with this many tokens of context (those of the " \
			  "publisher's estimate)")

/* Is it MODEL:auto? */
bool fitting_is_auto(const struct reference *r);

struct fitting_memory {
	uint64_t bytes;     /* what a model may need */
	uint64_t available; /* RAM that is free now; 0: not known, or it does not matter */
	bool gpu;           /* it is that of the graphics cards */
};
/* fits: 0: what the client says. ERR_USAGE when the system does not say how much it has. */
WARN_UNUSED int fitting_memory(const struct client *c, uint64_t fits, struct fitting_memory *out,
			       struct err *e);

/*
 * remotes_resolve(), also for MODEL:auto; then it says what it chose and why. Where the repository
 * is used offline, only what is in the store is chosen. *chosen (unless NULL) is for --json, owned
 * by the caller, or NULL. ERR_NOT_FOUND when nothing fits.
 */
WARN_UNUSED int fitting_resolve(const struct client *c, struct remotes *all,
				const struct reference *r, const struct fitting_opts *o,
				struct remote **remote, const struct card **model,
				const struct card_variant **variant, json_t **chosen,
				struct err *e);

/* What MODEL:auto would be if only variants in the store could be chosen; NULL: none. Says
 * nothing. */
const struct card_variant *fitting_in_store(const struct client *c, const struct remote *remote,
					    const struct card *model, const struct reference *r,
					    const struct fitting_opts *o);

/* Of MODEL:auto, without a catalog: the largest variant in the store that fits, by the sizes of its
 * files; the caller frees it. ERR_NOT_FOUND. */
WARN_UNUSED int fitting_stored(const struct client *c, const struct reference *r,
			       const struct fitting_opts *o, char **variant, struct err *e);

#endif
