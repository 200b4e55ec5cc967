/*
 * What every kind of mirror must do, as one list of tests. The unit tests run it against the
 * kinds in memory and on disk, build/tests/mirror-contract against any configured mirror.
 *
 * A mirror that can be written is given the objects it needs, all below one prefix, and is
 * cleaned again. One that can only be read must hold the tree that contract_tree() writes.
 */
#ifndef FERRY_TESTS_MIRROR_CONTRACT_H
#define FERRY_TESTS_MIRROR_CONTRACT_H

#include "mirror/mirror.h"

struct contract {
	struct mirror *m;
	char prefix[64]; /* of all keys, ends with '/' */
	bool writable;
	char failure[2048]; /* of the test that failed last */
};

struct contract_test {
	const char *name;
	enum { CONTRACT_READ = 1, CONTRACT_WRITE = 2, CONTRACT_READ_ONLY = 4 } needs;
	/* 0, or negative with c->failure set. */
	int (*run)(struct contract *c);
};
extern const struct contract_test contract_tests[];
extern const size_t contract_test_count;

/* Does this test apply to this mirror? */
bool contract_applies(const struct contract *c, const struct contract_test *test);

/* Runs it: 0, or -1 with c->failure. */
int contract_run(struct contract *c, const struct contract_test *test);

/* Writes the objects that reading needs into a local folder. */
WARN_UNUSED int contract_tree(const char *dir, struct err *e);

/* Puts them on a writable mirror; nothing on others. m is borrowed. */
WARN_UNUSED int contract_begin(struct contract *c, struct mirror *m, struct err *e);
/* Removes everything below the prefix. */
WARN_UNUSED int contract_end(struct contract *c, struct err *e);

#endif
