/*
 * The sources of a view, for one pull at a time: lists are kept with their connections for the next
 * pull, and share their bans.
 */
#ifndef FERRY_SERVE_CACHE_PULL_SOURCES_H
#define FERRY_SERVE_CACHE_PULL_SOURCES_H

#include "serve/cache/pull.h"

struct pull_sources;

struct pull_sources *pull_sources_new(const struct pulls_options *o, const struct cancel *cancel);
void pull_sources_free(struct pull_sources *p); /* when every list was given back */

/* A list of the view's mirrors and of its repository's endpoints, for the caller alone. The
 * counts of its sources begin at 0. */
struct source_list *pull_sources_take(struct pull_sources *p, struct view *v);
void pull_sources_give(struct pull_sources *p, struct source_list *l);

#endif
