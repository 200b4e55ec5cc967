#include "settings/serve.h"

#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <sys/stat.h>

static void assert_reads(const char *text, struct conf *c, struct settings_serve *out)
{
	struct err e = ERR_INIT;
	assert_ok(conf_parse(text, strlen(text), "/etc/ferry.conf", c, &e), &e);
	assert_ok(settings_serve_read(c, out, &e), &e);
}

static void without_a_section_it_listens_on_this_machine_only(void **state)
{
	(void)state;
	struct conf c;
	struct settings_serve s;
	assert_reads("", &c, &s);
	assert_int_equal(s.listen_count, 1);
	assert_string_equal(s.listen[0].host, "127.0.0.1");
	assert_int_equal(s.listen[0].port, 8480);
	assert_true(s.anonymous);
	assert_false(s.public);
	assert_int_equal(s.scrub_s, 30 * 86400);
	assert_int_equal(s.repositories.count, 0);
	assert_null(s.log);
	settings_serve_release(&s);
	conf_release(&c);
}

static void strangers_may_pull_only_on_this_machine_or_if_that_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool anonymous;
	} all[] = {
		{ "[serve]\nlisten = 127.0.0.1:1 [::1]:2 localhost:3 unix:/run/x\n", true },
		{ "[serve]\nlisten = 127.0.0.1:1 192.0.2.1:1\n", false },
		{ "[serve]\nlisten = *:80\n", false },
		{ "[serve]\nlisten = :80\n", false },
		{ "[serve]\nlisten = [::]:80\n", false },
		{ "[serve]\nlisten = *:80\nanonymous = yes\n", true },
		{ "[serve]\nanonymous = no\n", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct conf c;
		struct settings_serve s;
		assert_reads(all[i].text, &c, &s);
		if (s.anonymous != all[i].anonymous)
			fail_msg("%s: anonymous is %d", all[i].text, s.anonymous);
		settings_serve_release(&s);
		conf_release(&c);
	}
}

static void everything_has_its_key(void **state)
{
	(void)state;
	struct conf c;
	struct settings_serve s;
	assert_reads("[serve]\nrepository = a b\nadmin = run/admin\nurl = https://edge.example/x/\n"
		     "keys = keys.json\njwks = https://id.example/jwks\nissuer = me\naudience = e\n"
		     "fronts = 10.0.0.0/8 ::1\nrequests = 600/5m\nrate = 1MiB\nconnections = 9\n"
		     "redis = redis://127.0.0.1:6379/1\nsize = 1TiB\nkeep-free = 5G\nthreads = 3\n"
		     "pulls = 2\nrefresh = 1m\nscrub = 0\nidle-exit = 10m\nlog = -\n"
		     "peers = http://b:8480/ http://c:8480\npeers-srv = _ferry._tcp.example\n",
		     &c, &s);
	assert_int_equal(s.repositories.count, 2);
	assert_string_equal(s.admin, "/etc/run/admin");
	assert_string_equal(s.url, "https://edge.example/x");
	assert_string_equal(s.keys, "/etc/keys.json");
	assert_string_equal(s.jwks, "https://id.example/jwks");
	assert_int_equal(s.front_count, 2);
	assert_true(s.requests_s > 1.99 && s.requests_s < 2.01);
	assert_int_equal(s.burst, 21);
	assert_int_equal(s.rate, MIB);
	assert_int_equal(s.connections, 9);
	assert_int_equal(s.scrub_s, 0);
	assert_string_equal(s.log, "-");
	assert_string_equal(s.peers.at[0], "http://b:8480");
	settings_serve_release(&s);
	conf_release(&c);
}

static const char with_secrets[] = "[serve]\nredis-password-file = password\npeer-key-file = key\n";

static int read_secrets(const char *dir, char **password, char **key, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "ferry.conf");
	struct conf c;
	struct settings_serve s;
	*password = *key = NULL;
	assert_ok(conf_parse(with_secrets, strlen(with_secrets), path, &c, e), e);
	int rc = settings_serve_read(&c, &s, e);
	if (rc == 0) {
		*password = mem_strdup(s.redis_password);
		*key = mem_strdup(s.peer_key);
		settings_serve_release(&s);
	}
	conf_release(&c);
	return rc;
}

