/*
 * Runs the tests of db_contract.h on one database: db-contract PATH|URL
 * Prints a line for each test; exits 1 if any failed.
 */
#include "db_contract.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	int failed = 0;
	if (argc != 2) {
		fprintf(stderr, "usage: db-contract PATH|URL\n");
		return 2;
	}
	for (size_t i = 0; i < db_contract_count; i++) {
		const char *why = db_contract_tests[i].run(argv[1]);
		printf("%s %s%s%s\n", why ? "FAILED" : "ok", db_contract_tests[i].name,
		       why ? ": " : "", why ? why : "");
		failed += why != NULL;
	}
	return failed != 0;
}
