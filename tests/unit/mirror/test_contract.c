#include "mirror/kinds.h"
#include "mirror_conf.h"
#include "mirror_mem.h"
#include "mirror_contract.h"

#include "unit.h"
#include "util/mem.h"

static void run_all(struct mirror *m)
{
	struct err e = ERR_INIT;
	struct contract c;
	assert_ok(contract_begin(&c, m, &e), &e);
	for (size_t i = 0; i < contract_test_count; i++)
		if (contract_applies(&c, &contract_tests[i]) &&
		    contract_run(&c, &contract_tests[i]) < 0)
			fail_msg("%s: %s", contract_tests[i].name, c.failure);
	assert_ok(contract_end(&c, &e), &e);
}

static void the_kind_in_memory_keeps_it(void **state)
{
	(void)state;
	CLEANUP_PTR(mirror_mem_free) struct mirror_mem *s = mirror_mem_new();
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_mem_open(s, "mem");
	run_all(m);
	assert_null(mirror_mem_object(s, "w/text"));
}

static struct mirror *open_folder(const char *dir)
{
	CLEANUP(mem_free_ptr) char *text = mem_printf("[mirror.folder]\nkind = file\npath = %s\n",
						      dir);
	return mirror_conf_open(text);
}

static void the_kind_file_keeps_it(void **state)
{
	(void)state;
	char *dir = scratch_new();
	struct mirror *m = open_folder(dir);
	run_all(m);
	mirror_close(m);
	scratch_free(dir);
}

static void a_folder_opened_by_its_url_is_read_only(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	assert_ok(contract_tree(dir, &e), &e);
	struct mirror *m, *folder = open_folder(dir);
	assert_ok(mirror_open_url(mirror_kinds_client, NULL, "u", folder->url, &m, &e), &e);
	run_all(m);
	mirror_close(m);
	mirror_close(folder);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kind_in_memory_keeps_it),
		cmocka_unit_test(the_kind_file_keeps_it),
		cmocka_unit_test(a_folder_opened_by_its_url_is_read_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
