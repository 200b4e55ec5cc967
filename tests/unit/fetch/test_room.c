#include "fetch/room.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static void what_is_missing_on_the_disk_is_said(void **state)
{
	(void)state;
	char *dir = scratch_new();
	struct err e = ERR_INIT;
	assert_ok(fetch_room_check_now(dir, 0, &e), &e);
	assert_int_equal(fetch_room_check_now(dir, UINT64_MAX - 1, &e), -ERR_SYSTEM);
	assert_non_null(strstr(e.text, dir));
	assert_non_null(strstr(e.text, "16.0 EiB are still to be written"));
	assert_non_null(strstr(e.text, " are missing"));
	assert_non_null(strstr(e.hint, "all verified pieces are kept"));
	scratch_free(dir);
}

static void a_folder_that_is_still_to_be_made_counts_where_it_will_be(void **state)
{
	(void)state;
	char *dir = scratch_new(), path[4096];
	struct err e = ERR_INIT;
	snprintf(path, sizeof path, "%s/a/b", dir);
	assert_ok(fetch_room_check_now(path, 1, &e), &e);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_on_the_disk_is_said),
		cmocka_unit_test(a_folder_that_is_still_to_be_made_counts_where_it_will_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
