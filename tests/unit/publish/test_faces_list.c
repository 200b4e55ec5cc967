#include "publish/faces_list.h"

#include "unit.h"

#include <string.h>

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define LIST(key) \
	"{\"format\":\"model-ferry-faces\",\"version\":1,\"files\":[{\"key\":\"" key \
	"\",\"sha256\":\"" ZEROS "\"}]}"

/* Files of the list are removed some day. */
static void a_list_that_names_other_files_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		LIST("targets/models/m/m.gguf"),
		LIST("metadata/timestamp.json"),
		LIST("v2/../catalog.json"),
		LIST("/v2/x"),
		LIST("catalog.json"),
		LIST("targets/a/resolve/b"),
		"{\"format\":\"other\",\"files\":[]}",
		"[]",
		"",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(faces_list_release) struct faces_list l = { 0 };
		struct err e = ERR_INIT;
		assert_int_equal(faces_list_parse(bad[i], strlen(bad[i]), &l, &e), -ERR_INTEGRITY);
	}
}

static void files_of_faces_are_read(void **state)
{
	(void)state;
	static const char *const good[] = { LIST("v2/_catalog"), LIST("api/models.json"),
					    LIST("a/b/resolve/main/x.gguf") };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP(faces_list_release) struct faces_list l = { 0 };
		struct err e = ERR_INIT;
		assert_ok(faces_list_parse(good[i], strlen(good[i]), &l, &e), &e);
		assert_int_equal(l.count, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_that_names_other_files_is_refused),
		cmocka_unit_test(files_of_faces_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
