#include "tuf/metadata.h"
#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

#define COMMON(type) \
	"\"_type\":\"" type "\",\"spec_version\":\"1.0.34\",\"version\":1," \
	"\"expires\":\"2037-01-01T00:00:00Z\""
#define ENVELOPE(body) "{\"signatures\":[],\"signed\":{" body "}}"
#define ROLE "{\"keyids\":[\"k\"],\"threshold\":1}"
#define ROLES \
	"\"roles\":{\"root\":" ROLE ",\"timestamp\":" ROLE ",\"snapshot\":" ROLE \
	",\"targets\":" ROLE "}"
#define DELEGATES(list) \
	ENVELOPE(COMMON("targets") ",\"targets\":{},\"delegations\":" \
				   "{\"keys\":{},\"roles\":[" list "]}")
#define BINS(members) \
	ENVELOPE(COMMON("targets") ",\"targets\":{},\"delegations\":{\"keys\":{}," \
				   "\"succinct_roles\":{\"keyids\":[],\"threshold\":1," members \
				   "}}")
#define DELEGATED(members) "{\"keyids\":[],\"threshold\":1,\"terminating\":false," members "}"

static int parse(enum tuf_type type, const char *text, struct tuf_metadata **out, struct err *e)
{
	return tuf_metadata_parse(type, text, strlen(text), "it", out, e);
}

static void each_kind_is_read(void **state)
{
	(void)state;
	struct tuf_metadata *m;
	struct tuf_meta meta;
	struct err e = ERR_INIT;
	assert_ok(parse(TUF_ROOT, ENVELOPE(COMMON("root") ",\"keys\":{}," ROLES), &m, &e), &e);
	assert_int_equal(m->version, 1);
	assert_int_equal(m->expires_s, 2114380800);
	assert_false(m->consistent_snapshot);
	assert_int_equal(m->roles[TUF_SNAPSHOT].threshold, 1);
	tuf_metadata_free(m);
	assert_ok(parse(TUF_TIMESTAMP,
			ENVELOPE(COMMON("timestamp") ",\"meta\":{\"snapshot.json\":"
						     "{\"version\":7,\"length\":0}}"),
			&m, &e),
		  &e);
	assert_true(tuf_metadata_meta(m, "snapshot.json", &meta));
	assert_int_equal(meta.version, 7);
	assert_true(meta.has_length);
	assert_int_equal(meta.length, 0);
	assert_false(tuf_metadata_meta(m, "targets.json", &meta));
	tuf_metadata_free(m);
	assert_ok(parse(TUF_TARGETS,
			DELEGATES(DELEGATED("\"name\":\"b\",\"paths\":[\"x\"]") "," DELEGATED(
				"\"name\":\"a\",\"path_hash_prefixes\":[\"0\"]")),
			&m, &e),
		  &e);
	assert_int_equal(m->delegated_count, 2);
	assert_string_equal(m->delegated[0].name, "b");
	assert_null(m->delegated[0].hash_prefixes);
	assert_non_null(m->delegated[1].hash_prefixes);
	tuf_metadata_free(m);
	assert_ok(parse(TUF_TARGETS, BINS("\"bit_length\":8,\"name_prefix\":\"bin\""), &m, &e), &e);
	assert_int_equal(m->bins.bit_length, 8);
	tuf_metadata_free(m);
}

