/*
 * What every kind of database must do, as one list of tests. The unit tests run it on SQLite,
 * build/tests/db-contract on any database.
 */
#ifndef FERRY_TESTS_DB_CONTRACT_H
#define FERRY_TESTS_DB_CONTRACT_H

#include "db/db.h"

struct db_contract_test {
	const char *name;
	/* NULL, or what did not hold. `where` as of db_open(); its tables are removed first. */
	const char *(*run)(const char *where);
};
extern const struct db_contract_test db_contract_tests[];
extern const size_t db_contract_count;

#endif
