/* Keys and roles: who may sign what, the keys of a run, and what people call them. */
#ifndef FERRY_REPOSITORY_KEYS_H
#define FERRY_REPOSITORY_KEYS_H

#include "repository/sign.h"

/* The roles that a key may sign: "root", "targets", "snapshot", "timestamp" in the tree's root,
 * and delegated roles (for bins, their prefix); none when there is no root. */
void repository_key_roles(const char *dir, const char *keyid, struct str_list *out);

/* snapshot or timestamp: a role whose key is at hand where the repository is refreshed. */
bool repository_is_online(const char *role);

/* "alice (1f2e3d4c5b6a7988), 99aabbcc…": with the names that how->names has, else how->keys.
 * The caller frees. */
char *repository_name_keys(const struct repository_signing *how, const struct str_list *ids);

/* ERR_USAGE when a key of how->keys was chosen by the user and may sign none of the roles (NULL:
 * nothing in the tree); the message says what it may sign and who may sign the role. */
WARN_UNUSED int repository_check_chosen(const char *dir, struct writer *w,
					const struct repository_signing *how,
					const char *const *roles, size_t count, struct err *e);

/* Opens those of how->keys that are wanted (key ids), appending their signers to out. A key
 * whose public part is missing is known by the name of a role. ERR_USAGE when one that was opened
 * turns out not to be wanted. */
WARN_UNUSED int repository_open_keys(const char *dir, const struct repository_signing *how,
				     const char *const *roles, size_t count,
				     const struct str_list *wanted, struct keyring_signers *out,
				     struct err *e);

#endif
