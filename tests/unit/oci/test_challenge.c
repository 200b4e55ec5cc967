#include "oci/challenge.h"

#include "unit.h"
#include "util/mem.h"

static void expect(const char *value, enum oci_scheme scheme, const char *realm,
		   const char *service, const char *scope)
{
	CLEANUP(oci_challenge_release) struct oci_challenge c = { 0 };
	oci_challenge_add(&c, value);
	assert_int_equal(c.scheme, scheme);
	if (realm)
		assert_string_equal(c.realm, realm);
	if (service)
		assert_string_equal(c.service, service);
	else
		assert_null(c.service);
	if (scope)
		assert_string_equal(c.scope, scope);
	else
		assert_null(c.scope);
}

/* As these registries send them. */
static void challenges_of_registries_are_read(void **state)
{
	(void)state;
	expect("Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
	       "scope=\"repository:ai/model:pull,push\"",
	       OCI_SCHEME_BEARER, "https://auth.docker.io/token", "registry.docker.io",
	       "repository:ai/model:pull,push");
	expect("Basic realm=\"Registry Realm\"", OCI_SCHEME_BASIC, "Registry Realm", NULL, NULL);
	expect("bearer  realm = \"http://h/t\" , error=\"invalid_token\"", OCI_SCHEME_BEARER,
	       "http://h/t", NULL, NULL);
	expect("Basic realm=\"a\", Bearer realm=\"https://t\",service=s", OCI_SCHEME_BEARER,
	       "https://t", "s", NULL);
	expect("Negotiate YWJj/ZA==, Basic realm=x", OCI_SCHEME_BASIC, "x", NULL, NULL);
	expect("Bearer realm=\"a\\\"b\"", OCI_SCHEME_BEARER, "a\"b", NULL, NULL);
}

static void what_is_no_challenge_gives_none(void **state)
{
	static const char *const bad[] = { "",
					   ",,",
					   "Digest realm=\"x\"",
					   "Bearer",
					   "Bearer realm=\"\"",
					   "Bearer realm=\"open",
					   "=",
					   "Bearer service=\"s\"" };
	CLEANUP(mem_free_ptr) char *filler = mem_alloc(OCI_CHALLENGE_MAX + 1);
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		expect(bad[i], OCI_SCHEME_NONE, NULL, NULL, NULL);
	memset(filler, 'x', OCI_CHALLENGE_VALUE + 1);
	CLEANUP(mem_free_ptr) char *long_value = mem_printf("Bearer realm=\"%s\"", filler);
	expect(long_value, OCI_SCHEME_NONE, NULL, NULL, NULL);
	memset(filler, ',', OCI_CHALLENGE_MAX);
	CLEANUP(mem_free_ptr) char *long_header = mem_printf("Basic realm=x%s", filler);
	expect(long_header, OCI_SCHEME_NONE, NULL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_of_registries_are_read),
		cmocka_unit_test(what_is_no_challenge_gives_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
