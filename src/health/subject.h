/*
 * subject: what is expected of the mirrors: the newest release of the repository, verified.
 *
 * It is the publisher's tree, if the settings have one. Else it is what a client would trust: the
 * mirrors are asked for their timestamp.json, and the small files of the one that claims the newest
 * version, verified from the repository's root, are copied into a folder; if that fails, those of
 * the next one. The copy is kept: it is the subject when no mirror can be read.
 */
#ifndef FERRY_HEALTH_SUBJECT_H
#define FERRY_HEALTH_SUBJECT_H

#include "health/probe.h"
#include "settings/repository.h"
#include "util/deadline.h"

struct health_candidate {
	struct mirror *mirror;
	struct deadline *deadline; /* its token ends the mirror's calls; it is started anew */
};

struct health_subject_from {
	const struct settings_repository *repository;
	const char *dir; /* of the copy; created */
	const struct health_candidate *candidates;
	size_t count;
	int64_t now_s;
	uint64_t ms;      /* that it may take */
	uint64_t last_ms; /* that the tree may be read from a mirror, from then on */
	const struct cancel *cancel;
};

struct health_subject {
	enum {
		HEALTH_SUBJECT_TREE,   /* the publisher's */
		HEALTH_SUBJECT_MIRROR, /* read in this run */
		HEALTH_SUBJECT_COPY,   /* from an earlier run */
	} origin;
	char *mirror; /* that it was read from; or NULL */
	struct tree tree;
	struct catalog catalog; /* its mirrors; of a large repository without models */
	struct probe_roles roles;
	uint64_t models, variants, bytes; /* of model files, all versions together */
	struct retry retry;               /* of the tree */
	struct err why;                   /* HEALTH_SUBJECT_COPY: why it is no newer one */
};
/* The subject must not be moved while it is used. */
void health_subject_release(struct health_subject *s);

/* ERR_CANCELLED after a signal, else the reason why nothing is known of the repository. */
WARN_UNUSED int health_subject_open(const struct health_subject_from *from,
				    struct health_subject *out, struct err *e);

#endif