static const struct {
	enum tuf_type type;
	const char *text, *why;
} refused[] = {
	{ TUF_ROOT, ENVELOPE(COMMON("targets") ",\"keys\":{}," ROLES), "not root metadata" },
	{ TUF_ROOT, ENVELOPE(COMMON("root") "," ROLES), "signed.keys: expected an object" },
	{ TUF_ROOT, ENVELOPE(COMMON("root") ",\"keys\":{},\"roles\":{\"root\":" ROLE "}"),
	  "signed.roles.timestamp" },
	{ TUF_ROOT, ENVELOPE(COMMON("root") ",\"keys\":{},\"consistent_snapshot\":1," ROLES),
	  "consistent_snapshot" },
	{ TUF_ROOT, ENVELOPE(COMMON("root") ",\"keys\":{\"\":{}}," ROLES), "key id is empty" },
	{ TUF_TIMESTAMP, ENVELOPE(COMMON("timestamp") ",\"meta\":{}"), "lists no snapshot.json" },
	{ TUF_TIMESTAMP,
	  ENVELOPE(COMMON("timestamp") ",\"meta\":{\"snapshot.json\":{\"version\":0}}"),
	  "the version is 0" },
	{ TUF_SNAPSHOT,
	  ENVELOPE(COMMON("snapshot") ",\"meta\":{\"a\":{\"version\":1,\"hashes\":{}}}"),
	  "signed.meta[\"a\"].hashes: empty" },
	{ TUF_SNAPSHOT,
	  ENVELOPE(COMMON("snapshot") ",\"meta\":{\"a\":{\"version\":1,\"length\":-1}}"),
	  "negative" },
	{ TUF_TARGETS, ENVELOPE(COMMON("targets") ",\"targets\":{\"a\":{\"length\":1}}"),
	  "signed.targets[\"a\"].hashes" },
	{ TUF_TARGETS,
	  ENVELOPE(COMMON("targets") ",\"targets\":{\"a\":{\"hashes\":{\"x\":\"y\"}}}"),
	  "signed.targets[\"a\"].length" },
	{ TUF_TARGETS, DELEGATES(DELEGATED("\"name\":\"a\"")), "either paths or" },
	{ TUF_TARGETS,
	  DELEGATES(DELEGATED("\"name\":\"a\",\"paths\":[],\"path_hash_prefixes\":[]")),
	  "either paths or" },
	{ TUF_TARGETS, DELEGATES(DELEGATED("\"name\":\"root\",\"paths\":[]")), "is not allowed" },
	{ TUF_TARGETS, DELEGATES(DELEGATED("\"name\":\"\",\"paths\":[]")), "is not allowed" },
	{ TUF_TARGETS, DELEGATES(DELEGATED("\"name\":\"a\",\"paths\":[1]")), "expected strings" },
	{ TUF_TARGETS,
	  DELEGATES(DELEGATED("\"name\":\"a\",\"paths\":[]") "," DELEGATED("\"name\":\"a\","
									   "\"paths\":[]")),
	  "a name appears twice" },
	{ TUF_TARGETS, DELEGATES("{\"name\":\"a\",\"keyids\":[],\"threshold\":1,\"paths\":[]}"),
	  "terminating" },
	{ TUF_TARGETS, BINS("\"bit_length\":0,\"name_prefix\":\"b\""),
	  "bit_length: must be 1 to 32" },
	{ TUF_TARGETS, BINS("\"bit_length\":33,\"name_prefix\":\"b\""),
	  "bit_length: must be 1 to 32" },
	{ TUF_TARGETS, BINS("\"bit_length\":8"), "name_prefix" },
	{ TUF_TARGETS, ENVELOPE(COMMON("targets") ",\"targets\":{},\"delegations\":{\"keys\":{}}"),
	  "either roles or succinct_roles" },
	{ TUF_TARGETS,
	  "{\"signatures\":[{\"keyid\":\"a\"}],\"signed\":{" COMMON("targets") ",\"targets\":{}}}",
	  "signatures[0].sig" },
	{ TUF_TARGETS, "{\"signed\":{" COMMON("targets") ",\"targets\":{}}}", "signatures" },
};

static void each_wrong_shape_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct tuf_metadata *m;
		struct err e = ERR_INIT;
		if (parse(refused[i].type, refused[i].text, &m, &e) != -ERR_INTEGRITY ||
		    !strstr(e.text, refused[i].why) || strncmp(e.text, "it: ", 4) != 0)
			fail_msg("%s\n  %s", refused[i].text, e.text);
	}
}

static int with(const char *spec, const char *version, const char *expires, struct err *e)
{
	char text[512];
	struct tuf_metadata *m;
	snprintf(text, sizeof text,
		 "{\"signatures\":[],\"signed\":{\"_type\":\"targets\","
		 "\"spec_version\":\"%s\",\"version\":%s,\"expires\":\"%s\",\"targets\":{}}}",
		 spec, version, expires);
	int rc = parse(TUF_TARGETS, text, &m, e);
	if (rc == 0)
		tuf_metadata_free(m);
	return rc;
}

