#include "hash/sha256_chain.h"

#include "util/mem.h"
#include "util/os.h"

#include "sha256_check.h"
#include "unit.h"

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t pick(uint64_t below)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (seed >> 16) % below;
}

static uint8_t *noise(size_t len)
{
	uint8_t *data = mem_alloc(len);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)pick(256);
	return data;
}

static void expect_hex(const struct digest *got, const char *want)
{
	char hex[DIGEST_HEX];
	assert_string_equal(digest_hex(hex, got), want);
}

/* Of OpenSSL. */
static void expect_digest(const struct digest *got, const void *data, size_t len)
{
	struct digest want;
	char hex[DIGEST_HEX];
	sha256_of(data, len, &want);
	expect_hex(got, digest_hex(hex, &want));
}

static void check_kernel(const struct sha256_kernel *k)
{
	const char *wrong = sha256_check_kernel(k);
	if (wrong)
		fail_msg("%s: %s", k->name, wrong);
}

static void openssl_is_as_fips_180_4_says(void **state)
{
	(void)state;
	check_kernel(sha256_kernel_openssl());
}

static void this_processor_is_as_fips_180_4_says(void **state)
{
	(void)state;
	const struct sha256_kernel *k = os_has_arm_sha256() ? sha256_kernel_arm()
							    : sha256_kernel_x86();
	/* A processor without instructions for SHA-256, or valgrind: then OpenSSL hashes. */
	assert_int_equal(sha256_chain_is_paired(), k != NULL);
	check_kernel(k ? k : sha256_kernel_openssl());
}

static void plain_two(uint32_t a[8], uint32_t b[8], const uint8_t *data, size_t blocks)
{
	sha256_plain_blocks(a, data, blocks);
	sha256_plain_blocks(b, data, blocks);
}

/* Wrong in a rare case only. */
static void wrong_one(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	sha256_plain_blocks(state, data, blocks);
	state[7] ^= blocks == 40;
}

static void wrong_two(uint32_t a[8], uint32_t b[8], const uint8_t *data, size_t blocks)
{
	sha256_plain_blocks(a, data, blocks);
	wrong_one(b, data, blocks);
}

static void the_check_finds_a_wrong_kernel(void **state)
{
	(void)state;
	const struct sha256_kernel right = { "right", sha256_plain_blocks, plain_two };
	const struct sha256_kernel one = { "wrong", wrong_one, plain_two };
	const struct sha256_kernel two = { "wrong", sha256_plain_blocks, wrong_two };
	assert_null(sha256_check_kernel(&right));
	assert_string_equal(sha256_check_kernel(&one), "one hash");
	assert_string_equal(sha256_check_kernel(&two), "two hashes");
}

/* FIPS 180-4's examples and the shortest messages of NIST's CAVP (SHA256ShortMsg.rsp):
 * https://csrc.nist.gov/projects/cryptographic-algorithm-validation-program/secure-hashing */
static void nist_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *message, *digest;
	} cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnop"
		  "qklmnopqrlmnopqrsmnopqrstnopqrstu",
		  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
		{ "\xd3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1" },
		{ "\x11\xaf", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98" },
		{ "\xb4\x19\x0e",
		  "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sha256_chain a, b;
		struct digest d;
		sha256_chain_init(&a);
		sha256_chain_init(&b);
		sha256_chain_add_both(&a, &b, cases[i].message, strlen(cases[i].message));
		sha256_chain_final(&a, &d);
		expect_hex(&d, cases[i].digest);
		sha256_chain_final(&b, &d);
		expect_hex(&d, cases[i].digest);
	}
}

static void a_million_times_a(void **state)
{
	(void)state;
	struct sha256_chain a, b;
	struct digest d;
	char row[1000];
	memset(row, 'a', sizeof row);
	sha256_chain_init(&a);
	sha256_chain_init(&b);
	for (int i = 0; i < 1000; i++)
		sha256_chain_add_both(&a, &b, row, sizeof row);
	sha256_chain_final(&a, &d);
	expect_hex(&d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	sha256_chain_final(&b, &d);
	expect_hex(&d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void every_short_length(void **state)
{
	(void)state;
	uint8_t *data = noise(300);
	struct sha256_chain c;
	sha256_chain_init(&c);
	for (size_t len = 0; len <= 300; len++) {
		struct digest d;
		sha256_chain_add(&c, data, len);
		sha256_chain_final(&c, &d); /* and is ready for the next */
		expect_digest(&d, data, len);
	}
	free(data);
}

/* Chain a takes all bytes, chain b those from b_from to b_to, together with a: their blocks
 * coincide in some cases and not in others. */
static void check_both(const uint8_t *data, size_t len, size_t b_from, size_t b_to)
{
	struct sha256_chain a, b;
	struct digest d;
	sha256_chain_init(&a);
	sha256_chain_init(&b);
	for (size_t at = 0, end; at < len; at = end) {
		size_t limit = at < b_from ? b_from : at < b_to ? b_to : len;
		size_t step = 1 + pick(pick(3) ? 200 : 5000);
		end = MIN(limit, at + step);
		if (limit == b_to && at >= b_from)
			sha256_chain_add_both(&a, &b, data + at, end - at);
		else
			sha256_chain_add(&a, data + at, end - at);
	}
	sha256_chain_final(&a, &d);
	expect_digest(&d, data, len);
	sha256_chain_final(&b, &d);
	expect_digest(&d, data + b_from, b_to - b_from);
}

static void two_hashes_of_random_parts(void **state)
{
	(void)state;
	uint8_t *data = noise(20000 + 64);
	for (int i = 0; i < 1000; i++) {
		size_t len = pick(20000), from = pick(len + 1);
		if (pick(2))
			from = from / 64 * 64;
		check_both(data + pick(64), len, from, from + pick(len - from + 1));
	}
	free(data);
}

/* The same message from there on, but the block that is not full differs. */
static void two_hashes_that_began_differently(void **state)
{
	(void)state;
	uint8_t *x = noise(1000), *y = noise(1000), *common = noise(1000);
	for (size_t at = 0; at < 200; at++) {
		struct sha256_chain a, b;
		struct digest d;
		sha256_chain_init(&a);
		sha256_chain_init(&b);
		sha256_chain_add(&a, x, at);
		sha256_chain_add(&b, y, at);
		sha256_chain_add_both(&a, &b, common, 800);
		memcpy(x + at, common, 800);
		memcpy(y + at, common, 800);
		sha256_chain_final(&a, &d);
		expect_digest(&d, x, at + 800);
		sha256_chain_final(&b, &d);
		expect_digest(&d, y, at + 800);
	}
	free(x);
	free(y);
	free(common);
}

static void a_copy_goes_on_from_there(void **state)
{
	(void)state;
	uint8_t *data = noise(500);
	struct sha256_chain c, before;
	struct digest d;
	sha256_chain_init(&c);
	sha256_chain_add(&c, data, 100);
	before = c;
	sha256_chain_add(&c, "something else", 14);
	c = before;
	sha256_chain_add(&c, data + 100, 400);
	sha256_chain_final(&c, &d);
	expect_digest(&d, data, 500);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_is_as_fips_180_4_says),
		cmocka_unit_test(this_processor_is_as_fips_180_4_says),
		cmocka_unit_test(the_check_finds_a_wrong_kernel),
		cmocka_unit_test(nist_vectors),
		cmocka_unit_test(a_million_times_a),
		cmocka_unit_test(every_short_length),
		cmocka_unit_test(two_hashes_of_random_parts),
		cmocka_unit_test(two_hashes_that_began_differently),
		cmocka_unit_test(a_copy_goes_on_from_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
