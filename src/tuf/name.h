/*
 * Names of metadata files, below metadata/ of a repository and in folders of their own:
 *
 *   7.targets.json     version 7 of the role "targets"
 *   timestamp.json     no version
 *   3.a%2Fb.json       version 3 of the role "a/b": names of roles are percent-encoded
 *
 * A leading number is a version: "5.root.json" is version 5 of root, not a file of the role
 * "5.root", which also needs a version ("2.5.root.json"). A version is at least 1 and has no
 * leading zero.
 */
#ifndef FERRY_TUF_NAME_H
#define FERRY_TUF_NAME_H

#include "util/base.h"

#define TUF_NAME_TIMESTAMP "timestamp.json"
#define TUF_NAME_FIRST_ROOT "1.root.json"

/* The file's name; version 0: without one. Caller frees. */
char *tuf_name_file(const char *role, uint64_t version);

struct tuf_name {
	char *role;       /* decoded */
	uint64_t version; /* 0: none in the name */
};
/* `file` has no folder. False when it is not the name of a metadata file. */
bool tuf_name_parse(const char *file, struct tuf_name *out);
void tuf_name_release(struct tuf_name *n);

/* The version of the role in the file's name; 0: none, or another role. */
uint64_t tuf_name_version(const char *file, const char *role);

#endif