static void versions_and_times_are_checked(void **state)
{
	(void)state;
	static const char time[] = "2037-01-01T00:00:00Z";
	static const struct {
		const char *spec, *version, *expires;
		bool good;
	} cases[] = {
		{ "1.0", "1", time, true },
		{ "1.1.5", "1", time, true },
		{ "2.0", "1", time, false },
		{ "1", "1", time, false },
		{ "1.", "1", time, false },
		{ "1.x", "1", time, false },
		{ "10.0", "1", time, false },
		{ "", "1", time, false },
		{ "1.0", "0", time, false },
		{ "1.0", "-1", time, false },
		{ "1.0", "9223372036854775807", time, true },
		{ "1.0", "\"1\"", time, false },
		{ "1.0", "1", "2037-01-01T00:00:00.123Z", true },
		{ "1.0", "1", "2037-01-01T00:00:00.Z", false },
		{ "1.0", "1", "2037-01-01T00:00:00+00:00", false },
		{ "1.0", "1", "2037-02-30T00:00:00Z", false },
		{ "1.0", "1", "2037-01-01 00:00:00Z", false },
		{ "1.0", "1", "2037-01-01T00:00:00", false },
		{ "1.0", "1", "", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		int rc = with(cases[i].spec, cases[i].version, cases[i].expires, &e);
		if ((rc == 0) != cases[i].good)
			fail_msg("%s %s %s: %s", cases[i].spec, cases[i].version, cases[i].expires,
				 e.text);
	}
	struct err e = ERR_INIT;
	assert_int_equal(with("2.0.0", "1", time, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "it: specification version \"2.0.0\" is not supported");
	assert_non_null(strstr(e.hint, "newer"));
}

static void foreign_names_are_escaped_in_messages(void **state)
{
	(void)state;
	struct tuf_metadata *m;
	struct err e = ERR_INIT;
	assert_int_equal(parse(TUF_TARGETS,
			       ENVELOPE(COMMON("targets") ",\"targets\":{\"\\u001b[31m\":1}"), &m,
			       &e),
			 -ERR_INTEGRITY);
	assert_null(strchr(e.text, '\033'));
	assert_non_null(strstr(e.text, "\\x1b[31m"));
}

static int parse_root_with(json_t *keys, json_t *signatures, struct err *e)
{
	CLEANUP(json_release) json_t *json = NULL;
	const struct json_limits limits = { .max_bytes = 10000 };
	static const char text[] = ENVELOPE(COMMON("root") "," ROLES);
	struct tuf_metadata *m;
	assert_ok(json_parse(text, sizeof text - 1, &limits, "it", &json, e), e);
	json_put(json_object_get(json, "signed"), "keys", keys);
	json_put(json, "signatures", signatures);
	int rc = tuf_metadata_from_json(TUF_ROOT, json, "it", &m, e);
	if (rc == 0)
		tuf_metadata_free(m);
	return rc;
}

static json_t *some_keys(int count, int id_len)
{
	json_t *keys = json_object();
	for (int i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *id = mem_printf("%0*d", id_len, i);
		json_put(keys, id,
			 json_pack("{s:s, s:s, s:{}}", "keytype", "x", "scheme", "x", "keyval"));
	}
	return keys;
}

static json_t *some_signatures(int count)
{
	json_t *signatures = json_array();
	for (int i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *id = mem_printf("%d", i);
		json_push(signatures, json_pack("{s:s, s:s}", "keyid", id, "sig", ""));
	}
	return signatures;
}

static void counts_and_ids_are_capped(void **state)
{
	(void)state;
	static const struct {
		int keys, id_len, signatures;
		const char *why;
	} cases[] = {
		{ TUF_MAX_KEYS, TUF_KEYID_MAX, TUF_MAX_SIGNATURES, NULL },
		{ TUF_MAX_KEYS + 1, 4, 0, "it: more than 1024 keys" },
		{ 1, TUF_KEYID_MAX + 1, 0,
		  "it: signed.keys: a key id is empty or longer than 256 "
		  "bytes" },
		{ 0, 1, TUF_MAX_SIGNATURES + 1, "it: signatures: more than 1024 entries" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		int rc = parse_root_with(some_keys(cases[i].keys, cases[i].id_len),
					 some_signatures(cases[i].signatures), &e);
		assert_int_equal(rc, cases[i].why ? -ERR_INTEGRITY : 0);
		assert_string_equal(e.text, cases[i].why ? cases[i].why : "");
	}
}

static void every_known_hash_is_compared(void **state)
{
	(void)state;
	static const char sha256[] =
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
	static const struct {
		const char *name, *hex, *why;
	} cases[] = {
		{ "sha256", sha256, NULL },
		{ "sha256", "ca978112", "x: its sha256 differs from the signed one" },
		{ "sha512", sha256, "x: its sha512 differs from the signed one" },
		{ "md5", "0cc175b9c0f1b6a831c399e269772661",
		  "x: the signed metadata has no hash of a known algorithm" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(json_release) json_t *hashes = json_pack("{s:s}", cases[i].name,
								 cases[i].hex);
		struct tuf_meta meta = { .version = 1, .hashes = hashes };
		struct err e = ERR_INIT;
		assert_int_equal(tuf_meta_check(&meta, "a", 1, "x", &e),
				 cases[i].why ? -ERR_INTEGRITY : 0);
		assert_string_equal(e.text, cases[i].why ? cases[i].why : "");
	}
	CLEANUP(json_release) json_t *both = json_pack("{s:s, s:s}", "md5", "00", "sha256", sha256);
	struct tuf_meta meta = { .version = 1, .hashes = both, .has_length = true, .length = 1 };
	struct err e = ERR_INIT;
	assert_ok(tuf_meta_check(&meta, "a", 1, "x", &e), &e);
	assert_int_equal(tuf_meta_check(&meta, "b", 1, "x", &e), -ERR_INTEGRITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_read),
		cmocka_unit_test(each_wrong_shape_is_named),
		cmocka_unit_test(versions_and_times_are_checked),
		cmocka_unit_test(counts_and_ids_are_capped),
		cmocka_unit_test(every_known_hash_is_compared),
		cmocka_unit_test(foreign_names_are_escaped_in_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
