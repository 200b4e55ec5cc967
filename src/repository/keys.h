/* Keys and roles: who may sign what, opening the keys of a run, and their names in messages. */
#ifndef FERRY_REPOSITORY_KEYS_H
#define FERRY_REPOSITORY_KEYS_H

#include "repository/sign.h"

/* The roles that a key may sign: "root", "targets", "snapshot", "timestamp" in the tree's root,
 * and delegated roles (for bins, their prefix); none when there is no root. */
void repository_key_roles(const char *dir, const char *keyid, struct str_list *out);

/* ERR_USAGE with the nearest name when one of these roles is not in the tree: for before a person
 * is asked for anything. A tree that cannot be read is not judged here. */
WARN_UNUSED int repository_check_roles(const char *dir, const char *const *roles, size_t count,
				       struct err *e);

/* Is it snapshot or timestamp, whose keys are where the repository is refreshed? */
bool repository_is_online(const char *role);

/* "alice (1f2e3d4c5b6a7988), 99aabbcc…": with the names in how->names, else how->keys. The caller
 * frees. */
char *repository_name_keys(const struct repository_signing *how, const struct str_list *ids);

/* ERR_USAGE when a key of how->keys was chosen by the user and may sign none of the roles (NULL:
 * nothing in the tree); the message says what it may sign and who may sign the role. */
WARN_UNUSED int repository_check_chosen(const char *dir, struct writer *w,
					const struct repository_signing *how,
					const char *const *roles, size_t count, struct err *e);

/* Opens the wanted keys (ids) of how->keys and appends their signers to out. A key without
 * NAME.pub is opened if none else is and it is named after one of the roles; ERR_USAGE when its
 * id turns out not to be wanted. */
WARN_UNUSED int repository_open_keys(const char *dir, const struct repository_signing *how,
				     const char *const *roles, size_t count,
				     const struct str_list *wanted, struct keyring_signers *out,
				     struct err *e);

#endif
