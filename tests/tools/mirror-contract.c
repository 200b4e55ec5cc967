/*
 * Runs the mirror contract against one mirror:
 *   mirror-contract CONF SECTION     [mirror.SECTION] of a configuration file
 *   mirror-contract URL              a place that can be read, holding the tree that
 *   mirror-contract --tree DIR       writes
 * Prints a line for each test; exits 1 if any failed.
 */
#include "mirror/mirror.h"
#include "mirror_contract.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

static int open_mirror(int argc, char **argv, struct mirror **out, struct err *e)
{
	if (argc == 2)
		return mirror_open_url(mirror_kinds_all, NULL, "url", argv[1], out, e);
	CLEANUP(conf_release) struct conf c = { 0 };
	int rc = conf_load(argv[1], true, &c, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(settings_mirrors_release) struct settings_mirrors all = { 0 };
	rc = settings_mirrors_read(&c, NULL, kinds, &all, e);
	for (size_t i = 0; i < all.count; i++)
		if (strcmp(all.at[i].id, argv[2]) == 0)
			return mirror_open(mirror_kinds_all, NULL, &all.at[i], out, e);
	return rc < 0 ? rc : err_set(e, ERR_NOT_FOUND, "no [mirror.%s] in %s", argv[2], argv[1]);
}

static int run(struct contract *c)
{
	int failed = 0;
	for (size_t i = 0; i < contract_test_count; i++) {
		const struct contract_test *test = &contract_tests[i];
		if (!contract_applies(c, test))
			continue;
		int rc = contract_run(c, test);
		printf("%s %s%s%s\n", rc < 0 ? "FAILED" : "ok", test->name, rc < 0 ? ": " : "",
		       rc < 0 ? c->failure : "");
		failed += rc < 0;
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct contract c = { 0 };
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	int rc = 0, failed = 0;
	if (argc == 3 && strcmp(argv[1], "--tree") == 0) {
		rc = contract_tree(argv[2], &e);
	} else if (argc == 2 || argc == 3) {
		rc = open_mirror(argc, argv, &m, &e);
		if (rc == 0)
			rc = contract_begin(&c, m, &e);
		if (rc == 0) {
			failed = run(&c);
			rc = contract_end(&c, &e);
		}
	} else {
		rc = err_set(&e, ERR_USAGE,
			     "usage: mirror-contract CONF SECTION | URL | --tree DIR");
	}
	if (rc < 0)
		fprintf(stderr, "mirror-contract: %s\n", e.text);
	return rc < 0 ? 2 : failed > 0;
}
