/*
 * [access.NAME]: how the servers below a URL are reached: token, netrc, certificates, limits
 * (http/access.h). Secrets are in files of their own, which nobody else may read, or in the
 * environment.
 *
 * Prefixes: settings_access_, settings_variable_.
 */
#ifndef FERRY_SETTINGS_ACCESS_H
#define FERRY_SETTINGS_ACCESS_H

#include "http/access.h"
#include "settings/conf.h"

/* Appends the sections, and takes `ca` and `ip` of [fetch] unless the list has them. A file with a
 * secret that is missing, or that others can read, is the fault of its entry alone: it must not
 * stop work with other servers. */
WARN_UNUSED int settings_access_read(const struct conf *c, struct http_access_list *out,
				     struct err *e);

/* FERRY_EU_HUB_TOKEN for "eu-hub", "FERRY_" and "_TOKEN". Caller frees. */
char *settings_variable_name(const char *name, const char *before, const char *behind);

#endif