static void assert_secrets(const char *dir, const char *password, const char *key)
{
	CLEANUP(mem_free_ptr) char *got_password = NULL;
	CLEANUP(mem_free_ptr) char *got_key = NULL;
	struct err e = ERR_INIT;
	assert_ok(read_secrets(dir, &got_password, &got_key, &e), &e);
	assert_string_equal(got_password, password);
	assert_string_equal(got_key, key);
}

static void secrets_are_in_private_files_or_in_the_environment(void **state)
{
	(void)state;
	char *dir = scratch_new(), *password, *key;
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "key");
	struct err e = ERR_INIT;
	scratch_write(dir, "password", "of redis\n", strlen("of redis\n"));
	scratch_write(dir, "key", "of peers\n", strlen("of peers\n"));
	CLEANUP(mem_free_ptr) char *other = path_join(dir, "password");
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(chmod(other, 0600), 0);
	assert_secrets(dir, "of redis", "of peers");
	setenv("FERRY_REDIS_PASSWORD", "another", true);
	assert_secrets(dir, "another", "of peers");
	setenv("FERRY_PEER_KEY", "one more", true);
	assert_secrets(dir, "another", "one more");
	unsetenv("FERRY_REDIS_PASSWORD");
	unsetenv("FERRY_PEER_KEY");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(read_secrets(dir, &password, &key, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "peer-key-file"));
	scratch_free(dir);
}

static void a_network_has_its_addresses_and_no_others(void **state)
{
	(void)state;
	static const struct {
		const char *net, *address;
		bool has;
	} all[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "192.0.2.128/25", "192.0.2.129", true },
		{ "192.0.2.128/25", "192.0.2.1", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "2001:db8::/32", "2001:db8:1::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::1", "::1", true },
		{ "10.0.0.0/8", "::ffff:10.0.0.1", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct settings_serve_net n;
		uint8_t address[16];
		assert_true(settings_serve_net_parse(all[i].net, &n));
		assert_true(settings_serve_address(all[i].address, address));
		if (settings_serve_net_has(&n, address) != all[i].has)
			fail_msg("%s %s", all[i].net, all[i].address);
	}
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[serve]\nlisten = 8480\n", "ferry.conf:2: listen" },
		{ "[serve]\nlisten = a:b:1\n", "listen" },
		{ "[serve]\nlisten = h:65536\n", "listen" },
		{ "[serve]\nlisten = unix:run\n", "listen" },
		{ "[serve]\nfronts = 10.0.0.0/33\n", "fronts" },
		{ "[serve]\nfronts = host\n", "fronts" },
		{ "[serve]\nrequests = 5/0\n", "requests" },
		{ "[serve]\nrequests = -5\n", "requests" },
		{ "[serve]\nthreads = 0\n", "threads: must be 1 to 64" },
		{ "[serve]\nrefresh = 0\n", "refresh: must be at least 1s" },
		{ "[serve]\nurl = edge.example\n", "url" },
		{ "[serve]\nurl = https://u:p@edge.example\n", "url" },
		{ "[serve]\npeers = https:///x\n", "peers" },
		{ "[serve]\nredis = redis://:secret@h:1\n", "redis-password-file" },
		{ "[serve]\nredis = h:1\n", "redis" },
		{ "[serve]\njwks = http://id.example/jwks\n", "jwks" },
		{ "[serve]\njwks = keys.json\n", "audience" },
		{ "[serve]\nlisen = *:1\n", "did you mean 'listen'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct conf c;
		struct settings_serve s;
		assert_ok(conf_parse(bad[i].text, strlen(bad[i].text), "/etc/ferry.conf", &c, &e),
			  &e);
		assert_int_equal(settings_serve_read(&c, &s, &e), -ERR_USAGE);
		if (!strstr(e.text, bad[i].message))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].message);
		conf_release(&c);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_section_it_listens_on_this_machine_only),
		cmocka_unit_test(strangers_may_pull_only_on_this_machine_or_if_that_is_said),
		cmocka_unit_test(everything_has_its_key),
		cmocka_unit_test(secrets_are_in_private_files_or_in_the_environment),
		cmocka_unit_test(a_network_has_its_addresses_and_no_others),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
