/* Whose request it is, behind fronts and without. */
#include "serve/client.h"

#include "unit.h"

static struct settings_serve_net fronts[2];

static int set_up(void **state)
{
	(void)state;
	assert_true(settings_serve_net_parse("10.0.0.0/8", &fronts[0]));
	assert_true(settings_serve_net_parse("2001:db8:f::/48", &fronts[1]));
	return 0;
}

static void a_header_counts_only_from_fronts(void **state)
{
	(void)state;
	static const struct {
		const char *peer, *list, *client;
	} of[] = {
		{ "192.0.2.1", "198.51.100.7", "192.0.2.1" },
		{ "10.1.2.3", "198.51.100.7", "198.51.100.7" },
		{ "10.1.2.3", "", "10.1.2.3" },
		/* What the client itself sent is further left. */
		{ "10.1.2.3", "203.0.113.9, 198.51.100.7", "198.51.100.7" },
		{ "10.1.2.3", "203.0.113.9,198.51.100.7, 10.9.9.9", "198.51.100.7" },
		{ "10.1.2.3", "10.4.4.4, 10.9.9.9", "10.4.4.4" },
		{ "2001:db8:f::1", "2001:db8:1::5", "2001:db8:1::5" },
		{ "2001:db8:e::1", "2001:db8:1::5", "2001:db8:e::1" },
		/* One address has one spelling. */
		{ "10.1.2.3", "::ffff:198.51.100.7", "198.51.100.7" },
		{ "10.1.2.3", "2001:DB8:1:0:0:0:0:5", "2001:db8:1::5" },
		{ "10.1.2.3", "198.51.100.7:4711", "198.51.100.7" },
		{ "10.1.2.3", "[2001:db8:1::5]:4711", "2001:db8:1::5" },
		{ "10.1.2.3", "[2001:db8:1::5]", "2001:db8:1::5" },
		/* Behind what is no address, nothing is known. */
		{ "10.1.2.3", "198.51.100.7, unknown", "10.1.2.3" },
		{ "10.1.2.3", "198.51.100.7, unknown, 10.7.7.7", "10.7.7.7" },
		{ "10.1.2.3", "198.51.100.7.8", "10.1.2.3" },
		{ "10.1.2.3", "[2001:db8:1::5", "10.1.2.3" },
		{ "10.1.2.3", " ,, \t,", "10.1.2.3" },
	};
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		uint8_t address[16];
		char text[CLIENT_TEXT];
		assert_true(settings_serve_address(of[i].peer, address));
		serve_client_forwarded(fronts, ARRAY_LEN(fronts), of[i].list, address);
		serve_client_text(address, text);
		if (strcmp(text, of[i].client) != 0)
			fail_msg("%s behind %s is %s", of[i].list, of[i].peer, text);
	}
}

static void limits_count_networks_of_ipv6(void **state)
{
	(void)state;
	static const char *const of[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
		{ "::1", "::/64" },
	};
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		uint8_t address[16];
		char text[CLIENT_NETWORK];
		assert_true(settings_serve_address(of[i][0], address));
		serve_client_network(address, text);
		assert_string_equal(text, of[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_counts_only_from_fronts),
		cmocka_unit_test(limits_count_networks_of_ipv6),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
